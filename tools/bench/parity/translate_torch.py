#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""PyTorch with the net, the data, the numbers of byte pairs and the split of `quern train translate --data fra-eng`; a line a seed.

    quern train translate --data fra-eng --data-dir DIR --split 0.1 --epochs 1 --save t.qn
    translate_torch.py t.qn build/src/libquern.so DIR/fra-eng/fra.txt.gz --epochs 1

The tokenizers are the saved model's, by way of the library. BLEU is sacrebleu's, of greedy translations.
"""
import argparse
import ctypes
import gzip
import json
import math
import time

import numpy as np
import sacrebleu
import torch
from torch import nn

from order import permutation

FEATURES, HEADS, UNITS, BLOCKS, DROPOUT, BATCH, RATE = 128, 4, 512, 2, 0.1, 64, 1e-3
SHORTEST, JUDGED, SPLIT = 30000, 1000, 0.1


class Tokenizer:
    def __init__(self, quern, about):
        text = json.dumps(about).encode()
        self.quern, self.handle = quern, ctypes.c_void_p()
        if quern.qn_tokenizer_from_json(ctypes.byref(self.handle), None, b"model", text, ctypes.c_size_t(len(text))):
            raise SystemExit("the model's tokenizer is none")
        self.size = quern.qn_tokenizer_size(self.handle)

    def encode(self, text):
        out, count = (ctypes.c_int32 * 1024)(), ctypes.c_int64()
        self.quern.qn_tokenizer_encode(self.handle, text.encode(), out, ctypes.c_int64(1024), ctypes.byref(count))
        return list(out[:count.value])

    def decode(self, numbers):
        out, n = ctypes.create_string_buffer(8192), ctypes.c_size_t()
        array = (ctypes.c_int32 * max(len(numbers), 1))(*numbers)
        self.quern.qn_tokenizer_decode(self.handle, array, ctypes.c_int64(len(numbers)), out, ctypes.c_size_t(8192),
                                         ctypes.byref(n))
        return out.value.decode(errors="replace")


def preparation(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
    return json.loads(header["__metadata__"]["quern.model"])["preparation"]


def pairs(path):
    """Sentences and translations in Quern's order, and where those to test with begin."""
    rows, place = [], {}
    for line in gzip.open(path, "rt", encoding="utf-8", newline="\n"):
        if len(rows) < SHORTEST and line.strip():
            source, target = line.rstrip("\r\n").split("\t")[:2]
            rows.append((place.setdefault(source, len(place)), source, target))
    order = permutation(len(place))
    rows = sorted(((order[group], source, target) for group, source, target in rows), key=lambda row: row[0])
    train = math.floor(len(place) * (1 - SPLIT))
    return rows, sum(row[0] < train for row in rows)


def positions(length):
    return nn.Parameter(nn.init.xavier_uniform_(torch.empty(length, FEATURES)))


class Net(nn.Module):
    def __init__(self, known, written, S, T):
        super().__init__()
        self.source, self.so_far = nn.Embedding(known, FEATURES), nn.Embedding(written, FEATURES)
        self.source_place, self.so_far_place = positions(S), positions(T)
        options = dict(dropout=DROPOUT, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(FEATURES, HEADS, UNITS, **options), BLOCKS,
                                             nn.LayerNorm(FEATURES), enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(FEATURES, HEADS, UNITS, **options), BLOCKS,
                                             nn.LayerNorm(FEATURES))
        self.out, self.drop = nn.Linear(FEATURES, written), nn.Dropout(DROPOUT)
        self.register_buffer("later", nn.Transformer.generate_square_subsequent_mask(T))
        for name, p in self.named_parameters():  # as Quern
            if name.endswith("in_proj_weight"):
                for third in p.data.chunk(3):
                    nn.init.xavier_uniform_(third)
            elif p.dim() == 2 and "place" not in name:
                nn.init.uniform_(p, -0.5, 0.5) if name in ("source.weight", "so_far.weight") else nn.init.xavier_uniform_(p)
            elif name.endswith("bias"):
                nn.init.zeros_(p)
        for layer in [*self.encoder.layers, *self.decoder.layers]:
            layer.dropout.p = 0.0  # between the two dense layers

    def encode(self, x):
        return self.encoder(self.drop(self.source(x) + self.source_place), src_key_padding_mask=x == 0)

    def decode(self, encoded, x, so_far):
        y = self.drop(self.so_far(so_far) + self.so_far_place)
        return self.out(self.decoder(y, encoded, tgt_mask=self.later, memory_key_padding_mask=x == 0))


def train(net, x, so_far, y, epochs, seed):
    steps = epochs * -(-len(x) // BATCH)
    warmup = min(steps // 20, 400)
    adam = torch.optim.Adam(net.parameters(), RATE, eps=1e-7)
    rate = torch.optim.lr_scheduler.LambdaLR(adam, lambda k: (k + 1) / warmup if k < warmup else
                                             0.5 + 0.5 * math.cos(math.pi * (k - warmup) / (steps - warmup)))
    order = np.random.default_rng(seed)
    net.train()
    for _ in range(epochs):
        for rows in np.array_split(order.permutation(len(x)), -(-len(x) // BATCH)):
            logits = net.decode(net.encode(x[rows]), x[rows], so_far[rows])
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), y[rows].flatten(), ignore_index=0)
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            adam.step()
            rate.step()


@torch.no_grad()
def bleu(net, rows, source, target, S, T, begin, end):
    net.eval()
    references = {}
    for _, sentence, translation in rows[:JUDGED]:
        references.setdefault(sentence, []).append(translation)
    x = torch.zeros(len(references), S, dtype=torch.long)
    for i, sentence in enumerate(references):
        numbers = source.encode(sentence)
        x[i, :len(numbers)] = torch.tensor(numbers)
    so_far = torch.zeros(len(x), T, dtype=torch.long)
    so_far[:, 0] = begin
    encoded, texts = net.encode(x), []
    result = torch.full((len(x), T), end)
    for k in range(T):
        result[:, k] = net.decode(encoded, x, so_far)[:, k].argmax(1)
        if k + 1 < T:
            so_far[:, k + 1] = result[:, k]
    for row in result.tolist():
        texts.append(target.decode(row[:row.index(end)] if end in row else row))
    most = max(len(r) for r in references.values())
    streams = [[r[i] if i < len(r) else None for r in references.values()] for i in range(most)]
    return sacrebleu.corpus_bleu(texts, streams, smooth_method="none").score


def main():
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("quern")
    p.add_argument("pairs")
    p.add_argument("--epochs", type=int, default=10)
    p.add_argument("--seeds", type=int, default=1)
    args = p.parse_args()
    quern = ctypes.CDLL(args.quern)
    quern.qn_tokenizer_size.restype = ctypes.c_int64
    about = preparation(args.model)
    S, T = about["inputs"][0]["length"], about["inputs"][1]["length"]
    begin, end = about["inputs"][1]["begin"], about["targets"][0]["end"]
    source, target = Tokenizer(quern, about["inputs"][0]["tokenizer"]), Tokenizer(quern, about["targets"][0]["tokenizer"])
    rows, first = pairs(args.pairs)
    x, so_far, y = (torch.zeros(len(rows), n, dtype=torch.long) for n in (S, T, T))
    for i, (_, sentence, translation) in enumerate(rows):
        numbers, written = source.encode(sentence), target.encode(translation)
        x[i, :len(numbers)] = torch.tensor(numbers)
        so_far[i, :len(written) + 1] = torch.tensor([begin] + written)
        y[i, :len(written) + 1] = torch.tensor(written + [end])
    for seed in range(args.seeds):
        torch.manual_seed(seed)
        net = Net(source.size, end + 1, S, T)
        start = time.time()
        train(net, x[:first], so_far[:first], y[:first], args.epochs, seed)
        seconds = time.time() - start
        net.eval()
        with torch.no_grad():
            loss = 0
            for a, b, c in zip(x[first:].split(256), so_far[first:].split(256), y[first:].split(256)):
                logits = net.decode(net.encode(a), a, b)
                loss += float(nn.functional.cross_entropy(logits.flatten(0, 1), c.flatten(), ignore_index=0, reduction="sum"))
        loss /= int((y[first:] != 0).sum())
        score = bleu(net, rows[first:], source, target, S, T, begin, end)
        print(f"translate, seed {seed}: {args.epochs} epochs, {sum(p.numel() for p in net.parameters())} parameters, "
              f"test loss {loss:.4f}, BLEU {score:.2f}, {seconds:.1f} s", flush=True)


main()
