#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# Fuzz every parser with libFuzzer under the address and undefined-behaviour sanitizers.
# usage: [FUZZ_LENGTH=8192] run.sh RUNS [TARGET...]  from the source folder; needs clang with its runtime libraries, and all that
# libquern-data wants. FUZZ_LENGTH: bytes of an input at most
# Builds below build/fuzz. A target goes on from the corpus it has gathered there, in build/fuzz/corpus/TARGET. Findings stay
# in build/fuzz as TARGET-crash-..., with the log beside them; what is worth keeping goes to tests/fuzz/make_corpus.py.
runs=${1:?usage: run.sh RUNS [TARGET...]}
shift
[ $# -gt 0 ] || set -- $(ls tests/fuzz/corpus) # every target has a folder there
top=$PWD
out=$top/build/fuzz
sanitize=-fsanitize=address,undefined
[ -f "$out/build.ninja" ] || CC=${CC:-clang} meson setup "$out" -Ddefault_library=static -Dtools=false -Dexamples=false \
    -Dtests=false -Dbuildtype=debugoptimized \
    -Dc_args="-fsanitize=fuzzer-no-link $sanitize -fno-sanitize-recover=undefined" -Dc_link_args="$sanitize" || exit 1
ninja --quiet -C "$out" src/libquern.a src/data/open/libquern-data.a || exit 1 # shared ones are linked without the sanitizers
status=0
for t; do
    ${CC:-clang} -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer $sanitize -fno-sanitize-recover=undefined \
        -Iinclude -Isrc -Itests/fuzz -I"$out/include" "tests/fuzz/$t.c" tests/fuzz/common.c tests/fuzz/device.c \
        "$out"/src/data/open/libquern-data.a "$out"/src/libquern.a \
        -o "$out/fuzz-$t" -lz -lpng -ljpeg -lsndfile -lm -lpthread -ldl || exit 1
    mkdir -p "$out/corpus/$t"
    echo "== $t"
    ASAN_OPTIONS=allocator_may_return_null=1 "$out/fuzz-$t" -runs="$runs" -max_len="${FUZZ_LENGTH:-8192}" -timeout=120 \
        -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$out/$t-" \
        "$out/corpus/$t" "tests/fuzz/corpus/$t" 2>"$out/$t.log" || {
        status=1
        echo "$t: failed; see $out/$t.log"
    }
    grep -E 'stat::number_of_executed_units|cov:' "$out/$t.log" | tail -2
done
exit $status
