// SPDX-License-Identifier: Apache-2.0
// Shows of which moment an open file's text is: rewind FILE COMMAND reads a part of FILE, runs COMMAND, prints the whole
// text, goes back to the start, and prints what is there then.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int copy(int file)
{
	char text[4096];
	ssize_t count;

	while ((count = read(file, text, sizeof(text))) > 0)
		if (write(STDOUT_FILENO, text, count) != count)
			return 1;
	return count != 0;
}

int main(int argc, char **argv)
{
	char part[40];
	ssize_t count;
	int file;

	if (argc != 3)
		return 64;
	file = open(argv[1], O_RDONLY);
	count = read(file, part, sizeof(part));
	if (count <= 0 || system(argv[2]) || write(STDOUT_FILENO, part, count) != count || copy(file))
		return 1;
	if (lseek(file, 0, SEEK_SET))
		return 1;
	return copy(file);
}
