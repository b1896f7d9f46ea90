#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# What a cross build for Windows made: the libraries export what they should, nothing but Windows is needed to run, and
# where there is Wine the command starts.
# usage: windows.sh BUILD_FOLDER
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$1" && pwd) || exit 1
objdump=x86_64-w64-mingw32-objdump
n=0

result() { # name, what is wrong
    n=$((n + 1))
    if [ -n "$2" ]; then
        echo "$2" | sed 's/^/# /' | head -40
        echo "not ok $n - windows: $1"
    else
        echo "ok $n - windows: $1"
    fi
}

exported() {
    $objdump -p "$1" | sed -n '/^\[Ordinal\/Name Pointer\] Table/,/^$/s/.*[[:space:]]\([A-Za-z_][A-Za-z0-9_]*\)$/\1/p' |
        grep -v '^Table$' | LC_ALL=C sort -u
}

needed() { # beyond Windows itself
    $objdump -p "$1" | sed -n 's/.*DLL Name: //p' | grep -viE '^(kernel32|msvcrt|advapi32|user32)\.dll$'
}

for pair in src/libquern-0.dll:libquern0 src/data/open/libquern-data-0.dll:libquern-data0; do
    dll=$build/${pair%%:*} list=$top/debian/${pair##*:}.symbols
    exported "$dll" >"$build/exported"
    sed -n 's/^ \([a-z0-9_]*\)@Base .*/\1/p' "$list" | LC_ALL=C sort >"$build/listed"
    result "$(basename "$dll") exports what $(basename "$list") lists" "$(diff "$build/listed" "$build/exported")"
done
result "libquern-0.dll needs nothing but Windows" "$(needed "$build/src/libquern-0.dll")"
result "libquern-data-0.dll needs libquern-0.dll" "$(needed "$build/src/data/open/libquern-data-0.dll" |
    grep -vx 'libquern-0.dll')"
result "quern.exe needs nothing but Windows" "$(needed "$build/tools/quern/quern.exe")"

wine=$(command -v wine64 || command -v wine || ls /usr/lib/wine/wine64 2>/dev/null)
if [ -n "$wine" ]; then
    export WINEPREFIX="$build/wine" WINEDEBUG=-all
    said=$("$wine" "$build/tools/quern/quern.exe" devices 2>&1)
    result "the command runs" "$(
        echo "$said" | grep -qE 'OpenCL|score' || echo "devices says: $said"
        said=$("$wine" "$build/tools/quern/quern.exe" --version 2>/dev/null | tr -d '\r')
        [ "$said" = "quern $(sed -n "s/^ *version: '\(.*\)',/\1/p" "$top/meson.build")" ] || echo "--version says: $said"
    )"
    # Wine hands OpenCL through where there is a driver.
    if echo "$said" | grep -q '^\*'; then
        result "a network trains, is saved, loaded and evaluated" "$(
            cd "$build" || exit
            export QUERN_DATA="Z:$top/examples/data" QUERN_CACHE="Z:$build/store"
            "$wine" tools/quern/quern.exe train mlp --data digits --epochs 1 --quiet --save 'mlp.qn' >said 2>&1 &&
                "$wine" tools/quern/quern.exe evaluate mlp.qn --data digits >said 2>&1 &&
                grep -q 'accuracy 0\.[89]' said || cat said
        )"
    fi
else
    n=$((n + 1))
    echo "ok $n - windows: the command runs # SKIP there is no Wine"
fi
echo "1..$n"
