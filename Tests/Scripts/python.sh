#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Python package: its wheel is built, installed into a folder, and tested with what is in the wheel; and the tests
# for pytest and the shell that docs/testing-your-tools.md shows (RMPModelTests has the one in Swift).

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
python=${PYTHON:-python3}
"$python" -c 'import pytest, setuptools, wheel, pip' 2>/dev/null \
    || skip_all 'pytest, pip, setuptools or wheel is missing'
plan 7

cp -r "$top/python" "$work/source"
check 'the wheel is built' limit 100 "$python" -m pip wheel --quiet --no-deps --no-build-isolation --no-index \
    --wheel-dir "$work" "$work/source"
check 'it is installed' limit 100 "$python" -m pip install --quiet --no-deps --no-index --target "$work/site" \
    "$work"/rmpfs-*.whl
check 'with its types' [ -f "$work/site/rmpfs/py.typed" ]
# The plugin is found by its entry point.
check 'its tests pass' env RMPFS="$RMPFS" PYTHONPATH="$work/site" PYTHONDONTWRITEBYTECODE=1 \
    timeout 200 "$python" -m pytest -q -p no:cacheprovider "$work/source/tests"
# shown LANGUAGE: the block of that language in the page.
shown() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" "$top/docs/testing-your-tools.md" | sed '1d;$d'; }
shown python >"$work/test_shown.py"
check 'the test for pytest that the page shows' env RMPFS="$RMPFS" PYTHONPATH="$work/site" PYTHONDONTWRITEBYTECODE=1 \
    timeout 60 "$python" -m pytest -q -p no:cacheprovider "$work/test_shown.py"
shown sh >"$work/shown.sh"
mkdir "$work/bin"
ln -s "$RMPFS" "$work/bin/rmpfs"
check 'the test for the shell' env PATH="$work/bin:$PATH" timeout 60 bash "$work/shown.sh"
shown swift >"$work/shown.swift"
check 'the test in Swift is one of ours' cmp "$work/shown.swift" <(sed 1,3d "$top/Tests/RMPModelTests/ShownTests.swift")
finish
