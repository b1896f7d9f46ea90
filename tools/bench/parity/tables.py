#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Linear regression and the network of `quern train mlp` on the tables that Quern's docs/models.md speaks of.

usage: tables.py sklearn|keras DIR [SEED...]     DIR as for quern's --data-dir

Rows are split, filled, standardised and encoded as quern train does; numpy and one of the peers are needed.
"""
import os
import sys
import time

import numpy as np

from order import split


def read_csv(path):
    rows = [line.strip().split(",") for line in open(path) if line.strip()]
    return rows, [None] * (len(rows[0]) - 1)


def read_arff(path):
    columns, rows, data = [], [], False
    for line in open(path):
        line = line.strip()
        if not line or line[0] == "%":
            continue
        if data:
            rows.append(line.split(","))
        elif line.lower().startswith("@data"):
            data = True
        elif line.lower().startswith("@attribute"):
            brace = line.find("{")
            columns.append([v.strip() for v in line[brace + 1:-1].split(",")] if brace >= 0 else None)
    return rows, columns[:-1]


def prepare(rows, columns):
    train, test = split(len(rows), 0.2)
    features = []
    for c, values in enumerate(columns):
        cells = [r[c] for r in rows]
        if values:
            features += [[float(x == v) for x in cells] for v in values]
            continue
        x = np.array([np.nan if s == "?" else float(s) for s in cells])
        mean, deviation = np.nanmean(x[train]), np.nanstd(x[train])
        features.append((np.where(np.isnan(x), mean, x) - mean) / (deviation or 1))
    x = np.array(features, np.float32).T
    y = np.array([float(r[-1]) for r in rows], np.float32)
    return x[train], y[train], x[test], y[test]


def with_sklearn(x, y, u, v, _):
    from sklearn.linear_model import LinearRegression
    p = LinearRegression().fit(x.astype(np.float64), y.astype(np.float64)).predict(u.astype(np.float64))
    return np.mean((p - v) ** 2), np.mean(abs(p - v))


def with_keras(x, y, u, v, seed):
    import keras
    keras.utils.set_random_seed(seed)
    m = keras.Sequential([keras.layers.Dense(128, activation="relu"), keras.layers.Dense(1)])
    m.compile(keras.optimizers.Adam(0.001), "mse")
    mean = y.mean()
    m.fit(x, y - mean, batch_size=32, epochs=100, verbose=0)
    p = m.predict(u, verbose=0)[:, 0] + mean
    return np.mean((p - v) ** 2), np.mean(abs(p - v))


def main():
    peer, folder, seeds = sys.argv[1], sys.argv[2], [int(s) for s in sys.argv[3:]] or [0]
    sets = {"winequality": read_csv(os.path.join(folder, "winequality", "winequality-red.csv")),
            "auto-mpg": read_arff(os.path.join(folder, "auto-mpg", "autoMpg.arff"))}
    for name, (rows, columns) in sets.items():
        data = prepare(rows, columns)
        for seed in seeds:
            begun = time.time()
            mse, mae = (with_sklearn if peer == "sklearn" else with_keras)(*data, seed)
            print(f"{name}: {peer}, seed {seed}: MSE {mse:.4f}, MAE {mae:.4f}, {time.time() - begun:.1f} s", flush=True)


if __name__ == "__main__":
    main()
