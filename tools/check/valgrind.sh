#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# Run a test program under Valgrind; whatever is not the OpenCL runtime's own is a failure.
# usage: valgrind.sh PROGRAM [ARGUMENT]...   (as meson test --wrapper)
here=$(dirname "$0")
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
QUERN_TEST_SMALL=1 valgrind --quiet --leak-check=full --show-leak-kinds=definite,possible \
    --errors-for-leak-kinds=definite,possible --error-exitcode=99 --suppressions="$here/valgrind.supp" \
    --log-file="$log" "$@"
status=$?
if [ $status -eq 99 ]; then
    sed 's/^/# /' "$log" | head -60
    echo "Bail out! Valgrind found something"
    exit 1
fi
exit $status
