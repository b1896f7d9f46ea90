#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# Install into a folder that is thrown away, then build README's first C program against what is there, through
# pkg-config and through CMake, and run it where it finds a small data set.
# usage: install.sh SOURCE_FOLDER BUILD_FOLDER "CC"
source=$1 build=$2 cc=$3
stage=$(mktemp -d "$build/install-XXXXXX") || exit 1
trap 'rm -rf "$stage"' EXIT
n=0

report() { # status, name; explained by the log
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - install: $2"
    else
        sed 's/^/# /' "$stage/log" | tail -20
        echo "not ok $n - install: $2"
    fi
}

skip() { # name, reason
    n=$((n + 1))
    echo "ok $n - install: $1 # SKIP $2"
}

finish() {
    echo "1..$n"
    exit 0
}

meson install -C "$build" --no-rebuild --destdir "$stage/root" >"$stage/log" 2>&1
report $? "meson install"
pc=$(find "$stage/root" -name quern.pc)
cmake=$(find "$stage/root" -name quernConfig.cmake)
libraries=$(dirname "$(dirname "$pc")")
if [ -z "$pc" ] || [ -z "$cmake" ]; then
    echo "quern.pc or quernConfig.cmake was not installed" >"$stage/log"
    report 1 "what others find it by"
    finish
fi
packages=quern
[ -f "$(dirname "$pc")/quern-data.pc" ] && packages=quern-data

# A program that asks for nothing but the version, in C and C++; and README's.
cat >"$stage/version.c" <<C
#include <quern/quern.h>
#include <stdio.h>
#include <string.h>
int main(void)
{
    puts(qn_version());
    return strcmp(qn_version(), QN_VERSION_STRING) != 0;
}
C
cp "$stage/version.c" "$stage/version.cpp"
awk '/^```/ { if (inside) exit; inside = $0 == "```c"; next } inside' "$source/README.md" >"$stage/readme.c"
no_readme="README.md has no C program"
if [ $packages = quern ] && grep -q qn_dataset_open "$stage/readme.c"; then
    no_readme="it wants libquern-data, which this build has not"
    : >"$stage/readme.c"
fi

PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
prefix=$stage/root$(sed -n 's/^prefix=//p' "$pc")
flags() {
    pkg-config --define-variable=prefix="$prefix" "$@" $packages
}
LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
mkdir "$stage/run"
QUERN_DATA=${QUERN_DATA:-$source/examples/data}
QUERN_CACHE=${QUERN_CACHE:-$build/tests/cache/store}
export QUERN_DATA QUERN_CACHE
if [ -z "$OCL_ICD_VENDORS" ] && [ -r /etc/OpenCL/vendors/pocl.icd ]; then
    export OCL_ICD_VENDORS=pocl.icd
fi

try() { # name, program to build, program to run
    eval "$2" >"$stage/log" 2>&1
    status=$?
    if [ $status -eq 0 ]; then
        (cd "$stage/run" && eval "$3") >"$stage/log" 2>&1
        status=$?
    fi
    report $status "$1"
}

if command -v pkg-config >/dev/null; then
    try "a C program through pkg-config" \
        '$cc -std=c11 -Wall -Wextra -Werror $(flags --cflags) "$stage/version.c" -o "$stage/version" $(flags --libs)' \
        '"$stage/version"'
    if [ -f "$libraries/libquern.a" ]; then
        # The static library by its file, as both kinds are installed side by side.
        try "a C program with the static library" \
            '$cc -std=c11 -Wall -Wextra -Werror $(flags --cflags) "$stage/version.c" -o "$stage/static" \
                "$libraries/libquern.a" -pthread -lm -ldl' \
            'env -u LD_LIBRARY_PATH "$stage/static"'
    fi
    if [ -s "$stage/readme.c" ]; then
        try "README's program through pkg-config" \
            '$cc -std=c11 -Wall -Wextra -Werror $(flags --cflags) "$stage/readme.c" -o "$stage/readme" $(flags --libs)' \
            '"$stage/readme"'
    fi
else
    skip "programs through pkg-config" "pkg-config is not installed"
fi

if command -v cmake >/dev/null; then
    mkdir "$stage/cmake"
    cat >"$stage/cmake/CMakeLists.txt" <<CMAKE
cmake_minimum_required(VERSION 3.13)
project(user C CXX)
find_package(quern $(pkg-config --modversion quern 2>/dev/null) REQUIRED)
add_executable(version_c ../version.c)
target_link_libraries(version_c quern::quern)
add_executable(version_cpp ../version.cpp)
target_link_libraries(version_cpp quern::quern)
if(TARGET quern::quern_static)
    add_executable(version_static ../version.c)
    target_link_libraries(version_static quern::quern_static)
endif()
file(SIZE $stage/readme.c bytes)
if(bytes GREATER 0)
    add_executable(readme ../readme.c)
    target_link_libraries(readme quern::quern)
    if(TARGET quern::data)
        target_link_libraries(readme quern::data)
    endif()
endif()
CMAKE
    try "programs through CMake" \
        'cmake -S "$stage/cmake" -B "$stage/cmake/b" -DCMAKE_PREFIX_PATH="$prefix" &&
            cmake --build "$stage/cmake/b"' \
        'for p in "$stage"/cmake/b/version_*; do "$p" || exit 1; done'
    if [ -s "$stage/readme.c" ]; then
        try "README's program through CMake" true '"$stage/cmake/b/readme"'
    fi
else
    skip "programs through CMake" "cmake is not installed"
fi
[ -s "$stage/readme.c" ] || skip "README's program" "$no_readme"
finish
