#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# rmpfs as installed: the Debian package and its contents, completions, manual pages, the systemd unit with its
# notification, mounting by mount(8) and /etc/fstab.
# TIMEOUT: 240

# Installed files belong under /usr: the test has a private mount namespace, with a temporary layer over /usr.
if [ "$(id -u)" = 0 ] && [ -z "${RMPFS_TEST_NAMESPACE:-}" ] && unshare --mount true; then
    export RMPFS_TEST_NAMESPACE=yes
    exec unshare --mount --propagation private "$0" "$@"
fi

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
need python3 dpkg-deb dpkg-shlibdeps strip
plan 59

package=$(limit 120 "$top/scripts/package" --program "$RMPFS" --output "$work/package" 2>"$work/package.log")
check 'a package is built' test -f "$package"
limit 120 "$top/scripts/package" --program "$RMPFS" --output "$work/again" >/dev/null 2>&1
check 'a second run is the same, byte for byte' cmp "$package" "$work/again/${package##*/}"
dpkg-deb -x "$package" "$work/root"
expect 'it asks for the libfuse3 that the documents name' 3.12 \
    "$(dpkg-deb -f "$package" Depends | sed -nE 's/.*libfuse3-[0-9]+ \(>= ([^)]*)\).*/\1/p')"
# in_root WORD...: dpkg in a separate root folder, where nothing else is installed.
in_root() { limit 60 dpkg "--root=$work/installed" --force-depends "$@"; }
installed_files() { (cd "$1" && find . -path ./var -prune -o ! -type d -print) | sort; }
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$work/installed/var/lib/dpkg/"{info,updates,triggers}
    touch "$work/installed/var/lib/dpkg/"{status,available}
    check 'dpkg installs it' in_root --install "$package"
    expect 'all of it' "$(installed_files "$work/root")" "$(installed_files "$work/installed")"
    check 'dpkg takes it away again' in_root --purge rmpfs
    expect 'nothing is left of it' '' "$(installed_files "$work/installed")"
else
    for name in 'dpkg installs it' 'all of it' 'dpkg takes it away again' 'nothing is left of it'; do
        skip "$name" 'only root'
    done
fi
if command -v lintian >/dev/null; then
    # A debug program is not the one that is shipped: it has Swift's own libraries.
    tags=(--suppress-tags 'undeclared-elf-prerequisites,custom-library-search-path')
    expect 'lintian has no errors and no warnings' '' \
        "$(limit 120 lintian --allow-root -E --pedantic "${tags[@]}" "$package" 2>&1 | grep -E '^[EW]:')"
else
    skip 'lintian has no errors and no warnings' 'lintian is not installed'
fi
needed=$(ldd "$RMPFS" | sed -n 's/^\t\([^ ]*\)\.so.*/\1/p' | grep -vE '^(linux-vdso|libc|libm|/lib64/ld-linux.*)$')
case $RMPFS in
*/release/*) expect 'the program needs only libfuse3, zlib and libc' $'libfuse3\nlibz' "$needed" ;;
*) skip 'the program needs only libfuse3, zlib and libc' 'this is no release build' ;;
esac

# --- Texts generated from the program's own declarations ---

check 'the manual page matches the declarations of the program' "$top/scripts/manual" --check "$RMPFS"
broken=$(sed 's/Number of CPUs/Number of cats/' "$top/docs/man/rmpfs.8")
differs() { ! diff -q <("$top/scripts/lib/make-manual" "$RMPFS" "$top/docs/man/rmpfs.8.in") <(echo "$broken"); }
check 'a missing page is reported' differs
for page in "$top"/docs/man/*.[1-9]; do
    if command -v mandoc >/dev/null; then mandoc -Tlint -W warning "$page" >>"$work/lint"; fi
done
if command -v mandoc >/dev/null; then
    expect 'mandoc accepts the pages' '' "$(cat "$work/lint")"
else
    skip 'mandoc accepts the pages' 'mandoc is not installed'
fi
declared=$("$RMPFS" --help | sed -n '/^SUBCOMMANDS:/,/^$/s/^  \([a-z]*\) .*/\1/p')
undocumented() {
    local command
    for command in $declared; do grep -q "^\.Ss rmpfs $command$" "$top/docs/man/rmpfs.8" || echo "$command"; done
}
expect 'every command has its section' '' "$(undocumented)"
# unnamed: files of a mount, of any version, that the manual page does not mention.
unnamed() {
    local series file
    sed -n '/^\.Sh FILES/,/^\.Sh EXIT/s/^\.It Pa //p' "$top/docs/man/rmpfs.8" >"$work/named"
    for series in v1 v2 v10; do
        mount_host "$series" --cpus 2 --memory 4G --series "$series" >&2
        mkdir "$M/rmpsim/guests/vm0"
        (cd "$M" && find . -type f -printf '%P\n') \
            | sed 's|cpu[0-9][0-9]*|cpu|; s|/cpu/|/cpu Ns Ar N Ns Pa /|; s|/vm0/|/ Ns Ar name Ns Pa /|'
        unmount_host >&2
    done | sort -u | while read -r file; do
        # The last part of a path; files that share a line have their folder before the first one.
        grep -qF -- "${file%/*}/" "$work/named" || echo "$file"
        grep -qwF -- "${file##*/}" "$work/named" || echo "$file"
    done
}
expect 'the manual page names every file of every version' '' "$(unnamed)"
share=$work/root/usr/share
completions=("$share/bash-completion/completions/rmpfs" "$share/zsh/vendor-completions/_rmpfs"
    "$share/fish/vendor_completions.d/rmpfs.fish")
for shell in bash zsh fish; do
    name="$shell takes its completions"
    if command -v "$shell" >/dev/null; then check "$name" "$shell" -n "${completions[0]}"
    else skip "$name" "$shell is not installed"; fi
    completions=("${completions[@]:1}")
done
# complete WORD...: bash's completions for these words, the last of which is incomplete.
complete() {
    (
        cd "$work" || exit
        PATH=$work/root/usr/bin:$PATH bash -c '
            . root/usr/share/bash-completion/completions/rmpfs
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
            function=$(complete -p rmpfs | sed "s/.*-F \([^ ]*\).*/\1/")
            "$function" rmpfs "${!#}" "${@: -2:1}"
            printf "%s\n" "${COMPREPLY[@]}"' bash "$@" 2>/dev/null | sed 's/ *$//' | sort | paste -sd ' '
    )
}
expect 'bash completes commands' 'machine map mount' "$(complete rmpfs m)"
expect 'bash completes options' '--config-root --cpu-root --cpus' "$(complete rmpfs mount --c)"
expect 'no hidden option is offered' '' "$(complete rmpfs mount --back)"

# --- The unit ---

unit=$work/root/lib/systemd/system/rmpfs@.service
installed=
if [ "$(id -u)" = 0 ] && mkdir "$work/layer" && mount -t tmpfs layer "$work/layer" && mkdir "$work/layer/"{up,work} \
    && mount -t overlay -o "lowerdir=/usr,upperdir=$work/layer/up,workdir=$work/layer/work" usr /usr 2>/dev/null; then
    [ -L /lib ] && dpkg-deb --fsys-tarfile "$package" | tar -x -C / --keep-directory-symlink && installed=yes
fi
if [ -n "$installed" ] && command -v systemd-analyze >/dev/null; then
    expect 'systemd accepts the unit' '' \
        "$(limit 30 systemd-analyze verify --man=no "$unit" 2>&1 | grep -v 'root privileges')"
    expect 'those of the textfile collector, too' '' \
        "$(limit 30 systemd-analyze verify --man=no "${unit%/*}"/rmpfs-textfile.{service,timer} 2>&1 \
            | grep -v 'root privileges')"
else
    skip 'those of the textfile collector, too' 'not root, no overlayfs, or no systemd-analyze'
    skip 'systemd accepts the unit' 'not root, no overlayfs, or no systemd-analyze'
fi
if systemd-analyze security --help 2>/dev/null | grep -q -- --offline; then
    check 'its exposure is at most 4.0 of 10' limit 30 systemd-analyze security --offline=yes --threshold=40 "$unit"
else
    skip 'its exposure is at most 4.0 of 10' 'no systemd-analyze that can tell'
fi
namespaces='^(Private|Protect|ReadOnly|ReadWrite|Inaccessible|Bind|Temporary|Root|Mount|ProcSubset|DynamicUser)'
expect 'nothing in it would hide the mount' '' "$(grep -E "$namespaces" "$unit")"

# run_unit MOUNTPOINT COMMAND...: runs the unit's program as its manager would, with its capabilities; ends it by
# SIGTERM when COMMAND has ended. Prints the daemon's notifications and the exit status.
run_unit() {
    python3 - "$RMPFS" "$unit" "$@" <<'PYTHON'
import os, re, signal, socket, subprocess, sys
program, unit, mountpoint, command = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
with open(unit, encoding="utf-8") as file:
    text = file.read()
start = re.search(r"^ExecStart=(.*)$", text, re.M).group(1)
words = [mountpoint if w == "%f" else w for w in start.replace("$RMPFS_OPTIONS", "--memory 4G").split()]
words[0] = program
if os.geteuid() == 0:
    kept = re.search(r"^CapabilityBoundingSet=(.*)$", text, re.M).group(1).lower().replace("cap_", "+").split()
    words = ["setpriv", "--no-new-privs", "--bounding-set", ",".join(["-all"] + kept), *words]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    name = os.environ.get("SOCKET_NAME") or os.path.join(os.path.dirname(mountpoint), "notify")
    manager.bind(name.replace("@", "\0", 1) if name[0] == "@" else name)
    manager.settimeout(20)
    daemon = subprocess.Popen(words, env={**os.environ, "NOTIFY_SOCKET": name}, stderr=subprocess.DEVNULL)
    try:
        print(manager.recv(4096).decode().strip())
        print(subprocess.run(command, stdout=subprocess.PIPE, timeout=20).stdout.decode().strip())
        daemon.send_signal(signal.SIGTERM)
        print(manager.recv(4096).decode().strip())
        print(daemon.wait(20))
    finally:
        daemon.kill()
        if name[0] != "@":
            os.unlink(name)
PYTHON
}
mkdir "$work/unit"
expect 'the unit reports that the mount answers, and ends cleanly' "$(printf 'READY=1\n4\nSTOPPING=1\n0')" \
    "$(run_unit "$work/unit" grep -c GB "$work/unit/debug/rmpopt/cpu0")"
expect 'an abstract socket is taken too' "$(printf 'READY=1\n\nSTOPPING=1\n0')" \
    "$(SOCKET_NAME=@rmpfs-test-$$ run_unit "$work/unit" true)"
check 'nothing is left' nothing_left "$work/unit"
check 'a missing socket does no harm' \
    env NOTIFY_SOCKET="$work/none" timeout -k 2 20 bash -c '
        "$1" mount -f "$2" 2>/dev/null &
        for _ in {1..200}; do [ -d "$2/rmpopt" ] && break; sleep 0.05; done
        kill -TERM $! && wait $!' bash "$RMPFS" "$work/unit"

# --- mount(8) and /etc/fstab ---

fstab_tests=31
if [ -z "$installed" ] || ! command -v mount.fuse3 >/dev/null; then
    for ((test = 0; test < fstab_tests; test++)); do skip 'mount(8)' 'not root, no overlayfs, or no mount.fuse3'; done
    finish
fi
mkdir "$work/mnt" "$work/tab"
check 'mount -t fuse.rmpfs' limit 60 mount -t fuse.rmpfs host1 "$work/mnt" -o cpus=4,memory=8G,pace=0,mode=755
expect 'the words describe the machine' '4 8' \
    "$(find "$work/mnt/debug/rmpopt" -name 'cpu*' | wc -l) $(wc -l <"$work/mnt/debug/rmpopt/cpu0")"
expect 'the source is visible' "host1 $work/mnt fuse.rmpfs" "$(grep " $work/mnt " /proc/mounts | cut -d ' ' -f 1-3)"
check 'umount' limit 20 umount "$work/mnt"
check 'nothing is left' nothing_left "$work/mnt"
check 'mount -t rmpfs, by mount.rmpfs' limit 60 mount -t rmpfs 'a host' "$work/mnt" -o noexec
check 'umount again' limit 20 umount "$work/mnt"

# A dry run checks the words and mounts nothing; -N mounts in another namespace.
for type in fuse.rmpfs rmpfs; do
    check "mount -f -t $type" limit 60 mount -f -t "$type" h "$work/mnt" -o machine=laptop,noexec
    refused "it looks at the words ($type)" 1 "'cpu=4': unknown" mount -f -t "$type" h "$work/mnt" -o cpu=4
    refused "and at the machine ($type)" 32 'no-such-machine' mount -f -t "$type" h "$work/mnt" \
        -o machine=no-such-machine
done
check 'it mounts nothing' nothing_left "$work/mnt"
# Only the test sees this: mounts in there are invisible here.
unshare --mount --propagation private sleep 60 &
other=$!
within 5 eval '[ "$(cat "/proc/$other/comm")" = sleep ]'
check 'mount -N' limit 60 mount -N "$other" -t fuse.rmpfs h "$work/mnt" -o cpus=4,memory=8G
expect 'mounts there, and not here' '1 0' \
    "$(grep -c " $work/mnt " "/proc/$other/mounts") $(grep -c " $work/mnt " /proc/self/mounts)"
kill "$(daemons "$work/mnt")" "$other"

# Generic words are tolerated.
cat >"$work/fstab" <<FSTAB
host2 $work/tab fuse.rmpfs rw,noauto,nofail,_netdev,user,noatime,x-systemd.requires=a.service,cpus=2,series=v10 0 0
host3 $work/mnt fuse.rmpfs defaults,cpus=2,wrong=1 0 0
FSTAB
mount --bind "$work/fstab" /etc/fstab
check 'a line of /etc/fstab' limit 60 mount "$work/tab"
expect 'mounts what it says' '2 0' \
    "$(find "$work/tab/debug/rmpopt" -name 'cpu*' | wc -l) $(find "$work/tab/debug" -name rmpopt-table | wc -l)"
check 'umount of it' limit 20 umount "$work/tab"
refused 'an unknown word is refused by name' 1 "^rmpfs: mount option 'wrong=1': unknown" mount "$work/mnt"
refused 'so is a machine that cannot be' 1 '^rmpfs: 0 CPUs' mount -t fuse.rmpfs h "$work/mnt" -o cpus=0
refused 'a word that nearly is one is told what is known' 1 "'cpu=4': unknown; rmpfs knows .*cpus=.*series=" \
    mount -t fuse.rmpfs h "$work/mnt" -o cpu=4
refused 'remount is refused with a remedy' 1 "'remount': .*unmount it" mount.rmpfs h "$work/mnt" -o remount,ro

# Each machine word, and all generic words that mount(8) passes on.
general=defaults,async,atime,noauto,dirsync,exec,group,_netdev,nofail,owner,relatime,silent,strictatime,nosymfollow
general+=,user,users,x-systemd.automount,X-mount.mkdir,comment=a-host
for type in fuse.rmpfs rmpfs; do
    check "mount -t $type, machine=, pace= and general words" \
        limit 60 mount -t "$type" h "$work/mnt" -o "$general,machine=laptop,pace=instant,boot=kernel,series=v2"
    expect "it is that machine ($type)" '8 17 v2 uninit' "$(find "$work/mnt/debug/rmpopt" -name 'cpu*' | wc -l) $(
        wc -l <"$work/mnt/debug/rmpopt/cpu0") $(sed -n 's/^series: *//p' "$work/mnt/debug/rmpopt/series") $(
        cat "$work/mnt/rmpsim/firmware/state")"
    if [ "$type" = rmpfs ]; then break; fi
    limit 20 umount "$work/mnt"
done
mkdir "$work/over" "$work/cpu"
echo 0-7 | tee "$work/cpu/online" >"$work/cpu/possible"
cat >"$work/fstab2" <<FSTAB
real $work/over rmpfs ro,noauto,engine=kernel,config-root=$work/mnt,debug-root=$work/mnt/debug,cpu-root=$work/cpu 0 0
FSTAB
check 'a line of another fstab: the kernel engine' limit 60 mount -T "$work/fstab2" "$work/over"
expect_file 'shows the table' "$work/mnt/debug/x86/rmpopt/rmpopt-table" cat "$work/over/debug/x86/rmpopt/rmpopt-table"
check 'umount of both' eval 'limit 20 umount "$work/over" && limit 20 umount "$work/mnt"'
touch "$work/mnt/file"
refused 'a mount that fails has the status of mount(8)' 32 'the folder is not empty' \
    mount -t fuse.rmpfs h "$work/mnt" -o rw
umount /etc/fstab
finish
