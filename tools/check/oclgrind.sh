#!/usr/bin/env bash
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# Run a test program on Oclgrind, and fail if it finds anything: Oclgrind itself always exits with the program's status.
# usage: oclgrind.sh PROGRAM [ARGUMENT]...
set -u
log=$(mktemp) errors=$(mktemp)
trap 'rm -f "$log" "$errors"' EXIT
export OCL_ICD_VENDORS=/usr/lib/oclgrind/liboclgrind-rt-icd.so
# It is a tool, so nothing takes it that does not name it.
export QUERN_DEVICE=Oclgrind
export OCLGRIND_DATA_RACES=1 OCLGRIND_CHECK_API=1 OCLGRIND_LOG=$log
# Small cases, and a buffer of its own for every tensor: inside an arena nothing is out of bounds.
export QUERN_TEST_SMALL=1 QUERN_DEBUG_ALLOC=1

"$@" 2>"$errors"
status=$?
cat "$errors" >&2
if [ -s "$log" ] || grep -q '^Oclgrind' "$errors"; then
    sed 's/^/# /' "$log" | head -40
    echo "Bail out! Oclgrind found something"
    exit 1
fi
exit $status
