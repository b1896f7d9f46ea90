#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""PyTorch's side of compare.py; peer.py says how they talk. $PEER_DEVICE picks the device (default cpu), $QUERN_MATMUL what
operands of products may be rounded to, as it does for Quern: tf32, bf16, or nothing."""
import os

import torch
import torch.nn.functional as F
from torch import nn

import peer

DEVICE = os.environ.get("PEER_DEVICE", "cpu")
PRECISION = {"tf32": "high", "bf16": "medium"}.get(os.environ.get("QUERN_MATMUL"), "highest")
torch.set_float32_matmul_precision(PRECISION)
torch.backends.cudnn.allow_tf32 = PRECISION != "highest"
FORMATS = (torch.contiguous_format, torch.channels_last)


def wait():
    if DEVICE != "cpu":
        torch.cuda.synchronize()


def cnn():
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1600, 64), nn.ReLU(), nn.Linear(64, 10))


def convstack():
    def block(c, k, stride=1):
        return nn.Sequential(nn.Conv2d(c, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k), nn.ReLU())
    return nn.Sequential(block(3, 64), block(64, 64), block(64, 128, 2), block(128, 128), block(128, 256, 2),
                         block(256, 256), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10))


class Recurrent(nn.Module):
    """28 steps of 28 numbers through recurrent layers, the last output to ten classes."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        width = layers[-1].hidden_size * (2 if layers[-1].bidirectional else 1)
        self.out = nn.Linear(width, 10)

    def forward(self, x):
        for layer in self.layers:
            x, state = layer(x)
        if self.layers[-1].bidirectional:
            return self.out(state.transpose(0, 1).flatten(1))
        return self.out(x[:, -1])


def lstm():
    return Recurrent(nn.LSTM(28, 128, batch_first=True), nn.LSTM(128, 128, batch_first=True))


def bigru():
    return Recurrent(nn.GRU(28, 128, batch_first=True, bidirectional=True))


def lstm512():
    return Recurrent(nn.LSTM(28, 512, batch_first=True))


def plain(how, make):
    return lambda size: how(make, (28, 28), size, torch.contiguous_format)


class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = (y.view(n, t, self.heads, d // self.heads).transpose(1, 2) for y in self.qkv(self.norm1(x)).split(d, 2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, d))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class GPT(nn.Module):
    def __init__(self, words=65, blocks=4, d=128, heads=4, length=128):
        super().__init__()
        self.words, self.places = nn.Embedding(words, d), nn.Embedding(length, d)
        self.blocks = nn.Sequential(*[Block(d, heads) for _ in range(blocks)])
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, words)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.words(x) + self.places.weight)))


def train_gpt(size):
    model = GPT().to(DEVICE)
    x, y = (torch.randint(0, 65, (size, 128), device=DEVICE) for _ in range(2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x).view(-1, 65), y.view(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()
    return step


def train(make, shape, size, memory):
    model = make().to(DEVICE, memory_format=memory)
    x = torch.rand(size, *shape, device=DEVICE).to(memory_format=memory)
    y = torch.randint(0, 10, (size,), device=DEVICE)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()
    return step


def infer(make, shape, size, memory):
    model = make().to(DEVICE, memory_format=memory).eval()
    x = torch.rand(size, *shape, device=DEVICE).to(memory_format=memory)

    def run():
        with torch.inference_mode():
            model(x)
        wait()
    return run


def both_formats(how, make, shape):
    return lambda size: peer.faster(*(how(make, shape, size, memory) for memory in FORMATS))


def gemm(n):
    a, b, c = torch.randn(n, n, device=DEVICE), torch.randn(n, n, device=DEVICE), torch.empty(n, n, device=DEVICE)

    def run():
        torch.mm(a, b, out=c)
        wait()
    return run


def conv(which):
    def make(size):
        x = torch.randn(size, 64, 56, 56, device=DEVICE).contiguous(memory_format=torch.channels_last)
        w = torch.randn(64, 64, 3, 3, device=DEVICE).contiguous(memory_format=torch.channels_last)
        dy = torch.randn_like(x)
        wanted = [which == "data_gradient", which == "filter_gradient", False]

        def run():
            if which == "forward":
                with torch.inference_mode():
                    F.conv2d(x, w, padding=1)
            else:
                torch.ops.aten.convolution_backward(dy, x, w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, wanted)
            wait()
        return run
    return make


def attention(gradient):
    def make(size):
        q, k, v = (torch.randn(size, 8, 512, 64, device=DEVICE, requires_grad=gradient) for _ in range(3))
        dy = torch.randn_like(q)

        def run():
            if gradient:
                q.grad = k.grad = v.grad = None
                F.scaled_dot_product_attention(q, k, v, is_causal=True).backward(dy)
            else:
                with torch.inference_mode():
                    F.scaled_dot_product_attention(q, k, v, is_causal=True)
            wait()
        return run
    return make


if __name__ == "__main__":
    torch.manual_seed(0)
    if DEVICE == "cpu":
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    peer.main(f"PyTorch {torch.__version__.split('+')[0]}", {
        ("cnn", "first"): lambda size: train(cnn, (1, 28, 28), size, torch.contiguous_format),
        ("cnn", "train"): both_formats(train, cnn, (1, 28, 28)),
        ("cnn", "infer"): both_formats(infer, cnn, (1, 28, 28)),
        ("convstack", "train"): both_formats(train, convstack, (3, 32, 32)),
        ("lstm", "train"): plain(train, lstm),
        ("lstm", "infer"): plain(infer, lstm),
        ("bigru", "train"): plain(train, bigru),
        ("bigru", "infer"): plain(infer, bigru),
        ("lstm512", "train"): plain(train, lstm512),
        ("lstm512", "infer"): plain(infer, lstm512),
        ("gpt", "train"): train_gpt,
        ("gemm", "run"): gemm,
        ("attention", "forward"): attention(False),
        ("attention", "train"): attention(True),
        ("conv", "forward"): conv("forward"),
        ("conv", "data_gradient"): conv("data_gradient"),
        ("conv", "filter_gradient"): conv("filter_gradient"),
    })
