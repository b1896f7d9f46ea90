#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# The manual pages and what completes command lines name every option that a command's --help names.
# usage: help.sh QUERN [COMMAND]...   (those that have a manual page)
quern=$1
shift
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0

result() { # name, what is wrong
    n=$((n + 1))
    if [ -n "$2" ]; then
        echo "$2" | sed 's/^/# /'
        echo "not ok $n - help: $1"
    else
        echo "ok $n - help: $1"
    fi
}

options() { # command
    "$quern" "$1" --help | sed -n 's/^  --\([a-z0-9-]*\).*/\1/p'
}

commands=$("$quern" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
result "every command has a manual page" \
    "$([ "$(echo "$commands" | sort)" = "$(printf '%s\n' "$@" | sort)" ] || echo "commands:" $commands "- pages:" "$@")"

for shell in bash zsh fish; do
    "$quern" --help=$shell >"$dir/$shell" || echo "not ok - quern --help=$shell"
done
"$quern" --help=man >"$dir/quern.1"
for c in $commands; do
    "$quern" "$c" --help=man >"$dir/quern-$c.1"
    wrong=
    # In the manual a dash is \-; a command's part of a script begins with its name.
    sed 's/\\-/-/g' "$dir/quern-$c.1" >"$dir/page"
    sed -n "/^        $c)/,/;;/p" "$dir/bash" >"$dir/bash-part"
    sed -n "/^        $c)/,/;;/p" "$dir/zsh" >"$dir/zsh-part"
    [ "$(options "$c" | wc -l)" -ge 2 ] || wrong="no options of $c"
    for o in $(options "$c"); do
        grep -qE "^\.B --$o( |\$)" "$dir/page" || wrong="$wrong
quern-$c.1 lacks --$o"
        grep -qE "options='(.* )?--$o[ ']" "$dir/bash-part" || wrong="$wrong
bash lacks --$o of $c"
        grep -qE "^ *'--$o=?\[" "$dir/zsh-part" || wrong="$wrong
zsh lacks --$o of $c"
        grep -qE "_from $c' -l $o( |\$)" "$dir/fish" || wrong="$wrong
fish lacks --$o of $c"
    done
    result "every option of $c is in its page and in the scripts" "$wrong"
    grep -q "quern.-$c (1)" "$dir/quern.1" || result "quern.1 names $c" "it does not"
done

complete() { # words: what bash would offer for the last
    bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _quern; echo "${COMPREPLY[*]}"' "$dir/bash" "$@"
}
result "bash completes commands and options" "$(
    [ "$(complete quern tr)" = train ] || echo "tr: $(complete quern tr)"
    [ "$(complete quern train --ep)" = --epochs ] || echo "train --ep: $(complete quern train --ep)"
    [ -z "$(complete quern train --epochs '')" ] || echo "a number is completed"
    [ "$(cd "$dir" && complete quern train --save quern-tr)" = quern-train.1 ] || echo "no file after --save"
)"
for shell in zsh fish; do
    command -v $shell >/dev/null && result "$shell reads its script" "$($shell -n "$dir/$shell" 2>&1)"
done
if command -v man >/dev/null; then
    result "the pages are sound" "$(for f in "$dir"/*.1; do
        MANROFFSEQ= LC_ALL=C.UTF-8 man --warnings -E UTF-8 -l -Tutf8 -Z "$f" 2>&1 >/dev/null
    done)"
fi
echo "1..$n"
