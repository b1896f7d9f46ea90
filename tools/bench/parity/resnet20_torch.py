#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""The network of `quern train resnet20` in PyTorch, with its pictures, changes of pictures, optimizer and schedule.

usage: resnet20_torch.py DIR [EPOCHS [SEED...]]     DIR holds cifar10/train/CLASS/*.jpg and cifar10/test
       resnet20_torch.py --steps N                  milliseconds of a step of 128 pictures, without any
"""
import glob
import math
import os
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, relu

BATCH, RATE, DECAY = 128, 0.1, 2.5e-4


class Block(nn.Module):
    def __init__(self, known, filters, stride):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(known, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters))
        self.b = nn.Sequential(nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters))
        self.around = nn.Identity() if stride == 1 else nn.Sequential(nn.Conv2d(known, filters, 1, stride, bias=False),
                                                                      nn.BatchNorm2d(filters))

    def forward(self, x):
        return relu(self.b(relu(self.a(x))) + self.around(x))


def network():
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for stage in range(3):
        for i in range(3):
            first = i == 0 and stage > 0
            layers.append(Block((16 << stage) // (2 if first else 1), 16 << stage, 2 if first else 1))
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(layer.weight)
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    return net.to(memory_format=torch.channels_last)


def optimizer(net):
    kernels = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() == 1]
    # L2 of c adds 2 c w to a gradient, weight decay of c adds c w.
    return torch.optim.SGD([{"params": kernels, "weight_decay": 2 * DECAY}, {"params": others}], RATE, 0.9)


def pictures(folder):
    from PIL import Image
    files = [(f, k) for k, c in enumerate(sorted(os.listdir(folder))) for f in sorted(glob.glob(f"{folder}/{c}/*"))]
    x = np.stack([np.asarray(Image.open(f).convert("RGB")) for f, _ in files])
    return torch.tensor(x).permute(0, 3, 1, 2).float() / 255, torch.tensor([k for _, k in files])


def changed(x):
    """Padded by 4, cut out anywhere, half of them mirrored."""
    padded = nn.functional.pad(x, (4, 4, 4, 4))
    top, left, flip = torch.randint(9, (len(x),)), torch.randint(9, (len(x),)), torch.rand(len(x)) < 0.5
    out = torch.empty_like(x)
    for i in range(len(x)):
        cut = padded[i, :, top[i]:top[i] + 32, left[i]:left[i] + 32]
        out[i] = cut.flip(2) if flip[i] else cut
    return out.contiguous(memory_format=torch.channels_last)


def step(net, sgd, x, y):
    sgd.zero_grad()
    cross_entropy(net(x), y).backward()
    sgd.step()


def train(x, y, test_x, test_y, epochs, seed):
    torch.manual_seed(seed)
    net = network()
    sgd = optimizer(net)
    epoch = -(-len(x) // BATCH)
    rate = torch.optim.lr_scheduler.LambdaLR(sgd, lambda k: (k + 1) / epoch if k < epoch else
                                             0.5 + 0.5 * math.cos(math.pi * (k - epoch) / ((epochs - 1) * epoch)))
    begun = time.time()
    for e in range(epochs):
        net.train()
        for rows in torch.randperm(len(x)).split(BATCH):
            step(net, sgd, changed(x[rows]), y[rows])
            rate.step()
        net.eval()
        with torch.no_grad():
            right = sum(int((net(a).argmax(1) == b).sum()) for a, b in zip(test_x.split(500), test_y.split(500)))
        print(f"resnet20: torch, seed {seed}, epoch {e + 1}: accuracy {right / len(test_x):.4f}, {time.time() - begun:.1f} s",
              flush=True)


def measure(steps):
    net, x, y = network(), torch.rand(BATCH, 3, 32, 32), torch.randint(10, (BATCH,))
    x = x.contiguous(memory_format=torch.channels_last)
    sgd, times = optimizer(net), []
    for _ in range(steps):
        begun = time.perf_counter()
        step(net, sgd, x, y)
        times.append(1e3 * (time.perf_counter() - begun))
    print(f"resnet20: torch, batch {BATCH}: {np.median(times[steps // 4:]):.1f} ms a step")


def main():
    if sys.argv[1] == "--steps":
        return measure(int(sys.argv[2]))
    x, y = pictures(os.path.join(sys.argv[1], "cifar10/train"))
    test_x, test_y = pictures(os.path.join(sys.argv[1], "cifar10/test"))
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    for seed in [int(s) for s in sys.argv[3:]] or [0]:
        train(x, y, test_x, test_y, epochs, seed)


if __name__ == "__main__":
    main()
