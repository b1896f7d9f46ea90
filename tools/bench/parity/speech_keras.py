#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Keras with the nets, the data, the features and the split of `quern train speech...`; a line a seed.

    speech_keras.py lstm recordings --hold-out theo

Features are written out here by librosa's definitions, in NumPy; the random changes are those of qn_dataset_sound_augment(),
with other random numbers.
"""
import argparse
import glob
import os
import time
import wave

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
from keras import layers as L

from order import permutation

RATE, FRAMES, FFT, HOP, MELS, CEPSTRA, WIDTH = 8000, 6000, 256, 128, 40, 20, 9
EPOCHS = {"lstm": 15, "cnn": 8}
BATCH = 32


def load(path):
    """Peak 1, the middle 0.75 s, silence around what is shorter."""
    with wave.open(path) as w:
        assert w.getframerate() == RATE and w.getnchannels() == 1 and w.getsampwidth() == 2
        x = np.frombuffer(w.readframes(w.getnframes()), np.int16) / 32768
    x = x / np.abs(x).max()
    if len(x) >= FRAMES:
        return x[(len(x) - FRAMES) // 2:][:FRAMES]
    before = (FRAMES - len(x)) // 2
    return np.pad(x, (before, FRAMES - len(x) - before))


def hz(mel):
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def mel_bands():
    """librosa.filters.mel, Slaney's."""
    top = 15 + np.log(RATE / 2 / 1000) * 27 / np.log(6.4)
    corner = hz(np.linspace(0, top, MELS + 2))
    line = np.arange(FFT // 2 + 1) * RATE / FFT
    up = (line - corner[:-2, None]) / (corner[1:-1] - corner[:-2])[:, None]
    down = (corner[2:, None] - line) / (corner[2:] - corner[1:-1])[:, None]
    return np.maximum(0, np.minimum(up, down)) * (2 / (corner[2:] - corner[:-2]))[:, None]


BANDS = mel_bands()
WINDOW = np.hanning(FFT + 1)[:-1]
DCT = np.cos(np.pi * np.arange(CEPSTRA)[:, None] * (2 * np.arange(MELS) + 1) / (2 * MELS)) * np.sqrt(2 / MELS)
DCT[0] /= np.sqrt(2)


def features(x, cepstra):
    x = np.concatenate([[3 * x[0] - x[1]], x[1:] - 0.97 * x[:-1]])
    x = np.pad(x, FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(x, FFT)[::HOP]
    power = np.abs(np.fft.rfft(frames * WINDOW)) ** 2 @ BANDS.T
    db = 10 * np.log10(np.maximum(power, 1e-10))
    db = np.maximum(db, db.max() - 80)
    if not cepstra:
        return db
    c = db @ DCT.T
    k = np.arange(WIDTH) - WIDTH // 2
    at = np.clip(np.arange(len(c)), WIDTH // 2, len(c) - 1 - WIDTH // 2)
    delta = np.einsum("k,tkc->tc", k / (k @ k), c[at[:, None] + k])
    return np.concatenate([c, delta], 1)


def change(x, rng):
    shift = int(np.floor(rng.uniform(-0.1, 0.1) * FRAMES + 0.5))
    y = np.zeros(FRAMES)
    y[max(shift, 0):FRAMES + min(shift, 0)] = x[max(-shift, 0):FRAMES - max(shift, 0)]
    return y * 10 ** (rng.uniform(-6, 6) / 20) + rng.uniform(0, 0.01) * rng.standard_normal(FRAMES)


class Batches(keras.utils.PyDataset):
    def __init__(self, x, y, how, cepstra, seed):
        super().__init__()
        self.x, self.y, self.how, self.cepstra, self.rng = x, y, how, cepstra, np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.x))

    def __len__(self):
        return -(-len(self.x) // BATCH)

    def __getitem__(self, i):
        at = self.order[i * BATCH:(i + 1) * BATCH]
        x = [self.how(features(change(self.x[k], self.rng), self.cepstra)) for k in at]
        return np.array(x, np.float32), self.y[at]


def lstm(x):
    return L.Dropout(0.3)(L.LSTM(64, dropout=0.2)(x))


def cnn(x):
    x = L.Reshape((*x.shape[1:], 1))(x)
    for filters in (16, 32, 64):
        x = L.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = L.MaxPool2D()(L.ReLU()(L.BatchNormalization(momentum=0.9)(x)))
    return L.Dropout(0.5)(L.Flatten()(x))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("net", choices=["lstm", "cnn"])
    p.add_argument("folder")
    p.add_argument("--hold-out")
    p.add_argument("--seeds", type=int, default=3)
    args = p.parse_args()
    path = sorted(glob.glob(args.folder + "/*.wav"), key=os.fsencode)
    parts = [os.path.basename(name)[:-4].split("_") for name in path]
    sound, y, cepstra = [load(name) for name in path], np.array([int(part[0]) for part in parts]), args.net == "lstm"
    if args.hold_out:
        train = [i for i, part in enumerate(parts) if args.hold_out not in part]
        test = [i for i, part in enumerate(parts) if args.hold_out in part]
    else:
        order = permutation(len(path))
        train, test = order[:int(len(order) * 0.9)], order[int(len(order) * 0.9):]
    plain = np.array([features(x, cepstra) for x in sound])
    mean, deviation = plain[train].mean((0, 1)), plain[train].std((0, 1))
    tested = ((plain[test] - mean) / deviation).astype(np.float32)
    for seed in range(args.seeds):
        keras.utils.set_random_seed(seed)
        batches = Batches([sound[i] for i in train], y[train], lambda f: (f - mean) / deviation, cepstra, seed)
        inputs = L.Input(plain.shape[1:])
        model = keras.Model(inputs, L.Dense(10, activation="softmax")(globals()[args.net](inputs)))
        rate = keras.optimizers.schedules.CosineDecay(2e-3, EPOCHS[args.net] * len(batches))
        model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        begin = time.time()
        model.fit(batches, epochs=EPOCHS[args.net], verbose=0)
        seconds = time.time() - begin
        loss, accuracy = model.evaluate(tested, y[test], batch_size=BATCH, verbose=0)
        print(f"{args.net}, seed {seed}: test accuracy {100 * accuracy:.2f} %, loss {loss:.4f}, {seconds:.1f} s", flush=True)


main()
