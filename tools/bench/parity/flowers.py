#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""The network of `quern train image` in Keras, on the flowers and the split of quern train.

usage: flowers.py DIR [EPOCHS [SEED...]]     DIR holds flowers/CLASS/*.jpg
"""
import os
import sys
import time

import numpy as np

from order import split


def picture(path):
    """Its middle, 224x224, antialiased, 0 to 1."""
    import tensorflow as tf
    x = tf.io.decode_jpeg(tf.io.read_file(path), 3, dct_method="INTEGER_ACCURATE")
    h, w = x.shape[:2]
    side = min(h, w)
    x = x[(h - side) // 2:(h - side) // 2 + side, (w - side) // 2:(w - side) // 2 + side]
    return tf.image.resize(tf.cast(x, tf.float32) / 255, (224, 224), antialias=True).numpy()


def main():
    import keras
    root = os.path.join(sys.argv[1], "flowers")
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    classes = sorted(os.listdir(root))
    files = [(os.path.join(root, c, f), k) for k, c in enumerate(classes) for f in sorted(os.listdir(os.path.join(root, c)))]
    train, test = split(len(files), 0.2, [k for _, k in files])
    x = np.stack([picture(f) for f, _ in files])
    y = np.array([k for _, k in files])
    for seed in [int(s) for s in sys.argv[3:]] or [0]:
        keras.utils.set_random_seed(seed)
        m = keras.Sequential([keras.Input((224, 224, 3)), keras.layers.Conv2D(32, 3, activation="relu"),
                              keras.layers.MaxPooling2D(), keras.layers.Flatten(), keras.layers.Dense(128, activation="relu"),
                              keras.layers.Dense(len(classes), activation="softmax")])
        m.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        begun = time.time()
        m.fit(x[train], y[train], batch_size=32, epochs=epochs, verbose=0)
        loss, accuracy = m.evaluate(x[test], y[test], verbose=0)
        print(f"flowers: keras, seed {seed}: accuracy {accuracy:.4f}, loss {loss:.4f}, {time.time() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main()
