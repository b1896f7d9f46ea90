#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# The self-test has a check for every algorithm of every operation, and the tables have every case it wants.
# usage: qualify_gaps.sh QUERN-QUALIFY
# QUERN_ALGO: matrix instructions are played where there are none, but only for who asks, and for one algorithm of a family at
# a time: a gap is what is one each time.
: "${OCL_ICD_VENDORS:=pocl.icd}"
export OCL_ICD_VENDORS
times=0
all=
for algorithm in matrix matrix_tf32 matrix_bf16 matrix_f16; do
    gaps=$(QUERN_ALGO=gemm=$algorithm,attention=$algorithm \
        "$1" --device "${QUERN_DEVICE:-0:0}" --only "no check" --gaps 3>/dev/null)
    all="$all$gaps
"
    times=$((times + 1))
done
gaps=$(echo "$all" | sort | uniq -c | sed -n "s/^ *$times \(.*[^ ]\)/\1/p")
if ! "$1" --device 0:0 --only opened 3>&1 >/dev/null | grep -q passed; then
    echo "ok 1 - qualify: every algorithm has a check # SKIP no device"
elif [ -z "$gaps" ]; then
    echo "ok 1 - qualify: every algorithm has a check"
else
    echo "$gaps" | sed 's/^/# /'
    echo "not ok 1 - qualify: every algorithm has a check"
fi
echo 1..1
