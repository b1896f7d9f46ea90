#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""The networks of `quern train image` and `image-resnet` in Keras, on the flowers and the split of quern train.

usage: flowers.py image|image-resnet DIR [EPOCHS [SEED...]]     DIR holds flowers/CLASS/*.jpg

Pictures of image-resnet are cut out anywhere and mirrored as Quern's, with other random numbers.
"""
import os
import sys
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L

from order import split

SIDE, PAD, RATE, DECAY = 224, 16, 0.02, 1e-4
EPOCHS = {"image": 10, "image-resnet": 20}
BATCH = {"image": 32, "image-resnet": 16}


def picture(path):
    """Its middle, 224x224, antialiased, 0 to 1."""
    x = tf.io.decode_jpeg(tf.io.read_file(path), 3, dct_method="INTEGER_ACCURATE")
    h, w = x.shape[:2]
    side = min(h, w)
    x = x[(h - side) // 2:(h - side) // 2 + side, (w - side) // 2:(w - side) // 2 + side]
    return tf.image.resize(tf.cast(x, tf.float32) / 255, (SIDE, SIDE), antialias=True).numpy()


class Batches(keras.utils.PyDataset):
    """In another order every epoch; changed: padded, cut out anywhere, half of them mirrored."""
    def __init__(self, x, y, batch, changed, seed):
        super().__init__()
        self.x, self.y, self.batch, self.changed, self.rng = x, y, batch, changed, np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.x))

    def __len__(self):
        return -(-len(self.x) // self.batch)

    def change(self, x):
        top, left = self.rng.integers(2 * PAD + 1, size=2)
        x = np.pad(x, ((PAD, PAD), (PAD, PAD), (0, 0)))[top:top + SIDE, left:left + SIDE]
        return x[:, ::-1] if self.rng.random() < 0.5 else x

    def __getitem__(self, i):
        at = self.order[i * self.batch:(i + 1) * self.batch]
        return np.stack([self.change(self.x[k]) if self.changed else self.x[k] for k in at]), self.y[at]


def plain(classes):
    return keras.Sequential([keras.Input((SIDE, SIDE, 3)), L.Conv2D(32, 3, activation="relu"), L.MaxPooling2D(), L.Flatten(),
                             L.Dense(128, activation="relu"), L.Dense(classes, activation="softmax")])


def convolution(x, filters, kernel, stride):
    x = L.Conv2D(filters, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal",
                 kernel_regularizer=keras.regularizers.L2(DECAY))(x)
    return L.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def residual(classes):
    inputs = keras.Input((SIDE, SIDE, 3))
    x = L.MaxPooling2D()(L.ReLU()(convolution(inputs, 16, 3, 2)))
    for stage in range(4):
        stride = 2 if stage else 1
        y = convolution(L.ReLU()(convolution(x, 16 << stage, 3, stride)), 16 << stage, 3, 1)
        x = L.ReLU()((convolution(x, 16 << stage, 1, stride) if stage else x) + y)
    out = L.Dense(classes, activation="softmax", kernel_initializer="he_normal", kernel_regularizer=keras.regularizers.L2(DECAY))
    return keras.Model(inputs, out(L.GlobalAveragePooling2D()(x)))


def compiled(net, classes, steps, epoch):
    if net == "image":
        m, optimizer = plain(classes), "adam"
    else:
        rate = keras.optimizers.schedules.CosineDecay(0.0, steps - epoch, warmup_target=RATE, warmup_steps=epoch)
        m, optimizer = residual(classes), keras.optimizers.SGD(rate, momentum=0.9)
    m.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return m


def main():
    net, root = sys.argv[1], os.path.join(sys.argv[2], "flowers")
    epochs = int(sys.argv[3]) if len(sys.argv) > 3 else EPOCHS[net]
    classes = sorted(os.listdir(root))
    files = [(os.path.join(root, c, f), k) for k, c in enumerate(classes) for f in sorted(os.listdir(os.path.join(root, c)))]
    train, test = split(len(files), 0.2, [k for _, k in files])
    x = np.stack([picture(f) for f, _ in files])
    y = np.array([k for _, k in files])
    for seed in [int(s) for s in sys.argv[4:]] or [0]:
        keras.utils.set_random_seed(seed)
        batches = Batches(x[train], y[train], BATCH[net], net == "image-resnet", seed)
        m = compiled(net, len(classes), epochs * len(batches), len(batches))
        begun = time.time()
        m.fit(batches, epochs=epochs, verbose=0)
        seconds = time.time() - begun
        loss, accuracy = m.evaluate(x[test], y[test], verbose=0)
        print(f"{net}: keras, seed {seed}, {m.count_params()} parameters: accuracy {accuracy:.4f}, loss {loss:.4f}, "
              f"{seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
