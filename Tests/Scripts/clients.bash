# SPDX-License-Identifier: Apache-2.0
# The programs that people use on such files, each run on a mount. Root and ordinary users run the same list.
#
# Two facts of the real kernel decide what some of them can do: an attribute has a size of 4,096 bytes, a file of
# debugfs a size of 0, whatever they contain. tar, rsync, gzip and tail do the same here as on sysfs and debugfs; this
# was compared on Linux 6.18.
# shellcheck shell=bash
# Names that lib.bash and the tests share with this file:
# shellcheck disable=SC2034,SC2154

# How many tests `run_clients` makes.
client_count=92

# --- What a client's script may use: M the mount, five files of it by name, E expected texts, W a writable folder ---

# Lets every pass end.
settle() {
    echo +10s >"$M/rmpsim/clock"
    same 0 "$(cat "$M/rmpopt/reenable")"
}

# A pass is running: the last write has taken effect.
running() {
    same 1 "$(cat "$M/rmpopt/reenable")"
    same "RMP optimization in progress: Yes" "$(cat "$M/rmpopt/action")"
}

idle() { same 0 "$(cat "$M/rmpopt/reenable")"; }

same() {
    [ "$1" = "$2" ] || { printf 'expected: %s\nactual:   %s\n' "$1" "$2" >&2; exit 1; }
}

# fails STATUS PATTERN COMMAND...: the command exits with STATUS, and its message matches the extended regular
# expression.
fails() {
    local wanted=$1 pattern=$2 status=0
    shift 2
    "$@" >"$W/said" 2>&1 || status=$?
    [ "$status" = "$wanted" ] && grep -qE -- "$pattern" "$W/said" && return
    printf '%s\nexit status %d, expected %d and a message like %s\n' "$*" "$status" "$wanted" "$pattern" >&2
    cat "$W/said" >&2
    exit 1
}

# below CONDITION...: what find(1) finds in the mount, as relative paths.
below() { find "$M" "$@" -printf '%P\n' | sort; }
export -f settle running idle same fails below

# client NAME SCRIPT: the script succeeds in time, run as the current user of the list.
client() {
    check "$1" limit 30 "${as[@]}" bash -euo pipefail -c "cd \"\$W\"; $2"
}

# client_if FOUND NAME SCRIPT: like client, for one that not every machine has; FOUND is its path, or empty.
client_if() {
    if [ -n "$1" ]; then client "$2" "$3"; else skip "$2" "it is not on this machine"; fi
}

# writes NAME SCRIPT: the single write of the script starts a pass.
writes() {
    client "$1 starts a pass" "settle; $2
        running; settle"
}

# What a mount of the default machine (16 CPUs, series v1) contains. Every count below derives from these lists.
reports='blockers events log metrics passes schedule series'
write_expected_lists() {
    {
        printf '%s\n' debug/rmpopt/rmpopt-table
        printf 'debug/rmpopt/cpu%d\n' {0..15}
        # shellcheck disable=SC2086
        printf 'debug/rmpopt/%s\n' $reports
    } | sort >"$E/debug-files"
    {
        printf 'rmpopt/%s\n' action reenable
        printf 'rmpsim/%s\n' clock pace firmware/fail_decommission firmware/fail_init firmware/state
        printf 'rmpsim/memory/%s\n' host leak online page_cache psmash rmpread rmpupdate
        printf 'rmpsim/cpus/cpu%d/online\n' {0..15}
    } | sort >"$E/writable-files"
    {
        cat "$E/writable-files"
        printf '%s\n' rmpopt/description rmpsim/firmware/snp_enabled rmpsim/memory/free rmpsim/memory/registers
        printf 'rmpsim/cpus/%s\n' online possible
    } | sort >"$E/attributes"
    sort "$E/debug-files" "$E/attributes" >"$E/files"
    {
        printf '%s\n' . ./debug ./debug/rmpopt ./rmpopt ./rmpsim
        printf './rmpsim/%s\n' cpus faults firmware guests memory
        printf './rmpsim/cpus/cpu%d\n' {0..15}
    } | sort >"$E/folders"
}

# The texts of the default machine, made independently: 16 CPUs, 64 GB, everything optimized except region 0, which
# contains the RMP, and region 4, which contains pages of firmware; one more line than there are regions.
write_expected_texts() {
    local region
    mkdir -p "$E"
    for ((region = 0; region <= 64; region++)); do
        case $region in 0 | 4 | 64) cpus=none ;; *) cpus=0-15 ;; esac
        printf 'Memory @%3dGB: CPU(s): %s\n' "$region" "$cpus"
    done >"$E/table"
    for ((region = 0; region < 64; region++)); do
        case $region in 0 | 4) word=checked ;; *) word=optimized ;; esac
        printf 'Memory @%3dGB: %s\n' "$region" "$word"
    done >"$E/cpu0"
    printf 'RMP optimization in progress: No\n' >"$E/action"
    printf '[RMPOPT]\n\necho 1 > action to perform RMP optimization.\n' >"$E/description"
    printf '1\n' >"$E/one"
    printf 1 >"$E/bare-one"
}

# run_clients: mounts a host whose time stands still, and runs the list.
run_clients() {
    E=$work/expected W=$work/scratch
    mount_host clients --pace 0
    write_expected_texts
    write_expected_lists
    mkdir -p "$W"
    if [ "${#as[@]}" -gt 0 ]; then chown "$user:$group" "$W"; fi
    table=$M/debug/rmpopt/rmpopt-table cpu0=$M/debug/rmpopt/cpu0
    action=$M/rmpopt/action reenable=$M/rmpopt/reenable description=$M/rmpopt/description
    export M E W table cpu0 action reenable description reports
    reading_clients
    searching_clients
    copying_clients
    writing_clients
    language_clients
    busybox_clients
    splicing_clients
}

reading_clients() {
    # shellcheck disable=SC2016
    {
        client 'cat: the table' 'cat "$table" | cmp - "$E/table"'
        client 'cat: a CPU' 'cat "$cpu0" | cmp - "$E/cpu0"'
        client 'cat: attributes' 'cat "$action" "$description" | cmp - <(cat "$E/action" "$E/description")'
        client 'shell: read a line' 'read -r line <"$action"; same "RMP optimization in progress: No" "$line"'
        client 'shell: $(<file)' 'same "$(<"$E/table")" "$(<"$table")"'
        client 'shell: mapfile' 'mapfile -t lines <"$table"; same 65 "${#lines[@]}"'
        client 'head -c: a part' 'head -c 100 "$table" | cmp - <(head -c 100 "$E/table")'
        client 'head -c 1: an attribute' 'same R "$(head -c 1 "$action")"'
        client 'head -n' 'head -n 3 "$cpu0" | cmp - <(head -n 3 "$E/cpu0")'
        client 'tail -n' 'tail -n 3 "$table" | cmp - <(tail -n 3 "$E/table")'
        client 'tail -n +N' 'tail -n +60 "$cpu0" | cmp - <(tail -n +60 "$E/cpu0")'
        client 'tail -c' 'tail -c 30 "$table" | cmp - <(tail -c 30 "$E/table")'
        client 'tail -f: an attribute, until killed' '
            status=0; timeout -k 2 0.7 tail -f "$action" >followed || status=$?
            same 124 "$status"; cmp followed "$E/action"'
        client 'tail -f: the table, until killed' '
            status=0; timeout -k 2 0.7 tail -n 2 -f "$table" >followed 2>said || status=$?
            same 124 "$status"; head -n 2 followed | cmp - <(tail -n 2 "$E/table")'
        client 'dd: bs=1' 'dd if="$action" bs=1 status=none | cmp - "$E/action"'
        client 'dd: bs=4096' 'dd if="$table" bs=4096 status=none | cmp - "$E/table"'
        client 'dd: skip and count' '
            dd if="$table" bs=28 skip=2 count=3 status=none | cmp - <(head -c 140 "$E/table" | tail -c 84)'
        client 'dd: iflag=skip_bytes in an attribute' '
            dd if="$action" bs=64 skip=4 iflag=skip_bytes status=none | cmp - <(tail -c +5 "$E/action")'
        client 'less into a pipe' 'less "$table" | cmp - "$E/table"'
        client 'less on a terminal' '
            script -qec "TERM=xterm less -F -X \"$action\"" /dev/null </dev/null >screen
            grep -q "RMP optimization in progress: No" screen'
        client 'wc, sort, tac, sed, awk, od' '
            same 1820 "$(wc -c <"$table")"; same 65 "$(wc -l <"$table")"
            sort -r "$cpu0" | cmp - <(sort -r "$E/cpu0")
            tac "$table" | cmp - <(tac "$E/table")
            same "Memory @ 63GB: optimized" "$(sed -n "\$p" "$cpu0")"
            same 62 "$(awk "/optimized/ { n++ } END { print n }" "$cpu0")"
            same "$(od -c "$E/cpu0")" "$(od -c "$cpu0")"'
        client 'sha256sum, cmp, diff' '
            same "$(sha256sum <"$E/table")" "$(sha256sum <"$table")"
            cmp "$table" "$E/table"
            diff "$cpu0" "$E/cpu0"'
        client 'gzip: the text, and its warning of a size that changed' '
            fails 0 "file size changed while zipping" bash -c "gzip -c \"\$1\" >table.gz" - "$table"
            gzip -dc table.gz | cmp - "$E/table"'
    }
}

searching_clients() {
    # shellcheck disable=SC2016
    {
        client 'grep: count in one file' 'same 62 "$(grep -c "CPU(s): 0-15" "$table")"'
        client 'grep -r: over the whole tree' '
            grep -rl "Memory @ 63GB: optimized" "$M" | sort >found
            for cpu in {0..15}; do echo "$M/debug/rmpopt/cpu$cpu"; done | sort | cmp - found'
        client 'grep -r: the attributes' '
            grep -r optimization "$M/rmpopt" | sort >found
            printf "%s:%s\n" "$action" "RMP optimization in progress: No" \
                "$description" "echo 1 > action to perform RMP optimization." | sort | cmp - found'
        client 'find: every folder' '
            (cd "$M" && find . -type d) | sort | diff "$E/folders" -'
        client 'find -type f' 'below -type f | diff "$E/files" -'
        client 'find -size' '
            below -type f -size 0 | diff "$E/debug-files" -
            below -type f -size 4096c | diff "$E/attributes" -'
        client 'find -perm' '
            below -type f -perm 0644 | diff "$E/writable-files" -
            below -type f -perm 0444 | diff <(comm -23 "$E/files" "$E/writable-files") -'
        client 'find -exec cat' '
            find "$M/debug" -type f -exec cat {} + >found
            same "$((65 + 16 * 64))" "$(grep -cE "^Memory @ *[0-9]+GB: (CPU\(s\)|optimized$|checked$)" found)"
            for report in $reports; do cat "$M/debug/rmpopt/$report" >>texts; done
            same "$((65 + 16 * 64 + $(wc -l <texts)))" "$(wc -l <found)"; rm texts'
        client 'find -delete is refused' '
            fails 1 "cannot delete.*Operation not permitted" find "$M/rmpopt" -type f -delete
            same 3 "$(find "$M/rmpopt" -type f | wc -l)"'
        client 'ls -lR' '
            ls -lR "$M" >found; same "$(wc -l <"$E/files")" "$(grep -c "^-r" found)"
            grep -qE "^-rw-r--r-- +1 .* 4096 .* reenable$" found
            grep -qE "^-r--r--r-- +1 .* 0 .* rmpopt-table$" found'
        client 'stat' 'same "4096 644 1 regular file" "$(stat -c "%s %a %h %F" "$reenable")"'
        client 'du' 'same 0 "$(du -s "$M" | cut -f 1)"'
    }
}

copying_clients() {
    # shellcheck disable=SC2016
    {
        client 'cp: out of the mount' 'cp "$table" copy; cmp copy "$E/table"; rm copy'
        client 'cp -r: a folder out of the mount' '
            cp -r "$M/debug" copies
            (cd copies && find rmpopt -type f | sed s,^,debug/, | sort) | diff "$E/debug-files" -
            cmp copies/rmpopt/rmpopt-table "$E/table"; cmp copies/rmpopt/cpu0 "$E/cpu0"; rm -r copies'
        client 'cp -a: mode and text' '
            cp -a "$reenable" copy; same "644 2" "$(stat -c "%a %s" copy)"; rm copy'
        client 'tar: attributes are padded to 4,096 bytes, exit 1' '
            fails 1 "action: File shrank by 4063 bytes; padding with zeros" tar -cf files.tar -C "$M" rmpopt
            tar -xf files.tar; same 4096 "$(stat -c %s rmpopt/action)"
            head -c 33 rmpopt/action | cmp - "$E/action"
            same 0 "$(tail -c +34 rmpopt/action | tr -d "\0" | wc -c)"; rm -rf rmpopt files.tar'
        client 'tar: files of debugfs are empty, exit 0' '
            tar -cf files.tar -C "$M" debug
            tar -tvf files.tar | awk "/^-/ && \$3 == 0 { print \$6 }" | sort | diff "$E/debug-files" -; rm files.tar'
        client 'rsync -a: attributes are discarded, exit 23' '
            fails 23 "read errors mapping \".*/rmpopt/action\": No data available" rsync -a "$M/rmpopt/" copies
            [ ! -e copies/action ]; rm -rf copies'
        client 'rsync -a: files of debugfs are empty, exit 0' '
            rsync -a "$M/debug/" copies
            (cd copies && find rmpopt -type f -size 0 | sed s,^,debug/, | sort) | diff "$E/debug-files" -
            rm -rf copies'
        client 'mv out of the mount copies, but cannot remove' '
            fails 1 "cannot remove .*: Operation not permitted" mv "$action" moved; cmp moved "$E/action"; rm moved'
        client 'install: the same text as a program reads' 'install -m 600 "$cpu0" copy; cmp copy "$E/cpu0"; rm copy'
    }
}

writing_clients() {
    # shellcheck disable=SC2016
    {
        writes 'echo' 'echo 1 >"$reenable"'
        writes 'echo to action' 'echo 1 >"$action"'
        writes 'printf without a newline' 'printf 1 >"$reenable"'
        writes 'echo, appending' 'echo 1 >>"$reenable"'
        writes 'tee' 'echo 1 | tee "$reenable" | cmp - "$E/one"'
        writes 'tee -a to two files' 'echo 1 | tee -a "$action" "$reenable" >said'
        writes 'cat into it' 'cat "$E/one" >"$reenable"'
        writes 'cp into it' 'cp "$E/one" "$reenable"'
        writes 'cp without a newline' 'cp "$E/bare-one" "$action"'
        writes 'dd' 'dd if="$E/one" of="$reenable" status=none'
        writes 'dd conv=notrunc bs=4096' 'dd if="$E/one" of="$reenable" bs=4096 conv=notrunc status=none'
        writes 'dd bs=1, one byte' 'printf 1 | dd of="$reenable" bs=1 status=none'
        writes 'dd bs=1: each byte is a value, the newline is none, but the 1' '
            fails 1 "error writing .*: Invalid argument" dd if="$E/one" of="$reenable" bs=1 status=none'
        writes 'dd seek: the offset is ignored' '
            dd if="$E/one" of="$reenable" bs=1024 seek=1 conv=notrunc oflag=seek_bytes status=none'
        writes 'rsync --inplace' 'rsync --inplace --no-times "$E/one" "$reenable"'
        client 'echo 2 is refused, and nothing starts' '
            settle; fails 1 "write error: Invalid argument" bash -c "echo 2 >\"\$1\"" - "$reenable"; idle'
        client 'echo -n "" writes nothing' 'settle; echo -n "" >"$reenable"; idle'
        client 'sed -i cannot create its file' '
            fails 4 "couldn.t open temporary file" sed -i s/0/1/ "$reenable"; idle'
        client 'touch' 'touch "$reenable"; same 4096 "$(stat -c %s "$reenable")"; idle'
        client 'truncate stores nothing' 'settle; truncate -s 0 "$reenable"; idle'
        client 'a read-only attribute' '
            fails 1 "Permission denied" bash -c "echo 1 >\"\$1\"" - "$description"
            cmp "$description" "$E/description"'
    }
}

language_clients() {
    # shellcheck disable=SC2016
    {
        client 'python: read, seek, read again' 'python3 - "$table" "$E/table" <<"END"
import os, sys
expected = open(sys.argv[2]).read()
with open(sys.argv[1]) as file:
    assert file.read() == expected
    file.seek(28)
    assert file.read() == expected[28:]
    file.seek(0)
    assert file.readline() == expected[:28]
with open(sys.argv[1], "rb", buffering=0) as file:
    assert os.pread(file.fileno(), 50, 100) == expected.encode()[100:150]
    assert file.seek(1000) == 1000
    assert file.read(64) == expected.encode()[1000:1064]
END'
        client 'python: shutil.copyfile of an attribute' '
            python3 -c "import shutil, sys; shutil.copyfile(sys.argv[1], \"copy\")" "$action"; cmp copy "$E/action"'
        client 'python: shutil.copyfile of the table' '
            python3 -c "import shutil, sys; shutil.copyfile(sys.argv[1], \"copy\")" "$table"; cmp copy "$E/table"'
        writes 'python: write' 'python3 -c "import sys; open(sys.argv[1], \"w\").write(\"1\\n\")" "$reenable"'
        writes 'python: pathlib' '
            python3 -c "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(\"1\")" "$reenable"'
        client 'python: a refused value is an error from write' '
            settle
            fails 1 "OSError: \[Errno 22\] Invalid argument" \
                python3 -c "import sys; open(sys.argv[1], \"w\", buffering=1).write(\"no\\n\")" "$reenable"
            idle'
        client 'python: read, write and read on one descriptor' 'settle; python3 - "$reenable" <<"END"
import os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR)
assert os.read(descriptor, 100) == b"0\n"
assert os.pwrite(descriptor, b"1", 0) == 1
assert os.pread(descriptor, 100, 0) == b"1\n"
END
            running; settle'
        client 'perl: read and seek' '
            perl -e "open(F, q(<), shift) or die; local \$/; \$a = <F>; seek(F, 5, 0); \$b = <F>;
                print \$a; die if substr(\$a, 5) ne \$b" "$table" | cmp - "$E/table"'
        writes 'perl: write' 'perl -e "open(F, q(>), shift) or die; print F qq(1\\n); close(F) or die" "$reenable"'
    }
}

busybox_clients() {
    # shellcheck disable=SC2016
    {
        writes 'busybox ash: echo' 'busybox ash -c "echo 1 >\"\$1\"" - "$reenable"'
        writes 'busybox dd' 'busybox dd if="$E/one" of="$reenable" 2>said'
        writes 'busybox tee' 'echo 1 | busybox tee "$reenable" >said'
        client 'busybox cat: an attribute' 'busybox cat "$action" | cmp - "$E/action"'
        client 'busybox cat: the table' 'busybox cat "$table" | cmp - "$E/table"'
        client 'busybox head, tail, dd' '
            busybox head -c 77 "$table" | cmp - <(head -c 77 "$E/table")
            busybox head -n 5 "$cpu0" | cmp - <(head -n 5 "$E/cpu0")
            busybox tail -n 5 "$table" | cmp - <(tail -n 5 "$E/table")
            busybox tail -c 20 "$table" | cmp - <(tail -c 20 "$E/table")
            busybox dd if="$table" bs=4096 2>said | cmp - "$E/table"'
        client 'busybox cp: an attribute' 'busybox cp "$action" copy; cmp copy "$E/action"; rm copy'
        client 'busybox cp: the table' 'busybox cp "$table" copy; cmp copy "$E/table"; rm copy'
        client 'busybox find and grep' '
            (cd "$M" && busybox find * -type f) | sort | diff "$E/files" -
            same 17 "$(busybox grep -rl "@ 63GB" "$M" | wc -l)"
            same 62 "$(busybox grep -c 0-15 "$table")"'
        client 'busybox ash: read' '
            line=$(busybox ash -c "read -r line <\"\$1\"; echo \"\$line\"" - "$action")
            same "RMP optimization in progress: No" "$line"'
    }
}

# Clients that first try sendfile(2), splice(2) or copy_file_range(2), which the real files refuse (EINVAL, EXDEV), and
# then fall back to read(2). A result of 0 would mean an empty file to them.
splicing_clients() {
    local uutils=/usr/lib/cargo/bin/coreutils java node ansible rustc copier= go gopher=
    [ -x "$uutils/cat" ] || uutils=
    java=$(command -v java) node=$(command -v node) ansible=$(command -v ansible)
    rustc=$(command -v rustc || ls ~/.cargo/bin/rustc 2>/dev/null)
    cat >"$work/copier.rs" <<'END'
fn main() {
    let words: Vec<String> = std::env::args().collect();
    std::fs::copy(&words[1], &words[2]).unwrap();
}
END
    if [ -n "$rustc" ] && limit 60 "$rustc" -o "$work/copier" "$work/copier.rs" 2>/dev/null; then
        copier=$work/copier
    fi
    # io.Copy between files is copy_file_range(2), into a pipe splice(2).
    cat >"$work/copier.go" <<'END'
package main

import (
    "io"
    "os"
)

func main() {
    for _, name := range os.Args[2:] {
        source, _ := os.Open(os.Args[1])
        target, _ := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0644)
        if _, err := io.Copy(target, source); err != nil {
            panic(err)
        }
    }
}
END
    go=$(command -v go)
    if [ -n "$go" ] && GO111MODULE=off GOCACHE=$work/go-cache CGO_ENABLED=0 limit 120 "$go" build \
        -o "$work/copier-go" "$work/copier.go" 2>/dev/null; then
        gopher=$work/copier-go
    fi
    rm -rf "$work/go-cache"
    cat >"$work/Copier.java" <<'END'
import java.nio.file.*;
class Copier {
    public static void main(String[] a) throws Exception {
        Files.copy(Path.of(a[0]), Path.of(a[1]), StandardCopyOption.REPLACE_EXISTING);
        System.out.write(Files.readAllBytes(Path.of(a[0])));
        System.out.flush();
    }
}
END
    chmod 755 "$work"/[cC]opier*
    export uutils copier gopher source=$work/Copier.java
    # shellcheck disable=SC2016
    {
        client_if "$uutils" 'uutils cat: the table, a CPU and an attribute' '
            "$uutils/cat" "$table" | cmp - "$E/table"
            "$uutils/cat" "$cpu0" >copy; cmp copy "$E/cpu0"
            "$uutils/cat" "$action" | cmp - "$E/action"'
        client_if "$uutils" 'uutils cp: the table and an attribute' '
            "$uutils/cp" "$table" copy; cmp copy "$E/table"; rm copy
            "$uutils/cp" "$action" copy; cmp copy "$E/action"; rm copy'
        client_if "$copier" 'rust: std::fs::copy' '
            "$copier" "$table" copy; cmp copy "$E/table"; rm -f copy
            "$copier" "$action" copy; cmp copy "$E/action"; rm -f copy'
        client_if "$gopher" 'go: io.Copy into a file and into a pipe' '
            "$gopher" "$table" copy /dev/stdout | cmp - "$E/table"; cmp copy "$E/table"; rm -f copy
            "$gopher" "$action" copy /dev/stdout | cmp - "$E/action"; cmp copy "$E/action"; rm -f copy'
        client_if "$java" 'java: Files.copy and readAllBytes of the table' '
            java "$source" "$table" copy >said; cmp copy "$E/table"; cmp said "$E/table"; rm -f copy'
        client_if "$node" 'node: readFileSync and a stream' '
            node -e "process.stdout.write(require(\"fs\").readFileSync(process.argv[1]))" "$table" >copy
            cmp copy "$E/table"
            node -e "require(\"fs\").createReadStream(process.argv[1]).pipe(process.stdout)" "$cpu0" >copy
            cmp copy "$E/cpu0"; rm copy'
        client_if "$ansible" 'ansible: fetch' '
            HOME=$W LC_ALL=C.UTF-8 ansible -i localhost, -c local -e ansible_python_interpreter=/usr/bin/python3 \
                all -m fetch -a "src=$table dest=$W/copy flat=yes" >said
            cmp copy "$E/table"; rm copy'
        client 'busybox cat: twenty at once, each the text and no more' '
            for number in {1..20}; do busybox cat "$action" >"copy$number" & done; wait
            for number in {1..20}; do cmp "copy$number" "$E/action"; done; rm copy*'
    }
}
