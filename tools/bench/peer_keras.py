#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Keras's side of compare.py, on TensorFlow; peer.py says how they talk."""
import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L

import peer


def cnn():
    return keras.Sequential([L.Input((28, 28, 1)), L.Conv2D(32, 3, activation="relu"), L.MaxPool2D(),
                             L.Conv2D(64, 3, activation="relu"), L.MaxPool2D(), L.Flatten(),
                             L.Dense(64, activation="relu"), L.Dense(10)])


def convstack():
    body = []
    for filters, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        body += [L.Conv2D(filters, 3, stride, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU()]
    return keras.Sequential([L.Input((32, 32, 3)), *body, L.GlobalAveragePooling2D(), L.Dense(10)])


def recurrent(*layers):
    return keras.Sequential([L.Input((28, 28)), *layers, L.Dense(10)])


def lstm():
    return recurrent(L.LSTM(128, return_sequences=True), L.LSTM(128))


def bigru():
    return recurrent(L.Bidirectional(L.GRU(128)))


def lstm512():
    return recurrent(L.LSTM(512))


def data(model, size):
    rng = np.random.default_rng(0)
    return rng.random((size, *model.input_shape[1:]), dtype=np.float32), rng.integers(0, 10, size)


def train(make):
    def prepare(size):
        model = make()
        model.compile(optimizer=keras.optimizers.Adam(1e-3),
                      loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        x, y = data(model, size)
        return lambda: model.train_on_batch(x, y)
    return prepare


def infer(make):
    def prepare(size):
        model = make()
        x = tf.constant(data(model, size)[0])
        function = tf.function(lambda z: model(z, training=False))
        return lambda: function(x).numpy()
    return prepare


def gemm(n):
    a, b = tf.random.normal((n, n)), tf.random.normal((n, n))
    function = tf.function(lambda: tf.matmul(a, b))
    return lambda: function()[0, 0].numpy()


def conv(which):
    def prepare(size):
        x, w, dy = (tf.random.normal(shape) for shape in ((size, 56, 56, 64), (3, 3, 64, 64), (size, 56, 56, 64)))
        function = tf.function({
            "forward": lambda: tf.nn.conv2d(x, w, 1, "SAME"),
            "data_gradient": lambda: tf.nn.conv2d_transpose(dy, w, x.shape, 1, "SAME"),
            "filter_gradient": lambda: tf.raw_ops.Conv2DBackpropFilter(
                input=x, filter_sizes=tf.shape(w), out_backprop=dy, strides=[1, 1, 1, 1], padding="SAME"),
        }[which])
        return lambda: function()[0, 0, 0, 0].numpy()
    return prepare


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    cores = len(os.sched_getaffinity(0))
    tf.config.threading.set_intra_op_parallelism_threads(cores)
    tf.config.threading.set_inter_op_parallelism_threads(cores)
    peer.main(f"Keras {keras.__version__} on TensorFlow {tf.__version__}", {
        ("cnn", "first"): train(cnn),
        ("cnn", "train"): train(cnn),
        ("cnn", "infer"): infer(cnn),
        ("convstack", "train"): train(convstack),
        ("lstm", "train"): train(lstm),
        ("lstm", "infer"): infer(lstm),
        ("bigru", "train"): train(bigru),
        ("bigru", "infer"): infer(bigru),
        ("lstm512", "train"): train(lstm512),
        ("lstm512", "infer"): infer(lstm512),
        ("gemm", "run"): gemm,
        ("conv", "forward"): conv("forward"),
        ("conv", "data_gradient"): conv("data_gradient"),
        ("conv", "filter_gradient"): conv("filter_gradient"),
    })
