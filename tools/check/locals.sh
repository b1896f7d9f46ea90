#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# PoCL gives each of its threads local memory of its own; but a local variable that it does not find, in a function that was
# not inlined, stays in the kernel's static data, and work-groups on two threads share it (cl/common/lanes.clh). Results are
# then wrong now and then, so look at the kernels rather than at the results.
# usage: locals.sh CACHE MARK   TAP; of the kernels that PoCL wrote into CACHE since the file MARK
about="locals: no kernel of PoCL's has local memory in static data"
result=ok
if ! command -v objdump >/dev/null || [ -z "$(find "$1" -name '*.so' | head -1)" ]; then
    echo "# there is no objdump, or no kernel in $1"
    result="not ok"
elif found=$(find "$1" -name '*.so' -newer "$2" -exec objdump -t {} + | grep ' O \.bss'); then
    echo "$found" | awk '{ print "# " $NF }' | sort -u
    result="not ok"
fi
echo "$result 1 - $about"
echo 1..1
