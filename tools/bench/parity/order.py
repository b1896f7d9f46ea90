# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Quern's split of a data set: qn_dataset_divide() with seed 0, so that a peer trains and tests on the same samples."""
import math

MASK = 0xFFFFFFFF


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011)."""
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & MASK, (a >> 32) ^ c[3] ^ k[1], a & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def permutation(n, seed=0):
    """src/data/permute.c: Fisher-Yates, inside out, two words of Philox a draw."""
    out, words = [0] * n, []
    block = 0
    for i in range(n):
        if not words:
            words = philox([block, 0, 0, 0x73687566], [seed & MASK, seed >> 32])
            block += 1
        j = ((words[1] << 32 | words[0]) * (i + 1)) >> 64
        words = words[2:]
        out[i] = out[j]
        out[j] = i
    return out


def split(n, share, classes=None):
    """Numbers of the training and of the test samples; share: of the test ones."""
    parts, seen = ([], []), {}
    count = {}
    for i in range(n):
        count[classes[i] if classes else 0] = count.get(classes[i] if classes else 0, 0) + 1
    for i in permutation(n):
        c = classes[i] if classes else 0
        k = seen.get(c, 0)
        seen[c] = k + 1
        parts[k >= math.floor((1 - share) * count[c] + 0.5)].append(i)
    return parts
