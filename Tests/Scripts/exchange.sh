#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What SECURITY.md promises about paths: a user who can write to a folder above a mount point, and keeps exchanging part
# of the path for a symbolic link, cannot redirect mount, unmount or the recovery of a dead mount.
# TIMEOUT: 240

# Mounts made for the test stay in its own namespace.
if [ "$(id -u)" = 0 ] && [ -z "${RMPFS_TEST_NAMESPACE:-}" ] && unshare --mount true; then
    export RMPFS_TEST_NAMESPACE=yes
    exec unshare --mount --propagation private "$0" "$@"
fi

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
[ "$(id -u)" = 0 ] || skip_all 'only root has other users'
need python3 unshare setpriv
plan 12

attacker=(setpriv --reuid 54321 --regid 54321 --clear-groups)
turns=25

# scene NAME OWNER: a folder of the attacker's with real/mnt, which belongs to OWNER, and a link to where a folder of
# that name is somebody else's mount. Sets P, the path to use.
scene() {
    base=$work/$1
    mkdir -p "$base/evil/real/mnt" "$base/other/mnt"
    ln -s "$base/other" "$base/evil/link"
    chown -Rh 54321:54321 "$base/evil"
    chown "$2:$2" "$base/evil/real/mnt" "$base/other/mnt"
    P=$base/evil/real/mnt
}
covered() { mount -t tmpfs -o "mode=700,uid=$1" other "$base/other/mnt" && touch "$base/other/mnt/file"; }
exchanging() {
    "${attacker[@]}" python3 "$top/Tests/Scripts/exchange.py" "$base/evil/real" "$base/evil/link" &
    thief=$!
}
quiet() {
    kill "$thief" && wait "$thief" 2>/dev/null
    # Restores the original names.
    if [ -L "$base/evil/real" ]; then
        mv -T "$base/evil/real" "$base/evil/x" && mv -T "$base/evil/link" "$base/evil/real" \
            && mv -T "$base/evil/x" "$base/evil/link"
    fi
}
ours_elsewhere() { awk -v path="$base/other/" 'index($5, path) == 1 && / fuse\.rmpfs /' /proc/self/mountinfo; }

# mounts USER...: mounts while names are exchanged. Some mounts succeed, each at the right place.
mounts() {
    local turn done=0 elsewhere=0
    exchanging
    for ((turn = 0; turn < turns; turn++)); do
        if limit 20 "$@" "$RMPFS" mount --cpus 1 --memory 1G "$P" 2>>"$work/mounts.log"; then done=$((done + 1)); fi
        # shellcheck disable=SC2009
        while read -r pid; do kill "$pid"; done < <(daemons)
        within 10 eval '[ -z "$(daemons)" ]'
        if [ -n "$(ours_elsewhere)" ]; then elsewhere=$((elsewhere + 1)); umount -l "$base/other/mnt"; fi
        while read -r mount; do umount -l "$mount" 2>/dev/null; done < <(
            awk -v path="$base/evil/" 'index($5, path) == 1 && / fuse\.rmpfs / { print $5 }' /proc/self/mountinfo)
    done
    quiet
    echo "# $done of $turns mounts were made, $elsewhere elsewhere"
    [ "$done" -gt 0 ] && [ "$elsewhere" = 0 ]
}

# unmounts HOW USER...: the same for unmounting a live mount or a dead one, by unmount or by recovery.
unmounts() {
    local how=$1 turn gone=0
    shift
    for ((turn = 0; turn < turns; turn++)); do
        if ! is_mounted "$P"; then
            limit 20 "$@" "$RMPFS" mount --cpus 1 --memory 1G "$P" || return
            if [ "$how" != alive ]; then while read -r pid; do kill -KILL "$pid"; done < <(daemons); fi
        fi
        exchanging
        if [ "$how" = recovery ]; then limit 20 "$@" "$RMPFS" mount --cpus 1 --memory 1G "$P"
        else limit 20 "$@" "$RMPFS" unmount "$P"; fi 2>>"$work/unmounts.log" && gone=$((gone + 1))
        quiet
        [ -e "$base/other/mnt/file" ] || { echo "the other mount went in turn $turn"; return 1; }
        [ -z "$(ours_elsewhere)" ] || { echo "mounted elsewhere in turn $turn"; return 1; }
        if [ "$how" = recovery ]; then while read -r pid; do kill -KILL "$pid"; done < <(daemons); fi
        is_mounted "$base/other/mnt" || { echo "the other mount went in turn $turn"; return 1; }
    done
    while read -r pid; do kill "$pid"; done < <(daemons)
    echo "# $gone of $turns came true"
    [ "$gone" -gt 0 ]
}

scene mount 0
check 'root: mounts land where they were asked for' mounts
cat "$work/.output"
for how in alive dead recovery; do
    scene "$how" 0
    covered 0
    check "root: another mount stays ($how)" unmounts "$how"
    cat "$work/.output"
done
refused 'the message says why' 1 "real is a symbolic link of the user with id 54321" bash -c '
    mv "$1/real" "$1/x" && mv "$1/link" "$1/real"; "$2" unmount "$1/real/mnt"' bash "$base/evil" "$RMPFS"
refused 'also for mount' 1 "real is a symbolic link of the user with id 54321" "$RMPFS" mount "$base/evil/real/mnt"
ln -s "$base/other" "$work/own"
mkdir "$base/other/below"
own_link() {
    "$RMPFS" mount "$work/own/below" && "$RMPFS" unmount "$work/own/below" && nothing_left "$base/other/below"
}
check "root's own link is followed" own_link
# By a link of root's, and through a path with every special part.
twisted() { cd "$work/own" && "$RMPFS" mount ./..//other/./below/ && "$RMPFS" unmount "../other/below/."; }
check 'dots and slashes' twisted
cd "$work" || exit

# A device that users can open, and the program at a place where they can run it.
device() {
    mkdir "$work/device" && mount -t tmpfs -o mode=755 device "$work/device" \
        && mknod -m 666 "$work/device/fuse" c 10 229 && mount --bind "$work/device/fuse" /dev/fuse \
        && install -m 755 "$RMPFS" "$work/rmpfs" && RMPFS=$work/rmpfs
}
if fusermount3 --version >/dev/null 2>&1 && device; then
    user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    scene user 65534
    check 'a user, by fusermount3: mounts land where they were asked for' mounts "${user[@]}"
    cat "$work/.output"
    for how in alive dead recovery; do
        scene "user-$how" 65534
        covered 65534
        chmod 755 "$base/other/mnt"
        check "a user, by fusermount3: another mount stays ($how)" unmounts "$how" "${user[@]}"
        cat "$work/.output"
    done
else
    for how in mounts alive dead recovery; do
        skip "a user, by fusermount3: $how" 'no fusermount3, or no /dev/fuse for a user can be made here'
    done
fi
finish
