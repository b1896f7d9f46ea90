#!/usr/bin/env bash
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# Would programs built against one library run with another? By abidiff, of abigail-tools, from the debugging information.
# usage: abi.sh OLD NEW [HEADERS]   shared libraries, or what abidw wrote of them; HEADERS: the folder of the public ones
#        abi.sh --last-release FOLDER   what FOLDER, a build folder, holds beside the last release's, which is built there
# Status: 0 yes, 1 no, with what changed; 2 it could not be found out; 77 there is no release yet.
set -u

compare() { # old, new, headers
    local headers=() status
    [ -n "${3:-}" ] && headers=(--headers-dir1 "$3" --headers-dir2 "$3" --drop-private-types)
    abidiff --no-added-syms "${headers[@]}" "$1" "$2"
    status=$?
    # Bits: 1 an error, 2 the command line, 4 a change, 8 one that breaks programs for certain.
    [ $((status & 3)) -eq 0 ] || return 2
    [ $((status & 12)) -eq 0 ]
}

soname() {
    readelf -d "$1" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p'
}

last_release() { # build folder
    local folder=$1 top tag old library status=0 of
    top=$(git -C "$(dirname "$0")" rev-parse --show-toplevel) || return 2
    tag=$(git -C "$top" describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null) || return 77
    old=$folder/abi/$tag
    if [ ! -f "$old/build/build.ninja" ]; then
        rm -rf "$old" && mkdir -p "$old" || return 2
        git -C "$top" archive "$tag" | tar -x -C "$old" || return 2
        meson setup "$old/build" "$old" -Dtests=false -Dexamples=false -Dtools=false >"$old.log" 2>&1 || return 2
    fi
    ninja -C "$old/build" >>"$old.log" 2>&1 || return 2
    for library in src/libquern.so src/data/open/libquern-data.so; do
        [ -e "$folder/$library" ] && [ -e "$old/build/$library" ] || continue
        if [ "$(soname "$folder/$library")" != "$(soname "$old/build/$library")" ]; then
            echo "$library: another name than $tag's, and may differ"
            continue
        fi
        compare "$old/build/$library" "$folder/$library" "$top/include/quern"
        of=$?
        [ $of -le $status ] || status=$of
    done
    return $status
}

case "${1:-}" in
--last-release) last_release "$2" ;;
"" | -*) sed -n 's/^# \(usage.*\|       abi.*\)/\1/p' "$0" >&2; exit 2 ;;
*) compare "$1" "$2" "${3:-}" ;;
esac
