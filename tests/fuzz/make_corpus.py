#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Write the fuzz targets' seeds: one folder a target beside this file.

usage: make_corpus.py [FOLDER]
"""
import gzip
import json
import os
import struct
import sys


def idx(code, dims, payload):
    return struct.pack(f">BBBB{len(dims)}I", 0, 0, code, len(dims), *dims) + payload


def idx_pair(options, images, labels):
    return bytes([options]) + struct.pack(">H", len(images)) + images + labels


def tensors(header, data, fix=1):
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return bytes([fix]) + struct.pack("<Q", len(text)) + text + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def tokenizer(**what):
    common = {"quern.tokenizer": 1, "limit": 0, "filters": ",.", "keep_case": False, "join_ideographs": True}
    return json.dumps({**common, **what}, separators=(",", ":")).encode()


def layer(kind, name, *inputs, reuse=None, **config):
    return {"type": kind, "name": name, **({"reuse": reuse} if reuse else {}), "inputs": inputs, "config": config}


def model(inputs, layers, outputs, losses=("mse",), metrics=(), **optimizer):
    """A model as a file has it; inputs are pairs of dtype and shape."""
    sgd = {"kind": "sgd", "lr": 0.1, "momentum": 0, "nesterov": False, "beta1": 0, "beta2": 0, "epsilon": 0, "amsgrad": False,
           "weight_decay": 0, "clip_value": 0, "clip_norm": 0, "global_clip_norm": 0}
    return json.dumps({
        "quern": "0.1.0", "inputs": [{"dtype": d, "shape": s} for d, s in inputs], "layers": layers, "outputs": outputs,
        "compile": {"seed": 5, "loss": "none", "from_logits": False, "label_smoothing": 0, "top_k": 0, "metrics": metrics,
                    "losses": losses, "loss_weights": [1], "optimizer": {**sgd, **optimizer}},
        "notes": {"a": "b"}, "training": {"step": 1, "samples": 2, "epoch": 0, "lr": 0.1},
        "algorithms": {"device": "none, none, ", "chosen": {}}}, separators=(",", ":"))


def entry(payload, key=7, magic=0x31304E524555510A):
    """An entry of the store without its checksum."""
    return struct.pack("<QQQQ", magic, key, len(payload), 0) + payload


IMAGES = idx(8, (3, 2, 2), bytes(range(12)))
LABELS = idx(8, (3,), bytes([0, 9, 4]))
DENSE = model([("f32", [2])], [layer("dense", "dense", -1, units=1)], [0])
TABLE = b"a,b,c\r\n1,2,0\r\n-1.5e1,\"2\",1\r\n.5, 3 ,2\n"

SEEDS = {
    "idx": {
        "plain": idx_pair(0, IMAGES, LABELS),
        "bytes": idx_pair(7, IMAGES, LABELS),
        "images-only": idx_pair(8, IMAGES, b""),
        "floats": idx_pair(0, idx(13, (2, 1), struct.pack(">2f", 1.5, -2)), idx(12, (2,), struct.pack(">2i", 7, 1))),
        "short-labels": idx_pair(2, IMAGES, idx(11, (3,), struct.pack(">3h", 1, 2, 3))),
        "empty": idx_pair(0, idx(8, (0, 2, 2), b""), idx(8, (0,), b"")),
        "huge": idx_pair(0, idx(8, (0xFFFFFFFF, 0xFFFF), b"1234"), LABELS),
    },
    "gz": {
        "plain": IMAGES,
        "idx": gzip.compress(IMAGES, 9, mtime=0),
        "stored": gzip.compress(IMAGES, 0, mtime=0),
        "members": gzip.compress(IMAGES[:9], 9, mtime=0) + gzip.compress(IMAGES[9:], 9, mtime=0) + b"\0\0",
        "csv": gzip.compress(TABLE, 9, mtime=0),
        "zeros": gzip.compress(idx(8, (100, 100, 10), bytes(100000)), 9, mtime=0),
        "table": TABLE,
    },
    "events": {
        "csv": b"\x00user,item,time\r\nu,a,3\r\n\"v, w\",b,1\r\nu,a,2\n",
        "csv-pauses": b"\x3cuser,item,time\nu,a,1\nu,b,9\nu,b,9.5\nu,a,10\n",
        "list": b'\xc1{"session":7,"events":[{"aid":5,"ts":2,"type":"clicks"},{"aid":"x","ts":1.5}]}\n',
        "flat": b'\x41{"user":"u","item":"b","time":2}\n{"user":"u","item":1}\n',
        "web": b'\x02I,4,"www","x"\nA,10,1,"First, and best","/one"\nA,11,1,"Second","/two"\nC,"1",1\nV,11,1\nV,10,1\n',
    },
    "csv": {
        "header": b"\x04" + TABLE,
        "classes": b"\x34" + TABLE,
        "first": b"\x0c1,2\n0,4\n",
        "no-label": b"\x081,2\n0,4\n",
        "semicolons": b"\x441;2\r0;4\r",
        "by-name": b"\x84" + TABLE,
        "quotes": b"\x04\"a\"\"\",\"b\nc\"\n\"1\",2\n",
        "mark": b"\x04\xef\xbb\xbf1,2\n1e-3,16777217.5\n",
    },
    "safetensors": {
        "one": tensors({"a": tensor("F32", [2], 0, 8)}, bytes(8)),
        "several": tensors({"__metadata__": {"quern.format": "1", "note": "x"}, "w.1": tensor("I64", [1, 2], 0, 16),
                            "h": tensor("F16", [3], 16, 22), "none": tensor("U8", [0, 4], 22, 22),
                            "scalar": tensor("BF16", [], 22, 24)}, bytes(24)),
        "others": tensors({"d": tensor("F64", [1], 0, 8), "b": tensor("BOOL", [2], 8, 10)}, bytes(10)),
        "empty": tensors({}, b""),
        "padded": tensors(b"{}      ", b""),
        "newer": tensors({"__metadata__": {"quern.format": "2"}}, b""),
        "overlap": tensors({"a": tensor("U8", [2], 0, 2), "b": tensor("U8", [2], 1, 3)}, b"123"),
        "long": tensors(b"{}", b"", 0)[:1] + b"\xff" * 8 + b"{}",
    },
    "expr": {
        "words": b"gpu & mem>4G & !vendor~AMD",
        "groups": b"!(gpu | cpu & (units>=4 | !(version<3.0)))",
        "names": b"name~Xeon(R) | platform=\"Portable Computing\" | \"a & b\"",
        "ids": b"8680f206-0c00-0332-faff-fffb8b1f0000 | 0000:01:00.0 | pci!=02:00.1 | 0:1 | 3",
        "plain": b"Intel(R) Xeon(R) Processor",
        "fastest": b"fastest & gflops>0.5e2 & free!=4GiB & driver>=535.54",
        "deep": b"!(" * 16 + b"gpu" + b")" * 16,
        "wide": b"1|" * 40 + b"1",
    },
    "json": {
        "values": b'{"a": [1, -2.5e3, true, false, null], "b": {"c": "x\\u00e9\\ud83d\\ude00\\n"}}',
        "numbers": b"[0, -0, 1e308, 9223372036854775807, -9223372036854775808, 9223372036854775808, 0.1]",
        "text": '"\\"\\\\/ é€😀 \\u0001"'.encode(),
        "deep": b"[" * 60 + b"]" * 60,
        "empty": b'{"": {}, "x": []}',
        "lines": b'{\r\n\t"a" : 1 ,\n "b":\n[ ]\n}\n',
        "minus-zero": b"[-0e3, -0]",
        "special": b'["NaN", "Infinity", "-Infinity"]',
    },
    "lines": {
        "plain": b"\x00one\ntwo\r\nthree\rfour",
        "mark": b"\x01\xef\xbb\xbf\xe4\xbd\xa0\n\n",
        "latin": b"\x02caf\xe9\n",
        "wide": b"\x03" + "a\nb\u4f60".encode("utf-16-le"),
    },
    "table": {
        "plain": b"\x00" + TABLE,
        "label": b"\x30a,b,c\n1,x,0\n?,\"y,z\",1\n2,x,\n",
        "arff": b"\x80% c\n@relation 'a b'\n@attribute \"x y\" real\n@attribute c {a,'b c', 3}\n@data\n1,'b c'\n?,3\n",
        "strings": b"\x50@RELATION r\n@ATTRIBUTE s string\n@ATTRIBUTE n INTEGER\n@DATA\nabc,5\n\"d\",7\n",
        "ragged": b"\x081;2\n3\n",
    },
    "prep": {
        "classes": b'{"kind":"classes","classes":["a","b"]}',
        "image": b'{"kind":"image","height":3,"width":4,"channels":1,"fit":"pad","antialias":true,"mean":[0.5],"deviation":[2]}',
        "number": b'{"kind":"number","name":"mpg","mean":1e3,"deviation":0.5}',
        "sound": b'{"kind":"sound","rate":8000,"frames":99,"middle":true,"peak":1,"preemphasis":0.97,"low":0,"high":3000,"order":2,'
                 b'"features":{"kind":"mfcc","fft":16,"hop":8,"length":16,"window":"hann","no_center":false,"reflect":false,'
                 b'"power":2,"mels":3,"low":0,"high":4000,"htk":false,"no_area":false,"top_db":80,"coefficients":2,"lifter":0,'
                 b'"deltas":1,"delta_width":3,"scale":"none"},"mean":[0,1,2,3],"deviation":[1,1,2,0.5]}',
        "table": b'{"kind":"table","named":true,"numbered":false,"label":2,"columns":[{"name":"a","mean":0,"deviation":1,"fill":3},'
                 b'{"name":"b","values":["x","y"]}]}',
        "text": b'{"kind":"text","length":4,"pad_behind":true,"cut_behind":false,"value":0,"tokenizer":'
                + tokenizer(kind="words", words=["a"], counts=[1]) + b"}",
    },
    "tokens": {
        "words": b"\x40the cat, the DOG & the \xe4\xbd\xa0\xe5\xa5\xbd",
        "characters": b"\x01abc ABC \xc4\xb0 \xc3\xa9",
        "pairs": b"\x02abab abab  \xe4\xbd\xa0\xe5\xa5\xbd 12 12 .,.,",
        "limit": b"\x58a a a b b c",
        "words-json": b"\x80" + tokenizer(kind="words", unknown="?", words=["a", "b c", "\u00e9"], counts=[3, 1, 2]),
        "pairs-json": b"\x80" + tokenizer(kind="pairs", pairs=[98, 99, 257, 257, 258, 100]),
    },
    "model": {
        "dense": b"\0" + DENSE.encode(),
        "conv": b"\0" + model(
            [("f32", [6, 6, 1])],
            [layer("conv2d", "c", -1, filters=4, kernel=[3, 3], act="relu"), layer("batch_normalization", "b", 0),
             layer("max_pooling2d", "p", 1, size=[2, 2]), layer("flatten", "f", 2), layer("dropout", "r", 3, rate=0.2),
             layer("dense", "d", 4, units=3, act="softmax")],
            [5], ["sparse_categorical_crossentropy"], ["accuracy"], kind="adam", beta1=0.9, beta2=0.999).encode(),
        "lstm": b"\0" + model(
            [("i32", [5])], [layer("embedding", "e", -1, words=7, units=4), layer("lstm", "l", 0, units=3),
                            layer("dense", "d", 1, units=2)], [2], schedule={
                                "kind": "cosine", "warmup": 3, "steps": 9, "rate": 0.5, "end": 0.1, "power": 2}).encode(),
        "twins": b"\0" + model(
            [("f32", [4]), ("f32", [4])],
            [layer("dense", "twin", -1, units=3), layer("dense", "other", -2, units=3, reuse="twin"),
             layer("add", "sum", 0, 1), layer("activation", "a", 2, act="tanh")], [3, 1], ["mse", "mae"]).encode(),
        "file": tensors({"__metadata__": {"quern.format": "1", "quern.model": DENSE},
                         "dense/kernel": tensor("F32", [2, 1], 0, 8), "dense/bias": tensor("F32", [1], 8, 12),
                         "optimizer/device": tensor("I32", [16], 12, 76)}, bytes(76)),
    },
    "store": {
        "raw": b"\0" + entry(b"seven"),
        "short": b"\0" + entry(b"")[:31],
        "other": b"\0" + entry(b"seven", 8),
        "bytes": b"\1seven",
        "program": b"\2" + struct.pack("<QQQ", 2, 7, 9) + b"binary",
        "units": b"\2" + struct.pack("<Q", 1 << 61) + b"binary",
        "speed": b"\3" + struct.pack("<dd", 1e3, 50),
        "none": b"\3" + struct.pack("<dd", float("nan"), 1e-308),
    },
}


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
    for target, seeds in SEEDS.items():
        os.makedirs(os.path.join(folder, target), exist_ok=True)
        for name, data in seeds.items():
            with open(os.path.join(folder, target, name), "wb") as out:
                out.write(data)


if __name__ == "__main__":
    main()
