# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""What the peers have in common: timing, and taking turns by lines on stdin and stdout.

A peer says {"ready": NAME} first. Then every line "WORKLOAD PHASE SIZE SECONDS" gets one line back: {"ms": [...]}, the
time of each run, or {"error": TEXT}. With --steps N it instead trains N batches of the seed CNN and ends, so that
whoever started it can see how long that took and how much memory.
"""
import json
import statistics
import sys
import time

WARM_UP = 3


def timed(run, seconds, least=5):
    """The time of each run in ms, for about `seconds`."""
    for _ in range(WARM_UP):
        run()
    times, end = [], time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def faster(*candidates):
    """The candidate that runs fastest, for where a framework leaves a choice to its user."""
    return min(candidates, key=lambda run: statistics.median(timed(run, 0.3)))


def main(name, workloads):
    """`workloads` maps (workload, phase) to a function of the size that returns what to run."""
    if len(sys.argv) > 2 and sys.argv[1] == "--steps":
        step = workloads["cnn", "first"](64)
        for _ in range(int(sys.argv[2])):
            step()
        return
    print(json.dumps({"ready": name}), flush=True)
    ready = {}
    for line in sys.stdin:
        workload, phase, size, seconds = line.split()
        key = workload, phase, int(size)
        try:
            if (workload, phase) not in workloads:
                answer = {"error": "not measured: this peer has no such workload"}
            else:
                if key not in ready:
                    ready[key] = workloads[workload, phase](int(size))
                answer = {"ms": timed(ready[key], float(seconds))}
        except Exception as problem:  # whatever a framework throws: this peer has no such figure
            answer = {"error": f"{type(problem).__name__}: {problem}"}
        print(json.dumps(answer), flush=True)
