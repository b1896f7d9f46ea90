#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# Every C example of a document compiles: whole programs as they are, the others in a function with what they speak of.
# usage: snippets.sh "CC" "INCLUDE FOLDERS" SOURCE_FOLDER FILE.md...
cc=$1 folders=$2 root=$3
shift 3
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
flags="-std=c11 -fsyntax-only -Wall -Wextra -Wno-unused-variable -Wno-unused-but-set-variable -Wno-unused-parameter"
flags="$flags -Wno-unused-function -Wno-uninitialized -Werror"
for f in $folders; do
    flags="$flags -I$f"
done
cat >"$dir/head" <<'END'
#include <quern/quern.h>
void example(qn_graph *g, qn_model *m, qn_device *dev, qn_val x, qn_val y, qn_val t, qn_val w, qn_dataset *train, qn_dataset *test);
void example(qn_graph *g, qn_model *m, qn_device *dev, qn_val x, qn_val y, qn_val t, qn_val w, qn_dataset *train, qn_dataset *test)
{
    qn_logs logs;
    qn_callback cb[2];
    qn_history *history;
    qn_status st;
    qn_val q, k, v, lengths, position, cache_k, cache_v; /* of attention */
    qn_dataset *ds, *wine;
    qn_state *state;
    qn_plan *plan;
    qn_val row, limit;
    float points[128];
    int32_t prompt[8], out[256]; /* of generating */
    int64_t n;
    (void)g, (void)m, (void)dev, (void)x, (void)y, (void)t, (void)w, (void)train, (void)test;
    (void)q, (void)k, (void)v, (void)lengths, (void)position, (void)cache_k, (void)cache_v;
    (void)state, (void)plan, (void)row, (void)limit, (void)points, (void)prompt, (void)out, (void)n;
    (void)logs, (void)cb, (void)history, (void)st, (void)ds, (void)wine;
    {
END
n=0
for file in "$@"; do
    file=$root/$file
    rm -f "$dir"/part.*
    awk -v dir="$dir" '/^```c$/ { k++; on = 1; next } /^```/ { on = 0 } on { print > (dir "/part." k) }' "$file"
    for part in "$dir"/part.*; do
        [ -f "$part" ] || continue
        n=$((n + 1))
        if grep -q 'int main' "$part"; then
            cp "$part" "$dir/a.c"
        elif head -1 "$part" | grep -q '^static'; then
            { echo '#include <quern/quern.h>'; cat "$part"; } >"$dir/a.c"
        else
            { cat "$dir/head" "$part"; printf '    }\n}\n'; } >"$dir/a.c"
        fi
        name="example ${part##*.} of ${file#"$root"/} compiles"
        if $cc $flags "$dir/a.c" 2>"$dir/log"; then
            echo "ok $n - $name"
        else
            sed 's/^/# /' "$dir/log" | head -12
            echo "not ok $n - $name"
        fi
    done
done
echo "1..$n"
