#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Write src/data/text/lower.c: Unicode's lower case, character by character, in runs.

usage: make_lower.py >src/data/text/lower.c
"""
import sys
import unicodedata


def runs():
    """First, last, step and what is added; runs of equal distances."""
    pairs = [(c, ord(chr(c).lower())) for c in range(0x110000)
             if not 0xD800 <= c < 0xE000 and len(chr(c).lower()) == 1 and chr(c).lower() != chr(c)]
    out = []
    for c, low in pairs:
        step = c - out[-1][1] if out else 0
        if step in (1, 2) and out[-1][3] == low - c and (out[-1][0] == out[-1][1] or step == out[-1][2]):
            out[-1][2] = step
            out[-1][1] = c
        else:
            out.append([c, c, 1, low - c])
    return out


def main():
    print(f"""/* Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
 *
 * Made by tools/data/make_lower.py from Python's Unicode {unicodedata.unidata_version}.
 * U+0130 alone becomes two characters and is left to the caller. */
#include "data/text/text.h"

/* Every step-th character from first to last has its lower case so much further on. */
static const struct {{
    uint32_t first, last;
    int32_t step, add;
}} runs[] = {{""")
    for first, last, step, add in runs():
        print(f"    {{0x{first:04x}, 0x{last:04x}, {step}, {add}}},")
    print("""};

uint32_t qni_lower(uint32_t point)
{
    size_t low = 0, high = QNI_COUNT(runs);

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (runs[middle].last < point)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == QNI_COUNT(runs) || point < runs[low].first || (point - runs[low].first) % (uint32_t)runs[low].step)
        return point;
    return point + (uint32_t)runs[low].add;
}""")


if __name__ == "__main__":
    sys.exit(main())
