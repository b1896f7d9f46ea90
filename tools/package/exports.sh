#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# The names that a shared library exports, beside the committed list of them, which is also Debian's symbols file.
# usage: exports.sh LIST SHARED...   compare, as TAP
#        exports.sh --add LIST SHARED VERSION   new names enter the list with VERSION; those that are gone stay
exported() {
    nm -D --defined-only "$1" | awk '{ sub(/@.*/, "", $NF); print $NF }' | LC_ALL=C sort -u
}

listed() {
    sed -n 's/^ \([a-z0-9_]*\)@Base .*/\1/p' "$1" | LC_ALL=C sort -u
}

if [ "$1" = --add ]; then
    new=$(exported "$3" | while read -r name; do grep -q "^ $name@Base " "$2" || echo " $name@Base $4"; done)
    { cat "$2"; [ -z "$new" ] || echo "$new"; } >"$2.new" || exit 1
    { grep -v '^ ' "$2.new"; grep '^ ' "$2.new" | LC_ALL=C sort; } >"$2" && rm "$2.new"
    exit
fi
n=0
while [ $# -ge 2 ]; do
    list=$1 shared=$2
    shift 2
    n=$((n + 1))
    exported "$shared" >"/tmp/exports.$$"
    gone=$(listed "$list" | LC_ALL=C comm -23 - "/tmp/exports.$$")
    new=$(listed "$list" | LC_ALL=C comm -13 - "/tmp/exports.$$")
    rm "/tmp/exports.$$"
    [ -z "$gone" ] || echo "# gone, which breaks programs:" $gone
    [ -z "$new" ] || echo "# not listed; once they are meant to stay, tools/package/exports.sh --add:" $new
    [ -z "$gone$new" ] && echo "ok $n - exports: $(basename "$list")" || echo "not ok $n - exports: $(basename "$list")"
done
echo "1..$n"
