#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""The pages of quern train --report and quern report: well-formed, alone, and in agreement with what the command says elsewhere.

usage: report.py QUERN [all]        (all: of recordings, sentences and items as well)
"""
import base64
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as ET

SVG = "{http://www.w3.org/2000/svg}"
QUERN = os.path.abspath(sys.argv[1])
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../examples/data")
HOSTILE = "<script>alert('x')</script>&\""
done = 0
env = dict(os.environ, QUERN_DATA=DATA)


class Skip(Exception):
    pass


def run(*words, code=0, **settings):
    r = subprocess.run([QUERN, *words], capture_output=True, text=True, env=dict(env, **settings))
    assert r.returncode == code, f"{words}: exit status {r.returncode}: {r.stderr}"
    return r


def read(path):
    """The page's tree; it holds no script and names nothing that a browser would load."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    root = ET.fromstring(text)
    for e in root.iter():
        tag = e.tag.rpartition("}")[2]
        assert tag not in ("script", "link", "iframe", "object", "embed", "image"), f"an element {tag}"
        for name, value in e.attrib.items():
            name = name.rpartition("}")[2]
            assert not name.startswith("on"), f"an attribute {name}"
            assert name not in ("src", "href") or value.startswith(("data:image/", "#")), f"{name}={value[:80]}"
            assert "url(" not in value.replace("url(#", "").replace("url( #", ""), f"{name}={value[:80]}"
    assert "url(" not in root.find("head/style").text and "@import" not in root.find("head/style").text
    return root


def words(e):
    return "".join(e.itertext())


def rows(root, name):
    return [[words(c).strip() for c in row] for row in root.find(f".//table[@id='{name}']")]


def pictures(root, cls):
    """Checks each one's headers; how many there are."""
    all = root.findall(f".//div[@class='{cls}']//img")
    for e in all:
        b = base64.b64decode(e.get("src").partition("base64,")[2], validate=True)
        bytes, start, width, height = struct.unpack("<2xI4xI4xii", b[:26])
        assert b[:2] == b"BM" and bytes == len(b) == start + (3 * width + 3) // 4 * 4 * height
    return len(all)


def digits():
    run("train", "cnn-small", "--data", "digits", "--epochs", "2", "--quiet", "--save", "m.qn", "--report", "p.html")
    root = read("p.html")
    model = json.loads(run("inspect", "m.qn", "--json").stdout)
    evaluated = json.loads(run("evaluate", "m.qn", "--data", "digits", "--json").stdout)
    boxes = [words(e) for e in root.findall(".//div[@class='layer']")]
    assert len(boxes) == len(model["layers"]) + 1
    for layer, box in zip(model["layers"], boxes[1:]):
        assert layer["name"] in box and layer["type"] in box, box
        assert not layer["parameters"] or f"{layer['parameters']} parameters" in box, box
    matrix = [[int(v) for v in row[1:]] for row in rows(root, "confusion")[1:]]
    assert len(matrix) == 10 and sum(map(sum, matrix)) == evaluated["samples"]
    assert abs(sum(matrix[i][i] for i in range(10)) / evaluated["samples"] - evaluated["accuracy"]) < 1e-6
    history = rows(root, "history")
    assert [r[0] for r in history] == ["epoch", "1", "2"]
    for row, epoch in zip(history[1:], model["history"]):
        for name, value in list(zip(history[0], row))[1:-1]:
            assert abs(float(value) - epoch[name]) < 1e-5, (name, value)
    assert pictures(root, "mistakes") == 12 and pictures(root, "filters") == 32
    assert root.find(".//meta[@http-equiv]") is None and "ended" in words(root.find(".//h1"))
    assert sorted(os.listdir(".")) == ["m.qn", "p.html"]


def saved():
    """The page of the saved model says the same of the test part, and of the past."""
    run("report", "m.qn", "--data", "digits", "--output", "s.html")
    a, b = read("p.html"), read("s.html")
    for name in ("confusion", "history"):
        assert rows(a, name) == rows(b, name)
    for name in ("mistakes", "filters", "model"):
        x, y = (r.find(f".//div[@class='{name}']") for r in (a, b))
        assert ET.tostring(x) == ET.tostring(y) and len(x) > 2
    os.unlink("s.html")


def failing():
    """A run whose model can no longer be saved."""
    os.mkdir("here")
    p = subprocess.Popen([QUERN, "train", "mlp", "--data", "digits", "--epochs", "1000", "--quiet", "--save", "here/m.qn",
                          "--report", "f.html"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    end = time.time() + 100
    while not os.path.exists("f.html") and p.poll() is None and time.time() < end:
        time.sleep(0.02)
    os.rename("here", "gone")
    why = p.communicate()[1].strip().removeprefix("quern train: QN_E_IO: ")
    root = read("f.html")
    assert p.returncode == 1 and "failed" in words(root.find(".//h1")) and why and why in words(root), why
    assert root.find(".//meta[@http-equiv]") is None
    shutil.rmtree("gone")


def curves():
    if not shutil.which("gnuplot"):
        raise Skip("gnuplot is not installed")
    titles = [words(e) for e in read("p.html").iter(SVG + "text")]
    for name in ("loss", "val_loss", "accuracy", "val_accuracy", "learning rate"):
        assert any(name == t.strip() for t in titles), titles


def train_table(name, path=None):
    return run("train", "mlp", "--data", "csv:" + name, "--epochs", "1", "--quiet", "--report", "q.html",
               **({"PATH": path} if path else {}))


def hostile():
    name = "a<b>&'.csv"
    with open(name, "w", encoding="utf-8") as f:
        f.write("x,y,class\n")
        for i in range(200):
            f.write(f"{i % 7},{i % 5},{'plain' if i % 2 else HOSTILE.replace(chr(34), chr(34) * 2).join(chr(34) * 2)}\n")
    train_table(name)
    root = read("q.html")
    assert HOSTILE in rows(root, "confusion")[0], rows(root, "confusion")[0]
    assert name in words(root.find(".//h1")) and name in words(root.find("head/title"))


def path_without(program):
    """The PATH with links to all else in place of the folders that have it: drivers start programs too."""
    folders = []
    for folder in filter(os.path.isdir, os.environ["PATH"].split(":")):
        if os.path.exists(os.path.join(folder, program)):
            links = tempfile.mkdtemp(dir=".")
            for name in os.listdir(folder):
                if name != program:
                    os.symlink(os.path.join(folder, name), os.path.join(links, name))
            folder = os.path.abspath(links)
        folders.append(folder)
    return ":".join(folders)


def without_gnuplot():
    train_table("a<b>&'.csv", path=path_without("gnuplot"))
    root = read("q.html")
    assert "install it" in words(root) and len(rows(root, "history")) == 2


def broken_gnuplot():
    with open("gnuplot", "w") as f:
        f.write("#!/bin/sh\necho 'no terminal <b>' >&2\nexit 3\n")
    os.chmod("gnuplot", 0o755)
    train_table("a<b>&'.csv", path=os.getcwd() + ":" + os.environ["PATH"])
    assert "gnuplot failed (status 3): no terminal <b>" in words(read("q.html"))
    os.unlink("gnuplot")
    assert not [n for n in os.listdir(".") if n.startswith("q.html.")]


def running():
    """Every state of the page is whole; it asks to be read again until the run has ended."""
    seen = 0
    p = subprocess.Popen([QUERN, "train", "mlp", "--data", "digits", "--epochs", "1000", "--quiet", "--report", "r.html"],
                         env=env, stdout=subprocess.DEVNULL)
    end = time.time() + 200
    while seen < 2 and time.time() < end and p.poll() is None:
        if os.path.exists("r.html"):
            root = read("r.html")
            assert root.find(".//meta[@http-equiv='refresh']") is not None
            seen = len(root.findall(".//table[@id='history']/tr"))
        time.sleep(0.02)
    p.send_signal(signal.SIGTERM)
    assert p.wait() == 143 and seen >= 2
    root = read("r.html")
    assert root.find(".//meta[@http-equiv]") is None and "ended early" in words(root.find(".//h1"))


def nowhere():
    r = run("train", "mlp", "--data", "digits", "--report", "none/p.html", code=1)
    assert len(r.stderr.splitlines()) == 1 and "none/p.html" in r.stderr and not r.stdout


def odd_names():
    """That mean something to gnuplot."""
    for name in ("|touch ran.html", "-it's.html"):
        run("train", "mlp", "--data", "digits", "--epochs", "1", "--quiet", "--report=" + name)
        assert read(name).find(f".//{SVG}svg") is not None or not shutil.which("gnuplot")
        os.unlink(name)
    assert not [n for n in os.listdir(".") if n.endswith((".svg", ".part", ".gnuplot"))]


def kernels():
    """A copy's, those of the test alone, and the run's own."""
    run("train", "mlp", "--data", "digits", "--epochs", "1", "--quiet", "--save", "k.qn", "--report", "c.html")
    run("report", "k.qn", "--data", "digits", "--output", "t.html")
    run("train", "mlp", "--data", "digits", "--epochs", "2", "--quiet", "--resume", "k.qn", "--report", "r.html")
    run("train", "mlp", "--data", "digits", "--epochs", "1", "--quiet", "--report", "k.html", QUERN_PROFILE="1")
    for name, title, runs in (("c", "A training step", 8), ("t", "A step of the test", 8), ("r", "A training step", 8),
                              ("k", "A plan", None)):
        text = words(read(name + ".html").find(".//pre[@id='kernels']"))
        assert re.search(r"^ +[0-9.]+ .*gemm/.*matmul", text, re.M) and title in text, text
        assert ("optim/update" in text) == (name != "t"), text
        assert not runs or f"ms a run on the device, {runs} runs" in text, text
        os.unlink(name + ".html")
    os.unlink("k.qn")


def mistakes(*words_of_training):
    run("train", *words_of_training, "--epochs", "1", "--quiet", "--report", "m.html")
    root = read("m.html")
    assert root.find(".//pre[@id='kernels']") is not None
    return root, root.findall(".//div[@class='mistakes']/div")


def recordings():
    """Spectrograms, whatever the network takes of a recording."""
    for name in ("speech", "speech-cnn"):
        root, all = mistakes(name, "--data", "sounds:" + DATA + "/spoken", "--hold-out", "3")
        assert len(all) > 0 and pictures(root, "mistakes") == len(all)
        sizes = {(int(e.get("width")), int(e.get("height"))) for e in root.findall(".//div[@class='mistakes']//img")}
        assert sizes == {(97, 101)}, sizes


def sentences():
    root, all = mistakes("text-cnn", "--data", "lines:" + DATA + "/sentences/yelp.tsv")
    lines = [line.rpartition("\t") for line in open(DATA + "/sentences/yelp.tsv", encoding="utf-8").read().splitlines()]
    right = {text.strip(): label.strip() for text, _, label in lines}
    assert len(all) > 0
    for e in all:
        assert f", is {right[words(e[0]).strip()]} (" in words(e[1]), words(e)


def items():
    root, all = mistakes("recsys", "--data", "events:" + DATA + "/visits/msweb.data")
    pages = set(re.findall(r'^A,.*"(/[^"]*)"$', open(DATA + "/visits/msweb.data", encoding="utf-8").read(), re.M))
    assert len(all) == 12
    for e in all:
        assert words(e[0]) and set(words(e[0]).split(", ")) <= pages, words(e[0])


def browser():
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not program:
        raise Skip("Chromium is not installed")
    r = subprocess.run([program, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
                        "--user-data-dir=profile", "--window-size=1000,3000", "--screenshot=shot.png",
                        "file://" + os.path.abspath("p.html")], capture_output=True, text=True, timeout=120)
    assert r.returncode == 0 and "CONSOLE" not in r.stderr, r.stderr
    with open("shot.png", "rb") as f:
        assert f.read(8) == b"\x89PNG\r\n\x1a\n" and os.path.getsize("shot.png") > 20000


def test(name, function):
    global done
    done += 1
    try:
        function()
        print(f"ok {done} - report: {name}")
    except Skip as e:
        print(f"ok {done} - report: {name} # SKIP {e}")
    except Exception:
        print(re.sub("(?m)^", "# ", traceback.format_exc().rstrip()))
        print(f"not ok {done} - report: {name}")
    sys.stdout.flush()


with tempfile.TemporaryDirectory(prefix="quern-report-") as folder:
    os.chdir(folder)
    test("a network on digits, in agreement with inspect and evaluate", digits)
    test("quern report says the same of the saved model", saved)
    test("a run that fails", failing)
    test("curves by gnuplot", curves)
    test("hostile names of a class and a file", hostile)
    test("without gnuplot", without_gnuplot)
    test("a gnuplot that fails", broken_gnuplot)
    test("whole while it runs, and after a signal", running)
    test("a place that cannot be written", nowhere)
    test("names of files that mean something to gnuplot", odd_names)
    test("time per kernel", kernels)
    test("a screenshot in Chromium", browser)
    if "all" in sys.argv[2:]:
        test("recordings as spectrograms", recordings)
        test("sentences in words", sentences)
        test("items by name", items)
    os.chdir("/")
print(f"1..{done}")
