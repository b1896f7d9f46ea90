#!/bin/sh
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# PoCL gives each of its threads local memory of its own; but a local variable that it does not find, in a function that was
# not inlined, stays in the kernel's static data, and work-groups on two threads share it (cl/common/lanes.clh). Results are
# then wrong now and then, so look at the kernels rather than at the results.
# usage: locals.sh CACHE MARK   TAP; of the kernels that PoCL wrote into CACHE since the file MARK
found=$(find "$1" -name '*.so' -newer "$2" -exec objdump -t {} + 2>&1 |
    grep -E ' O \.bss|not found' | awk '{ print "# " $NF }' | sort -u)
if [ -n "$found" ]; then
    echo "$found"
    echo "not ok 1 - locals: no kernel of PoCL's has local memory in static data"
else
    echo "ok 1 - locals: no kernel of PoCL's has local memory in static data"
fi
echo 1..1
