#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# What the libraries show to the outside and ask of it.
# usage: symbols.sh SHARED STATIC [HEADER...]
shared=$1 static=$2
shift 2
n=0

result() { # name, the lines that should not be there
    n=$((n + 1))
    if [ -z "$2" ]; then
        echo "ok $n - symbols: $1"
    else
        echo "$2" | sed 's/^/# /' | head -20
        echo "not ok $n - symbols: $1"
    fi
}

exported=$(nm -D --defined-only "$shared" | awk '{ sub(/@.*/, "", $NF); print $NF }')
result "every exported name begins with qn_" "$(echo "$exported" | grep -v '^qn_')"
result "every global name of the static library begins with qn_ or qni_" \
    "$(nm -g --defined-only "$static" 2>/dev/null | awk 'NF == 3 { print $3 }' | grep -Ev '^qni?_')"
result "nothing is needed but libc, libm and threads" \
    "$(readelf -d "$shared" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -Ev '^(libc|libm|libpthread|libdl|ld-linux.*)\.so')"
result "every undefined name is glibc's" \
    "$(nm -D --undefined-only "$shared" | awk '$1 == "U" && $2 !~ /@GLIBC_/ { print $2 }')"
result "no mutable variable but the thread's message" \
    "$(objdump -t "$shared" | awk 'NF > 4 && $(NF - 2) ~ /^\.(data|bss|tdata|tbss)$/ {
        if ($(NF - 1) != "0000000000000000") print $NF, "in", $(NF - 2), $(NF - 1) }' |
        grep -Ev '^(completed\.[0-9]*|__dso_handle|message|qni_message) ')"
result "nothing calls printf to stdout, exit, abort or fork" \
    "$(nm -D --undefined-only "$shared" | awk '{ sub(/@.*/, "", $2); print $2 }' |
        grep -Ex '(__)?(v?printf|puts|putchar|perror|exit|_exit|_Exit|quick_exit|abort|fork|vfork|system|signal|stdout|stderr|'\
'rand|srand|gets|strcpy|strcat|sprintf)(_chk)?')"
if [ $# -gt 0 ]; then
    declared=$(sed -n 's/^QN_API [^(]*[ *]\([a-z0-9_]*\)(.*/\1/p' "$@")
    missing=
    for f in $declared; do
        echo "$exported" | grep -qx "$f" || missing="$missing
$f"
    done
    result "every declared function is there" "$(echo "$missing" | sed '/^$/d')"
fi
echo "1..$n"
