#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# Build the reference with Doxygen; any warning is a failure. TAP; run in the source folder.
# usage: doxygen.sh OUTPUT_FOLDER [VERSION]
out=$1 version=${2:-$(sed -n "s/.*version: '\([0-9.]*\)'.*/\1/p" meson.build | head -1)}
if ! command -v doxygen >/dev/null; then
    echo "ok 1 - doxygen: no warnings # SKIP doxygen is not installed"
    echo "1..1"
    exit 0
fi
mkdir -p "$out" || exit 1
sed -e "s|@VERSION@|$version|; s|@OUTPUT@|$out|; s|@SOURCE@|$PWD|g" \
    -e "s|@INPUT@|\"$PWD/include\" \"$PWD/docs\" \"$PWD/README.md\" \"$PWD/CONTRIBUTING.md\"|" docs/Doxyfile.in >"$out/Doxyfile"
doxygen "$out/Doxyfile" >"$out/log" 2>&1
status=$?
if [ $status -eq 0 ] && [ ! -s "$out/log" ]; then
    echo "ok 1 - doxygen: no warnings"
else
    sed "s|^$PWD/|# |; s|^[^#]|# &|" "$out/log" | head -40
    echo "not ok 1 - doxygen: no warnings"
fi
echo "1..1"
