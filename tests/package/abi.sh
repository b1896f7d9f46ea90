#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# tools/package/abi.sh says yes and no rightly of small libraries, and of the one in a build folder.
# usage: abi.sh BUILD_FOLDER
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0

library() { # name, source
    echo "$2" >"$dir/$1.c"
    cc -g -shared -fPIC "$dir/$1.c" -o "$dir/$1.so" || exit 1
}

expect() { # name, status, old, new
    n=$((n + 1))
    "$top/tools/package/abi.sh" "$3" "$4" >"$dir/log" 2>&1
    status=$?
    if [ $status -eq "$2" ]; then
        echo "ok $n - abi: $1"
    else
        sed 's/^/# /' "$dir/log" | head -40
        echo "not ok $n - abi: $1 (status $status, expected $2)"
    fi
}

opt='struct opt { int a; void *reserved; };'
f='int f(const struct opt *o) { return o->a; }'
library old "$opt $f int g(int x) { return x; }"
library same "$opt $f int g(int x) { return -x; }"
library more "$opt $f int g(int x) { return x; } int h(int x) { return x; }"
library fewer "$opt $f"
library struct "struct opt { int b, a; void *reserved; }; $f int g(int x) { return x; }"
library type "$opt $f long g(int x) { return x; }"
library inner "$opt static int hidden(int x) { return x; } $f int g(int x) { return hidden(x); }"
expect "the same interface" 0 "$dir/old.so" "$dir/same.so"
expect "a function more" 0 "$dir/old.so" "$dir/more.so"
expect "a function that no one outside sees" 0 "$dir/old.so" "$dir/inner.so"
expect "a function is gone" 1 "$dir/old.so" "$dir/fewer.so"
expect "a struct's members have moved" 1 "$dir/old.so" "$dir/struct.so"
expect "a function gives another type" 1 "$dir/old.so" "$dir/type.so"
expect "no library" 2 "$dir/old.so" "$dir/none.so"
abidw --out-file "$dir/quern.abi" "$build/src/libquern.so" >"$dir/log" 2>&1
expect "libquern beside what abidw wrote of it" 0 "$dir/quern.abi" "$build/src/libquern.so"

n=$((n + 1))
"$top/tools/package/abi.sh" --last-release "$build" >"$dir/log" 2>&1
status=$?
case $status in
0) echo "ok $n - abi: programs of the last release run" ;;
77) echo "ok $n - abi: programs of the last release run # SKIP there is no release yet" ;;
*)
    sed 's/^/# /' "$dir/log" | head -200
    echo "not ok $n - abi: programs of the last release run (status $status)"
    ;;
esac
echo "1..$n"
