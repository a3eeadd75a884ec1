#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The package rmpopt-dkms: what is in it, and that DKMS builds the module from it for this kernel.
# TIMEOUT: 300

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/../Scripts/lib.bash"
[ -n "${KERNEL_ROOT:-}" ] || skip_all "no kernel to build for: scripts/test-kernel runs this"
need dpkg-deb dkms
plan 6

package=$("$top/scripts/package-module" --output "$work/package" 2>"$work/package.log")
check 'a package is built' test -f "$package"
"$top/scripts/package-module" --output "$work/again" >/dev/null 2>&1
check 'a second run is the same, byte for byte' cmp "$package" "$work/again/${package##*/}"
if command -v lintian >/dev/null; then
    expect 'lintian has no errors and no warnings' '' \
        "$(limit 120 lintian --allow-root -E --pedantic "$package" 2>&1 | grep -E '^[EW]:')"
else
    skip 'lintian has no errors and no warnings' 'lintian is not installed'
fi
expect 'its version is that of the program' "$("$RMPFS" --version)" "$(dpkg-deb -f "$package" Version)"
dpkg-deb -x "$package" "$work/root"
mkdir "$work/tree"
built=$work/tree/rmpopt/$(dpkg-deb -f "$package" Version)/$KERNEL_VERSION/x86_64/module/rmpopt.ko
# The headers' own path to scripts is one of an installed system.
kernel=(--kernelsourcedir "$KERNEL_ROOT/usr/src/linux-headers-$KERNEL_VERSION" -k "$KERNEL_VERSION")
builds() {
    limit 240 dkms build -m rmpopt -v "$(dpkg-deb -f "$package" Version)" "${kernel[@]}" --dkmstree "$work/tree" \
        --sourcetree "$work/root/usr/src" --no-depmod || {
        cat "$work"/tree/rmpopt/*/build/make.log
        return 1
    }
    ls -R "$work/tree" | tail -n 20
    [ -f "$built" ] || [ -f "$built.xz" ]
}
check 'DKMS builds it' builds
if [ -f "$built.xz" ]; then xz -d "$built.xz"; fi
expect 'for this kernel' "$KERNEL_VERSION" "$(modinfo -F vermagic "$built" | cut -d ' ' -f 1)"
finish
