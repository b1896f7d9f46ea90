#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# Fuzz every parser with libFuzzer under the address and undefined-behaviour sanitizers.
# usage: run.sh SECONDS [TARGET...]         from the source folder; needs clang with its runtime libraries, and all that
# libquern-data wants
# Findings stay in fuzz-findings/; what is worth keeping goes to tests/fuzz/corpus.
seconds=${1:?usage: run.sh SECONDS [TARGET...]}
shift
[ $# -gt 0 ] || set -- idx gz csv safetensors json events expr image sound lines tokens
cc=${CC:-clang}
out=fuzz-findings
mkdir -p "$out" || exit 1
generated=$(mktemp -d) || exit 1
trap 'rm -rf "$generated"' EXIT
mkdir "$generated/quern"
version=$(sed -n "s/^ *version: '\([0-9.]*\)'.*/\1/p" meson.build | head -1)
sed "s/@MAJOR@/${version%%.*}/; s/@MINOR@/$(echo "$version" | cut -d. -f2)/; s/@PATCH@/${version##*.}/; s/@VERSION@/$version/" \
    include/quern/version.h.in >"$generated/quern/version.h"
status=0
for t; do
    $cc -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
        -DQND_INSTALLED_DATA='"/nowhere"' -DQND_SOURCE_DATA='"/nowhere"' -DQND_PNG=1 -DQND_JPEG=1 -DQND_SNDFILE=1 \
        -Iinclude -Isrc -Itests/fuzz -I"$generated" \
        "tests/fuzz/$t.c" tests/fuzz/common.c src/base/*.c src/data/*.c src/data/*/*.c src/io/*.c \
        src/device/expr.c \
        -o "$generated/$t" -lz -lpng -ljpeg -lsndfile -lm -lpthread || exit 1
    mkdir -p "$out/$t"
    echo "== $t"
    "$generated/$t" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$out/$t-" "$out/$t" "tests/fuzz/corpus/$t" 2>"$out/$t.log" || {
        status=1
        echo "$t: failed; see $out/$t.log"
    }
    grep -E 'stat::number_of_executed_units|cov:' "$out/$t.log" | tail -2
done
exit $status
