#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# Every operation of level 2, layer, optimizer and function of a model is named in a page of docs/api.
# usage: documented.sh SOURCE_FOLDER
cd "$1" || exit 1
n=0
for header in include/quern/graph*.h include/quern/layer*.h include/quern/optim.h include/quern/generate.h include/quern/model.h; do
    n=$((n + 1))
    missing=
    for name in $(grep -oE '^QN_API [^(]*\(' "$header" | grep -oE 'qn_[a-z0-9_]+\($' | tr -d '('); do
        cat docs/api/*.md | grep -qw "$name" || missing="$missing $name"
    done
    if [ -z "$missing" ]; then
        echo "ok $n - the functions of $header are in docs/api"
    else
        echo "# not there:$missing"
        echo "not ok $n - the functions of $header are in docs/api"
    fi
done
echo "1..$n"
