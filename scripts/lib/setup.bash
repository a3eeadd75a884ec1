# SPDX-License-Identifier: Apache-2.0
# Prepares a fresh machine: installs missing packages, or says exactly how to. For scripts/demo and scripts/test.
# shellcheck shell=bash

# missing_packages COMMAND:PACKAGE...: the packages whose command is missing. The headers of libfuse3 and zlib count as
# commands.
missing_packages() {
    local pair missing=()
    for pair; do
        case $pair in
        libfuse3:*) pkg-config --exists fuse3 2>/dev/null || missing+=("${pair#*:}") ;;
        zlib:*) pkg-config --exists zlib 2>/dev/null || missing+=("${pair#*:}") ;;
        *) command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}") ;;
        esac
    done
    [ "${#missing[@]}" = 0 ] || printf '%s\n' "${missing[@]}" | sort -u
}

# What a build needs besides the Swift toolchain, and a mount besides the kernel.
# shellcheck disable=SC2034 # used by the scripts that source this file
build_packages=(git:git cc:gcc pkg-config:pkg-config libfuse3:libfuse3-dev zlib:zlib1g-dev fusermount3:fuse3)

# install_missing COMMAND:PACKAGE...: installs the packages whose command is missing. Exits if it cannot.
install_missing() {
    local missing as_root=()
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    local install=(apt-get install -y --no-install-recommends "${missing[@]}")
    if ! command -v apt-get >/dev/null; then
        printf 'Missing: %s (Debian names). Install them with the package manager of this system.\n' "${missing[*]}" >&2
        exit 1
    fi
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo)
        [ -t 0 ] || as_root+=(-n) # nobody is there to type a password
        if ! command -v sudo >/dev/null || ! { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
            printf 'Missing: %s. Install them as root:\n\n    apt-get update && %s\n' \
                "${missing[*]}" "${install[*]}" >&2
            exit 1
        fi
    fi
    export DEBIAN_FRONTEND=noninteractive
    printf '$ %s\n' "${as_root[*]:+${as_root[*]} }${install[*]}"
    local log
    log=$(mktemp)
    if ! { timeout 300 "${as_root[@]}" apt-get update && timeout 900 "${as_root[@]}" "${install[@]}"; } \
        >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        printf 'The packages could not be installed. Install them as root:\n\n    apt-get update && %s\n' \
            "${install[*]}" >&2
        exit 1
    fi
    rm -f "$log"
}

# need_swift: exits if there is no Swift toolchain.
need_swift() {
    command -v swift >/dev/null && return
    printf '%s\n' 'No swift found. Install a Swift 6.3 toolchain (https://www.swift.org/install/linux/) and' \
        'put it into PATH.' >&2
    exit 1
}

# need_device: exits with advice if this user cannot mount.
need_device() {
    if [ ! -c /dev/fuse ] && [ "$(id -u)" = 0 ]; then modprobe fuse 2>/dev/null || true; fi
    if [ ! -c /dev/fuse ]; then
        printf '%s\n' 'There is no /dev/fuse. As root: modprobe fuse. In a container, start it with' \
            '--device /dev/fuse --cap-add SYS_ADMIN (docker also: --security-opt apparmor=unconfined).' >&2
        exit 1
    fi
    if [ ! -r /dev/fuse ] || [ ! -w /dev/fuse ]; then
        printf '%s\n' '/dev/fuse is closed to this user. As root: chmod 666 /dev/fuse (most systems have it so);' \
            'or run this as root.' >&2
        exit 1
    fi
}
