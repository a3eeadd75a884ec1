#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every client that people use works on a mount; here as the user who runs the test.
# TIMEOUT: 240

# shellcheck source=Tests/Scripts/lib.bash
. "$(dirname "$0")/lib.bash"
# shellcheck source=Tests/Scripts/clients.bash
. "$top/Tests/Scripts/clients.bash"
need busybox rsync less perl python3 script

plan "$client_count"
run_clients
finish
