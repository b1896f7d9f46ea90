#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""PyTorch with the nets, the text, the optimizer and the initial weights of `quern train gpt` and `lstm-char`; a line a seed.

    writer_torch.py gpt|lstm-char input.txt --epochs 5 --seeds 1
"""
import argparse
import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

LENGTH, BATCH, RATE, HELD_OUT = 128, 16, 2e-3, 0.1
FEATURES, HEADS, BLOCKS, UNITS = 128, 4, 4, 256


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.LayerNorm(FEATURES), nn.LayerNorm(FEATURES)
        self.qkv, self.out = nn.Linear(FEATURES, 3 * FEATURES), nn.Linear(FEATURES, FEATURES)
        self.wide, self.narrow = nn.Linear(FEATURES, 4 * FEATURES), nn.Linear(4 * FEATURES, FEATURES)

    def forward(self, x):
        n, steps, _ = x.shape
        q, k, v = self.qkv(self.first(x)).view(n, steps, 3, HEADS, FEATURES // HEADS).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, steps, FEATURES)
        x = x + self.out(y)
        return x + self.narrow(F.gelu(self.wide(self.second(x))))


class GPT(nn.Module):
    def __init__(self, characters):
        super().__init__()
        self.characters = nn.Embedding(characters, FEATURES)
        self.places = nn.Parameter(nn.init.xavier_uniform_(torch.empty(LENGTH, FEATURES)))
        self.blocks = nn.Sequential(*[Block() for _ in range(BLOCKS)])
        self.norm, self.out = nn.LayerNorm(FEATURES), nn.Linear(FEATURES, characters)

    def forward(self, x):
        return self.out(self.norm(self.blocks(self.characters(x) + self.places)))


class LSTM(nn.Module):
    def __init__(self, characters):
        super().__init__()
        self.characters, self.lstm = nn.Embedding(characters, 64), nn.LSTM(64, UNITS, 2, batch_first=True)
        self.out = nn.Linear(UNITS, characters)

    def forward(self, x):
        return self.out(self.lstm(self.characters(x))[0])


def start_as_quern(net):
    """Keras's initial weights."""
    for name, p in net.named_parameters():
        if name == "characters.weight":
            nn.init.uniform_(p, -0.05, 0.05)
        elif "weight_hh" in name:
            nn.init.orthogonal_(p)  # all four gates together
        elif "weight_ih" in name:  # by the fans of the whole kernel
            nn.init.xavier_uniform_(p)
        elif "bias" in name:
            nn.init.zeros_(p)
            if "bias_ih" in name:
                p.data[UNITS:2 * UNITS] = 1  # the forget gate
        elif name.endswith("qkv.weight"):
            for third in p.data.chunk(3):
                nn.init.xavier_uniform_(third)
        elif p.dim() == 2 and name != "places":
            nn.init.xavier_uniform_(p)


def optimizer_of(net, decay, steps):
    matrices = [p for p in net.parameters() if p.dim() == 2]
    others = [p for p in net.parameters() if p.dim() != 2]
    adam = torch.optim.AdamW([{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}], RATE,
                             betas=(0.9, 0.99), eps=1e-7)
    warmup = min(steps // 20, 100)
    rate = torch.optim.lr_scheduler.LambdaLR(adam, lambda k: (k + 1) / warmup if k < warmup else
                                             0.05 + 0.95 * (0.5 + 0.5 * math.cos(math.pi * (k - warmup) / (steps - warmup))))
    return adam, rate


def batch(text, first):
    rows = text[first[:, None] + np.arange(LENGTH + 1)]
    return torch.from_numpy(rows[:, :-1].copy()), torch.from_numpy(rows[:, 1:].copy())


def train(net, text, decay, epochs, seed):
    per_epoch = len(text) // LENGTH // BATCH
    adam, rate = optimizer_of(net, decay, epochs * per_epoch)
    draw = np.random.default_rng(seed)
    for _ in range(epochs * per_epoch):
        x, y = batch(text, draw.integers(0, len(text) - LENGTH, BATCH))
        loss = F.cross_entropy(net(x).flatten(0, 1), y.flatten())
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        adam.step()
        rate.step()


@torch.no_grad()
def test(net, text):
    total = count = 0
    for first in np.array_split(np.arange(0, len(text) - LENGTH, LENGTH), 20):
        x, y = batch(text, first)
        total += float(F.cross_entropy(net(x).flatten(0, 1), y.flatten(), reduction="sum"))
        count += y.numel()
    return total / count


def main():
    p = argparse.ArgumentParser()
    p.add_argument("net", choices=("gpt", "lstm-char"))
    p.add_argument("text")
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--seeds", type=int, default=1)
    args = p.parse_args()
    with open(args.text, encoding="utf-8", newline="") as f:
        raw = f.read()
    number = {c: i for i, c in enumerate(sorted(set(raw)))}
    text = np.array([number[c] for c in raw])
    cut = len(text) - int(len(text) * HELD_OUT)
    for seed in range(args.seeds):
        torch.manual_seed(seed)
        net = GPT(len(number)) if args.net == "gpt" else LSTM(len(number))
        start_as_quern(net)
        start = time.time()
        train(net, text[:cut], 0.1 if args.net == "gpt" else 0.01, args.epochs, seed)
        seconds = time.time() - start
        print(f"{args.net}, seed {seed}: {args.epochs} epochs, {sum(p.numel() for p in net.parameters())} parameters, "
              f"test loss {test(net, text[cut:]):.4f}, {seconds:.1f} s", flush=True)


main()
