#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# What a reader would object to and a compiler would not. TAP; run in the source folder.
# usage: style.sh [CC]
cc=${1:-cc}
LC_ALL=C
export LC_ALL
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0

if git ls-files >"$dir/all" 2>/dev/null && [ -s "$dir/all" ]; then
    git ls-files -o --exclude-standard >>"$dir/all"
else
    find . -type f ! -path './build*' ! -path './.git/*' | sed 's|^\./||' >"$dir/all"
fi
while read -r f; do
    [ -f "$f" ] && echo "$f"
done <"$dir/all" >"$dir/files"
grep -E '\.(c|h|cl|clh|cpp|in|sh|py|md|build|txt|yml)$|^(check|quickstart|\.ci/run)$' "$dir/files" >"$dir/text"
grep -E '\.(c|h|cl|clh|cpp|sh|py)$|^(check|quickstart|\.ci/run)$' "$dir/text" >"$dir/code"
grep -E '\.(c|h|cl|clh|cpp|sh|py|build)$|^(check|quickstart|\.ci/run)$' "$dir/text" >"$dir/lines"
grep -E '^cl/.*\.clh?$' "$dir/text" >"$dir/kernels"
grep -E '^src/.*\.[ch]$' "$dir/text" >"$dir/library"

over() { # list, command...: run the command on the files of a list, if there are any
    list=$dir/$1
    shift
    [ ! -s "$list" ] || tr '\n' '\0' <"$list" | xargs -0 "$@"
}

result() { # name, the places that are wrong
    n=$((n + 1))
    if [ -z "$2" ]; then
        echo "ok $n - style: $1"
    else
        echo "$2" | sed 's/^/# /' | head -40
        echo "not ok $n - style: $1"
    fi
}

tab=$(printf '\t')
cr=$(printf '\r')
result "no tabs" "$(over text grep -Hn "$tab" | cut -c 1-100)"
result "no space at the end of a line" "$(over text grep -Hn " $" | cut -c 1-100)"
result "no carriage returns" "$(over text grep -Hln "$cr")"
result "every file ends with a newline" "$(while read -r f; do
    [ -z "$(tail -c 1 "$f")" ] || echo "$f"
done <"$dir/text")"
result "lines of 132 columns at most" "$(over lines awk '
    { s = $0; gsub(/[\200-\277]/, "", s) }
    length(s) > 132 { print FILENAME ":" FNR ": " length(s) }')"
result "files of 700 lines at most" "$(over code awk 'FNR == 701 { print FILENAME }')"
result "every source file names its licence" "$(while read -r f; do
    head -3 "$f" | grep -q 'Copyright (c) The Quern authors. SPDX-License-Identifier: MIT' || echo "$f"
done <"$dir/code")"
# The pattern is in two parts so as not to find itself.
machine="(^|[^a-zA-Z0-9_.-])/(wor""k|ro""ot|ho""me/[a-z]+)/"
result "no path of somebody's machine" "$(over text grep -HnE "$machine" | cut -c 1-140)"

# Kernels and the library without their comments.
strip() {
    $cc -fpreprocessed -dD -E -P -x c "$1" 2>/dev/null
}
never='get_(group|global_linear)_id|get_num_groups|get_global_(size|offset)|double[0-9]*|printf|fma|mad|half_[a-z]+'
never="$never|atom(ic)?_cmpxchg"
result "kernels: none of get_group_id, get_global_size, double, printf, fma, mad, float atomics" "$(while read -r f; do
    case $f in *cl/common/narrow.clh) continue ;; esac # it says why
    strip "$f" | sed "s|^|$f: |" |
        grep -wE "$never"
done <"$dir/kernels")"
result "kernels: every kernel fixes its work-group" "$(while read -r f; do
    kernels=$(strip "$f" | grep -cwE '(__)?kernel')
    fixed=$(strip "$f" | grep -c 'reqd_work_group_size(')
    [ "$kernels" -eq "$fixed" ] || echo "$f: $kernels kernels, $fixed sizes"
done <"$dir/kernels")"
result "library: memory comes through the context" "$(while read -r f; do
    case $f in src/base/alloc.c | src/base/context.c) continue ;; esac
    strip "$f" | sed "s|^|$f: |" | grep -v 'free(\*list);' |
        grep -E '(^|[^a-zA-Z0-9_>.])(malloc|calloc|realloc|free|strdup|strndup|asprintf|getline) ?\('
done <"$dir/library")"
result "library: no word to the terminal" "$(while read -r f; do
    strip "$f" | sed "s|^|$f: |" | grep -v 'format(printf' |
        grep -wE 'printf|puts|putchar|perror|stdout|stderr|abort|exit|_exit'
done <"$dir/library")"
result "library: locale-dependent reading and writing only in base" "$(while read -r f; do
    case $f in src/base/*) continue ;; esac
    strip "$f" | sed "s|^|$f: |" | grep -wE 'strtod|strtof|atof|setlocale|localtime'
done <"$dir/library")"

# A room includes itself and those below it. Rooms on one line may use each other: an operation's gradient rule adds
# nodes to the graph, and a layer is a function of the model it is added to.
cat >"$dir/order" <<ROOMS
base
device
program
tensor
tune blas
ops graph
data io layer optim metric model
dist
ROOMS
result "library: rooms depend downward" "$(over library awk -v order="$dir/order" '
    BEGIN {
        while ((getline line < order) > 0) {
            k++
            m = split(line, a, " ")
            for (i = 1; i <= m; i++)
                rank[a[i]] = k
        }
    }
    /^#include "/ {
        split(FILENAME, path, "/"); split($2, inc, "/"); sub(/^"/, "", inc[1])
        if ((inc[1] in rank) && (path[2] in rank) && rank[inc[1]] > rank[path[2]]) print FILENAME ":" FNR ": " $2
    }')"
result "library: only blas includes CLBlast" "$(over library grep -Hn '#include <clblast' | grep -v '^src/blas/')"
echo "1..$n"
