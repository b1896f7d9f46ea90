#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Turn UCI's optical digits into the IDX files of examples/data/digits.

usage: make_digits.py optdigits.tra optdigits.tes OUTPUT_FOLDER

The inputs are UCI's text files: one sample a line, 64 integers 0..16 row by row,
then the label. Pixels are stored as they are; nothing is rescaled.
"""
import os
import struct
import sys

SIDE = 8
BLACK = 16
CLASSES = 10


def read_samples(path):
    images, labels = bytearray(), bytearray()
    with open(path, encoding="ascii") as text:
        for number, line in enumerate(text, 1):
            values = [int(v) for v in line.split(",")]
            if len(values) != SIDE * SIDE + 1 or max(values[:-1]) > BLACK or values[-1] >= CLASSES:
                sys.exit(f"{path}:{number}: not a sample")
            images += bytes(values[:-1])
            labels.append(values[-1])
    return bytes(images), bytes(labels)


def write_idx(path, dims, payload):
    """IDX: two zero bytes, 8 for unsigned bytes, the rank, big-endian sizes, then the bytes."""
    with open(path, "wb") as out:
        out.write(struct.pack(f">BBBB{len(dims)}I", 0, 0, 8, len(dims), *dims))
        out.write(payload)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    folder = sys.argv[3]
    os.makedirs(folder, exist_ok=True)
    for split, source in (("train", sys.argv[1]), ("test", sys.argv[2])):
        images, labels = read_samples(source)
        n = len(labels)
        write_idx(os.path.join(folder, f"digits-{split}-images-idx3-ubyte"), (n, SIDE, SIDE), images)
        write_idx(os.path.join(folder, f"digits-{split}-labels-idx1-ubyte"), (n,), labels)
        print(f"{split}: {n} samples")


if __name__ == "__main__":
    main()
