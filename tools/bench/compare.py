#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Time Quern beside PyTorch and Keras in turns, and write the table of docs/performance.md.

usage: compare.py QUERN [--torch PYTHON] [--keras PYTHON] [--rounds N] [--seconds S] [--only WORKLOAD]... [--write FILE]

QUERN is the command of a release build; PYTHON an interpreter that has the framework. Every round runs each workload on
each of them, so that what else the machine does meets all alike; a figure is the median of the rounds' medians, and
only ratios within one run mean anything. The peers stay alive between turns, waiting without spinning. --write replaces
what stands between the two bench marks in FILE.
"""
import argparse
import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
MEMORY_STEPS = 30
GFLOP_CONV = 2 * 32 * 56 * 56 * 64 * 64 * 9 / 1e9


class Row:
    """A line of the table: `reach` and `aim` are factors of the speed of the fastest peer in `against`."""

    def __init__(self, title, workload, phase, size, against, reach, aim, gflop=None):
        self.title, self.workload, self.phase, self.size = title, workload, phase, size
        self.against, self.reach, self.aim, self.gflop = against, reach, aim, gflop


ROWS = [
    Row("W1 train, batch 64", "cnn", "train", 64, ["Keras"], 1.0, 2.0),
    Row("W1 inference, batch 64", "cnn", "infer", 64, ["Keras"], 1.0, 1.5),
    Row("W1 inference, batch 1", "cnn", "infer", 1, ["PyTorch"], 0.7, 1.5),
    Row("W3 gpt train, batch 16", "gpt", "train", 16, ["PyTorch"], 1.0, 1.3),
    Row("W4 convstack train, batch 32", "convstack", "train", 32, ["PyTorch", "Keras"], 0.8, 1.3),
    Row("W2 LSTM train, batch 64", "lstm", "train", 64, ["PyTorch", "Keras"], 1.0, 1.5),
    Row("W2 LSTM inference, batch 64", "lstm", "infer", 64, ["PyTorch"], 1.0, 1.5),
    Row("W2 LSTM inference, batch 1", "lstm", "infer", 1, ["PyTorch"], 1.0, 1.5),
    Row("bidirectional GRU train, batch 64", "bigru", "train", 64, ["PyTorch", "Keras"], 1.0, 1.5),
    Row("bidirectional GRU inference, batch 1", "bigru", "infer", 1, ["PyTorch"], 1.0, 1.5),
    Row("LSTM 512 train, batch 64", "lstm512", "train", 64, ["PyTorch", "Keras"], 1.0, 1.5),
    Row("LSTM 512 inference, batch 1", "lstm512", "infer", 1, ["PyTorch"], 1.0, 1.5),
    Row("W5 attention forward, batch 4", "attention", "forward", 4, ["PyTorch"], 1.0, 2.0),
    Row("W5 attention and gradient, batch 4", "attention", "train", 4, ["PyTorch"], 1.0, 2.0),
    Row("W7 convolution forward", "conv", "forward", 32, ["PyTorch"], 0.75, 1.0, GFLOP_CONV),
    Row("W7 data gradient", "conv", "data_gradient", 32, ["PyTorch"], 0.75, 1.0, GFLOP_CONV),
    Row("W7 filter gradient", "conv", "filter_gradient", 32, ["PyTorch"], 0.6, 1.0, GFLOP_CONV),
    Row("W6 SGEMM 256", "gemm", "run", 256, ["PyTorch"], 0.5, 1.0, 2 * 256**3 / 1e9),
    Row("W6 SGEMM 512", "gemm", "run", 512, ["PyTorch"], 0.7, 1.0, 2 * 512**3 / 1e9),
    Row("W6 SGEMM 1024", "gemm", "run", 1024, ["PyTorch"], 0.8, 1.0, 2 * 1024**3 / 1e9),
    Row("W6 SGEMM 2048", "gemm", "run", 2048, ["PyTorch"], 0.9, 1.0, 2 * 2048**3 / 1e9),
]


class Peer:
    FILES = {"PyTorch": "peer_torch.py", "Keras": "peer_keras.py"}

    def __init__(self, name, python):
        self.name, self.command = name, [python, os.path.join(HERE, self.FILES[name])]
        self.environment = dict(os.environ, OMP_WAIT_POLICY="PASSIVE")
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL, env=self.environment)
        self.title = self.answer()["ready"]
        self.told = set()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name}: died; run {shlex.join(self.command)} by hand")
        return json.loads(line)

    def measure(self, rows, seconds):
        return {row: self.median(row, seconds) for row in rows}

    def median(self, row, seconds):
        self.process.stdin.write(f"{row.workload} {row.phase} {row.size} {seconds}\n")
        self.process.stdin.flush()
        answer = self.answer()
        if "error" in answer:
            if row not in self.told:  # once, not in every round
                print(f"{self.name}: {row.title}: {answer['error']}", file=sys.stderr)
            self.told.add(row)
            return None
        return statistics.median(answer["ms"])

    def alone(self, steps):
        """Seconds and MB of a process that trains `steps` batches."""
        return cost([*self.command, "--steps", str(steps)], self.environment)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Quern:
    name = title = "Quern"

    def __init__(self, command):
        self.command = command
        self.devices = set()

    def measure(self, rows, _):
        """One `quern bench WORKLOAD`, whose lines answer all rows of that workload."""
        workload = rows[0].workload
        done = subprocess.run([self.command, "bench", workload, "--json"], stdout=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode != 0:
            print(f"quern bench {workload}: exit status {done.returncode}", file=sys.stderr)
        seen = {}
        for line in done.stdout.splitlines():
            result = json.loads(line)
            phase = "run" if workload == "gemm" else result["phase"]
            seen[phase, result.get("n", result.get("batch"))] = result["ms_median"]
            self.devices.add(result["device"])
        return {row: seen.get((row.phase, row.size)) for row in rows}

    def alone(self, steps, environment=None):
        return cost([self.command, "bench", "cnn", "--steps", str(steps), "--json"], environment)


def cost(command, environment=None):
    """Wall seconds and peak MB of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        print(f"{shlex.join(command)}: exit status {process.returncode}", file=sys.stderr)
        return None, None
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def median(values):
    return statistics.median(values) if values and None not in values else None


def turns(rows, participants, rounds, seconds):
    """The median of the rounds' medians, by row and participant's name."""
    figures = {(row, p.name): [] for row in rows for p in participants}
    for number in range(rounds):
        for workload in dict.fromkeys(row.workload for row in rows):
            print(f"round {number + 1} of {rounds}: {workload}", file=sys.stderr)
            first = number % len(participants)  # whoever begins changes
            for p in participants[first:] + participants[:first]:
                measured = p.measure([row for row in rows if row.workload == workload], seconds)
                for row, value in measured.items():
                    figures[row, p.name].append(value)
    return {key: median(values) for key, values in figures.items()}


def start_and_memory(participants, rounds):
    """By name, seconds to the end of the first trained batch, for Quern also "cold", and peak MB of thirty."""
    seconds = {name: [] for name in ["cold", *(p.name for p in participants)]}
    memory = {p.name: [] for p in participants}
    for _ in range(rounds):
        for p in participants:
            if isinstance(p, Quern):
                with tempfile.TemporaryDirectory() as folder:
                    # PoCL wants its folder to be there.
                    cold = dict(os.environ, QUERN_CACHE=os.path.join(folder, "store"), POCL_CACHE_DIR=folder)
                    seconds["cold"].append(p.alone(1, cold)[0])
            seconds[p.name].append(p.alone(1)[0])
            memory[p.name].append(p.alone(MEMORY_STEPS)[1])
    return {k: median(v) for k, v in seconds.items()}, {k: median(v) for k, v in memory.items()}


def cell(value, row=None, unit="ms"):
    if value is None:
        return "-"
    if row and row.gflop:
        return f"{row.gflop / value * 1e3:.0f} GFLOP/s"
    return f"{value:.3g} {unit}"


def line(*cells):
    return "| " + " | ".join(cells) + " |"


def table(rows, participants, figures, seconds, memory):
    names = [p.name for p in participants]
    lines = [line("workload", *(p.title for p in participants), "Quern / peer", "to reach, then aim for"),
             "|---" * (3 + len(names)) + "|"]
    for row in rows:
        mine = figures[row, "Quern"]
        fastest = min((figures[row, p] for p in row.against if figures.get((row, p))), default=None)
        lines.append(line(row.title, *(cell(figures[row, name], row) for name in names),
                          f"{fastest / mine:.2f}" if mine and fastest else "-",
                          f"{' or '.join(row.against)} x {row.reach:g}, x {row.aim:g}"))
    if seconds:
        others = names[1:]
        lines += [
            line("start to first trained W1 batch, warm store", *(cell(seconds[n], unit="s") for n in names), "",
                 "0.5 s, 0.2 s"),
            line("the same, cold", cell(seconds["cold"], unit="s"), *(cell(seconds[n], unit="s") for n in others), "",
                 "10 s, 4 s"),
            line("peak memory, W1 batch 64", *(cell(memory[n], unit="MB") for n in names), "", "200 MB, 120 MB"),
        ]
    return "\n".join(lines)


def machine():
    name = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    return f"{len(os.sched_getaffinity(0))} cores of {name}"


def replace_between_marks(path, text):
    with open(path, encoding="utf-8") as f:
        whole = f.read()
    if BEGIN not in whole or END not in whole:
        sys.exit(f"{path}: has no {BEGIN} and {END}")
    before, rest = whole.split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    with open(path, "w", encoding="utf-8") as f:
        f.write(f"{before}{BEGIN}\n{text}\n{END}{after}")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("quern")
    parser.add_argument("--torch")
    parser.add_argument("--keras")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", action="append", help="cnn, convstack, lstm, bigru, lstm512, attention, conv, gemm or start")
    parser.add_argument("--write")
    a = parser.parse_args()
    rows = [r for r in ROWS if not a.only or r.workload in a.only]
    quern = Quern(os.path.abspath(a.quern))
    peers = [Peer(name, python) for name, python in (("PyTorch", a.torch), ("Keras", a.keras)) if python]
    participants = [quern, *peers]
    figures = turns(rows, participants, a.rounds, a.seconds)
    for p in peers:
        p.close()
    seconds, memory = start_and_memory(participants, a.rounds) if not a.only or "start" in a.only else (None, None)
    options = [word for workload in a.only or [] for word in ("--only", workload)]
    text = "\n".join([
        table(rows, participants, figures, seconds, memory), "",
        f"{datetime.date.today()}, {machine()}; Quern on {', '.join(sorted(quern.devices)) or 'no device'}; "
        f"medians of {a.rounds} rounds in turns. A ratio above 1 means that Quern is faster.", "",
        "```", " ".join(["tools/bench/compare.py build/release/tools/quern/quern --torch PYTHON --keras PYTHON",
                         f"--rounds {a.rounds} --seconds {a.seconds:g}", *options]).strip(), "```"])
    print(text)
    if a.write:
        replace_between_marks(a.write, text)


if __name__ == "__main__":
    main()
