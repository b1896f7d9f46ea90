#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Keras with the nets, the data and the schedules of `quern train recsys...` on msweb; a line a seed.

    recsys_keras.py lstm|attention DIR [SEED...]     DIR as for quern's --data-dir
"""
import os
import sys
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
from keras import layers as L

LENGTH, UNITS, BATCH, FIRST = 20, 64, 128, 10
EPOCHS = {"lstm": 10, "attention": 6}
RATE = {"lstm": 4e-3, "attention": 2e-3}


def sessions(path):
    """The pages of each user of two visits and more: qn_events_read()."""
    users = []
    for line in open(path, encoding="latin-1"):
        cell = line.split(",")
        if cell[0] == "C":
            users.append([])
        elif cell[0] == "V":
            users[-1].append(cell[1])
    return users


def samples(users, number):
    """Every visit but the first, from those before it: qn_dataset_events()."""
    x, y = [], []
    for user in users:
        items = [number[page] for page in user if page in number]
        for i in range(1, len(items)):
            before = items[max(i - LENGTH, 0):i]
            x.append([0] * (LENGTH - len(before)) + before)
            y.append(items[i])
    return np.array(x, np.int32), np.array(y, np.int32)


class Positions(L.Layer):
    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], initializer="glorot_uniform")

    def call(self, x):
        return x + self.table


def lstm(x, items):
    x = L.Embedding(items, UNITS, mask_zero=True)(x)
    return L.LSTM(UNITS)(L.SpatialDropout1D(0.2)(x))


def attention(x, items):
    x = L.Dropout(0.2)(Positions()(L.Embedding(items, UNITS)(x)))
    for _ in range(2):
        y = L.MultiHeadAttention(2, UNITS // 2, dropout=0.2)(x, x, use_causal_mask=True)
        x = L.LayerNormalization(epsilon=1e-5)(x + L.Dropout(0.2)(y))
        y = L.Dense(UNITS)(L.Dense(2 * UNITS, activation="relu")(x))
        x = L.LayerNormalization(epsilon=1e-5)(x + L.Dropout(0.2)(y))
    return x[:, -1]


def rank(score, wanted):
    """HR@10, NDCG@10 and MRR: qn_rank(); item 0 is none."""
    own = score[np.arange(len(wanted)), wanted][:, None]
    place = (score[:, 1:] >= own).sum(1)
    return np.mean(place <= FIRST), np.mean(np.where(place <= FIRST, 1 / np.log2(1 + place), 0)), np.mean(1 / place)


def main():
    net, folder = sys.argv[1], os.path.join(sys.argv[2], "msweb")
    train, test = (sessions(os.path.join(folder, "anonymous-msweb." + part)) for part in ("data", "test"))
    number = {page: i + 1 for i, page in enumerate(sorted({page for user in train for page in user}))}
    (x, y), (u, v) = samples(train, number), samples(test, number)
    for seed in [int(s) for s in sys.argv[3:]] or [0]:
        keras.utils.set_random_seed(seed)
        inputs = keras.Input((LENGTH,), dtype="int32")
        z = L.Dropout(0.2)(globals()[net](inputs, len(number) + 1))
        model = keras.Model(inputs, L.Dense(len(number) + 1, activation="softmax")(z))
        rate = keras.optimizers.schedules.CosineDecay(RATE[net], EPOCHS[net] * -(-len(x) // BATCH))
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
        begun = time.time()
        model.fit(x, y, batch_size=BATCH, epochs=EPOCHS[net], verbose=0)
        seconds = time.time() - begun
        hit, ndcg, mrr = rank(model.predict(u, batch_size=256, verbose=0), v)
        print(f"{net}, seed {seed}: {len(x)} and {len(u)} samples, {model.count_params()} parameters, HR@10 {hit:.4f}, "
              f"NDCG@10 {ndcg:.4f}, MRR {mrr:.4f}, {seconds:.1f} s", flush=True)


main()
