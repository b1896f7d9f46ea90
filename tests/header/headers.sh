#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# Every public header compiled alone, and twice, as strict C11 and as C++11.
# usage: headers.sh "CC" "CXX" "INCLUDE FOLDERS" HEADER...
cc=$1 cxx=$2 folders=$3
shift 3
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
flags="-fsyntax-only -pedantic -Wall -Wextra -Wshadow -Wconversion -Werror -D_FILE_OFFSET_BITS=64"
for f in $folders; do
    flags="$flags -I$f"
done
n=0

try() { # name, command...
    name=$1
    shift
    n=$((n + 1))
    if "$@" >"$dir/log" 2>&1; then
        echo "ok $n - $name"
    else
        sed 's/^/# /' "$dir/log" | head -20
        echo "not ok $n - $name"
    fi
}

for h in "$@"; do
    h=${h##*/}
    printf '#include <quern/%s>\n#include <quern/%s>\nint main(void);\nint main(void) { return 0; }\n' "$h" "$h" >"$dir/a.c"
    cp "$dir/a.c" "$dir/a.cpp"
    try "header: quern/$h alone, C11" $cc -std=c11 -Wstrict-prototypes $flags "$dir/a.c"
    try "header: quern/$h alone, C++11" $cxx -std=c++11 -Wold-style-cast $flags "$dir/a.cpp"
done
echo "1..$n"
