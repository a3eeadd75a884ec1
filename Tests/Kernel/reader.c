// SPDX-License-Identifier: Apache-2.0
// Reads rmpopt-table many times in several processes, and checks that each text is a whole table: reader FILE TIMES
// PROCESSES LINES. Prints what is wrong.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int table_is_whole(const char *text, int lines)
{
	int line;

	for (line = 0; line < lines; line++) {
		char start[32];
		int length = snprintf(start, sizeof(start), "Memory @%3dGB: CPU(s): ", line);
		const char *end = strchr(text, '\n');

		if (strncmp(text, start, length) || !end || end == text + length)
			return 0;
		text = end + 1;
	}
	return *text == '\0';
}

static int read_often(const char *path, long times, int lines)
{
	static char text[1 << 16];

	for (long time = 0; time < times; time++) {
		int file = open(path, O_RDONLY);
		size_t length = 0;
		ssize_t count;

		if (file < 0) {
			perror(path);
			return 1;
		}
		while ((count = read(file, text + length, sizeof(text) - 1 - length)) > 0)
			length += count;
		text[length] = '\0';
		close(file);
		if (count < 0 || !table_is_whole(text, lines)) {
			printf("reading %ld: %zd, '%s'\n", time, count, text);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	int status, failed = 0;

	if (argc != 5)
		return 64;
	for (int process = 0; process < atoi(argv[3]); process++)
		if (fork() == 0)
			exit(read_often(argv[1], atol(argv[2]), atoi(argv[4])));
	while (wait(&status) > 0)
		failed |= status;
	return failed != 0;
}
