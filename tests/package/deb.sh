#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# Debian's packages: they build from what is committed or about to be, lintian has nothing to say, and a program builds
# and runs against what is in them.
# usage: deb.sh FOLDER   (made anew)
top=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1" && folder=$(cd "$1" && pwd) || exit 1
rm -rf "$folder"/*
n=0

report() { # status, name; explained by the log
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - package: $2"
    else
        tail -n 40 "$folder/log" | sed 's/^/# /'
        echo "not ok $n - package: $2"
    fi
}

finish() {
    echo "1..$n"
    exit 0
}

mkdir "$folder/quern" "$folder/root"
(cd "$top" && git ls-files -z -c -o --exclude-standard | tar -c --null -T - --ignore-failed-read) 2>/dev/null |
    tar -x -C "$folder/quern"
(cd "$folder/quern" && DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -us -uc -b) >"$folder/log" 2>&1
report $? "dpkg-buildpackage"
[ $n -eq 1 ] && ls "$folder"/quern_*.changes >/dev/null 2>&1 || finish
# Nothing was ever uploaded, so that there is no bug to close.
lintian --allow-root --fail-on warning,error --suppress-tags initial-upload-closes-no-bugs "$folder"/quern_*.changes \
    >"$folder/log" 2>&1 && [ ! -s "$folder/log" ]
report $? "lintian"

for deb in "$folder"/*.deb; do
    dpkg-deb -x "$deb" "$folder/root"
done
libraries=$(dirname "$(find "$folder/root" -name libquern.so)")
cat >"$folder/version.c" <<'C'
#include <quern/quern.h>
#include <quern/data_open.h>
#include <stdio.h>
int main(void)
{
    qn_dataset *none = NULL;
    return puts(qn_version()) < 0 || qn_dataset_open(&none, "nothing of that name", NULL) != QN_E_ARG;
}
C
{
    cc -I"$folder/root/usr/include" "$folder/version.c" -L"$libraries" -lquern-data -lquern -o "$folder/version" &&
        LD_LIBRARY_PATH=$libraries "$folder/version"
} >"$folder/log" 2>&1
report $? "a program with the -dev package"
{
    "$folder/root/usr/bin/quern" --version &&
        man -l -Tutf8 "$folder/root/usr/share/man/man1/quern-train.1.gz" | grep -q learning &&
        bash -n "$folder/root/usr/share/bash-completion/completions/quern.bash" &&
        ls "$folder/root/usr/share/zsh/vendor-completions/_quern" \
            "$folder/root/usr/share/fish/vendor_completions.d/quern.fish"
} >"$folder/log" 2>&1
report $? "the command, its pages and completion"
finish
