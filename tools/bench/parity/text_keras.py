#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Keras with the nets, the data and the split of `quern train text...`; a line a seed.

    text_keras.py lstm neg=rt-polarity.neg pos=rt-polarity.pos --encoding ISO-8859-1
"""
import argparse
import os
import time

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
from keras import layers as L

from order import permutation

LENGTH, WORDS, UNITS, BATCH = 48, 10000, 64, 64
FILTERS = str.maketrans({c: " " for c in "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n"})
EPOCHS = {"lstm": 3, "cnn": 4, "transformer": 4}
RATE = {"lstm": 2e-3, "cnn": 2e-3, "transformer": 1e-3}


def read(items, encoding):
    """Sentences and classes of "CLASS=FILE", or of files of lines "SENTENCE<TAB>CLASS"."""
    texts, labels = [], []
    for item in items:
        name, equals, path = item.partition("=")
        for line in open(path if equals else item, encoding=encoding, newline=""):
            line = line.rstrip("\r\n")
            if line.strip(" \t"):
                text, label = (line, name) if equals else line.rsplit("\t", 1)
                texts.append(text)
                labels.append(label.strip())
    classes = sorted(set(labels))
    return texts, np.array([classes.index(label) for label in labels]), classes


def words(text):
    return [w for w in text.lower().translate(FILTERS).split(" ") if w]


def numbers(texts, train):
    """Keras's Tokenizer with num_words and an oov_token, fitted to the sentences to train on, and pad_sequences."""
    count = {}
    for i in train:
        for w in words(texts[i]):
            count[w] = count.get(w, 0) + 1
    order = sorted(count, key=lambda w: -count[w])
    number = {w: i + 2 for i, w in enumerate(order) if i + 2 < WORDS}
    x = np.zeros((len(texts), LENGTH), np.int32)
    for i, text in enumerate(texts):
        row = [number.get(w, 1) for w in words(text)][-LENGTH:]
        if row:
            x[i, LENGTH - len(row):] = row
    return x, min(WORDS, len(count) + 2)


class Positions(L.Layer):
    def build(self, shape):
        self.table = self.add_weight(shape=shape[1:], initializer="glorot_uniform")

    def call(self, x):
        return x + self.table


def lstm(x):
    return L.LSTM(UNITS)(L.SpatialDropout1D(0.5)(x))


def cnn(x):
    x = L.SpatialDropout1D(0.5)(x)
    return L.Concatenate()([L.GlobalMaxPooling1D()(L.Conv1D(UNITS, k, activation="relu")(x)) for k in (3, 4, 5)])


def transformer(x):
    x = Positions()(L.SpatialDropout1D(0.3)(x))
    y = L.MultiHeadAttention(4, UNITS // 4, dropout=0.3)(x, x)
    x = L.LayerNormalization(epsilon=1e-5)(x + L.Dropout(0.3)(y))
    y = L.Dense(UNITS)(L.Dense(2 * UNITS, activation="relu")(x))
    x = L.LayerNormalization(epsilon=1e-5)(x + L.Dropout(0.3)(y))
    return L.GlobalAveragePooling1D()(x)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("net", choices=["lstm", "cnn", "transformer"])
    p.add_argument("items", nargs="+")
    p.add_argument("--encoding", default="UTF-8")
    p.add_argument("--seeds", type=int, default=3)
    args = p.parse_args()
    texts, y, classes = read(args.items, args.encoding)
    order = permutation(len(texts))
    train, test = order[:int(len(order) * 0.9)], order[int(len(order) * 0.9):]
    x, size = numbers(texts, train)
    epochs = EPOCHS[args.net]
    for seed in range(args.seeds):
        keras.utils.set_random_seed(seed)
        inputs = L.Input((LENGTH,), dtype="int32")
        z = L.Dropout(0.5)(globals()[args.net](L.Embedding(size, UNITS)(inputs)))
        model = keras.Model(inputs, L.Dense(len(classes), activation="softmax")(z))
        rate = keras.optimizers.schedules.CosineDecay(RATE[args.net], epochs * -(-len(train) // BATCH))
        model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        begin = time.time()
        model.fit(x[train], y[train], batch_size=BATCH, epochs=epochs, verbose=0)
        seconds = time.time() - begin
        loss, accuracy = model.evaluate(x[test], y[test], batch_size=BATCH, verbose=0)
        print(f"{args.net}, seed {seed}: test accuracy {100 * accuracy:.2f} %, loss {loss:.4f}, {seconds:.1f} s", flush=True)


main()
