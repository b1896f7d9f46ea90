#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# quern devices --raw says what clinfo --raw says, line by line, on every implementation that is here.
# usage: clinfo.sh QUERN; $QUERN_CHECK_ICDS names the libraries of further drivers
quern=$1
vendors=/etc/OpenCL/vendors
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0

# Some drivers tell from minute to minute how much memory there is; blank lines differ after a platform without devices.
tidy() {
    sed '/^ *$/d; s/\(CL_DEVICE_\(GLOBAL_MEM_SIZE\|MAX_MEM_ALLOC_SIZE\|GLOBAL_FREE_MEMORY_AMD\) *\)[0-9 ]*$/\1#/'
}

compare() { # name, where it must be installed, settings...
    name=$1 needed=$2
    shift 2
    n=$((n + 1))
    if ! command -v clinfo >/dev/null; then
        echo "ok $n - clinfo: $name # SKIP clinfo is not installed"
    elif ! [ -e "$needed" ]; then
        echo "ok $n - clinfo: $name # SKIP not installed"
    else
        env "$@" clinfo --raw 2>/dev/null | tidy >"$dir/theirs"
        env "$@" "$quern" devices --raw 2>"$dir/errors" | tidy >"$dir/ours"
        if diff "$dir/theirs" "$dir/ours" >"$dir/diff" && [ "$(wc -l <"$dir/ours")" -gt 10 ]; then
            echo "ok $n - clinfo: $name"
        else
            cut -c 1-200 "$dir/diff" | sed 's/^/# /' | head -40
            sed 's/^/# /' "$dir/errors"
            echo "not ok $n - clinfo: $name"
        fi
    fi
}

compare "PoCL" $vendors/pocl.icd OCL_ICD_VENDORS=pocl.icd
compare "PoCL, two devices" $vendors/pocl.icd OCL_ICD_VENDORS=pocl.icd "POCL_DEVICES=pthread basic"
compare "rusticl" $vendors/rusticl.icd OCL_ICD_VENDORS=rusticl.icd RUSTICL_ENABLE=llvmpipe
compare "Oclgrind" /usr/lib/oclgrind/liboclgrind-rt-icd.so OCL_ICD_VENDORS=/usr/lib/oclgrind/liboclgrind-rt-icd.so
for icd in $QUERN_CHECK_ICDS; do
    compare "$(basename "$icd")" "$icd" "OCL_ICD_VENDORS=$icd"
done
compare "every driver" $vendors -u OCL_ICD_VENDORS RUSTICL_ENABLE=llvmpipe
echo "1..$n"
