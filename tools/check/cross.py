#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Compile every kernel unit the tests build for GPUs that are not here.

usage: cross.py BUILD_FOLDER [--units FOLDER] [--write]

Runs the operation and training tests of a build folder so that they leave their units, every source with the
parameters really used, then compiles them: strictly for SPIR (32 and 64 bits, with and without fp16 and fp64), to
SPIR-V, to AMD and NVIDIA code. TAP; a target whose tools are missing is a skip. Kernels in work-groups of one are
shaped for CPUs: they must compile. The others must not spill nor keep arrays in memory; what they use goes to
tools/check/cross-table.txt with --write.
--units takes units that were written before by QUERN_DUMP_UNITS.
"""
import argparse
import concurrent.futures
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

BITCODE = "/usr/lib/x86_64-linux-gnu/amdgcn/bitcode"
LIBCLC = "/usr/lib/clc/nvptx64--nvidiacl.bc"
CL = ["clang-15", "-x", "cl", "-cl-std=CL1.2"]
HEADER = ["-Xclang", "-finclude-default-header"]
MOST_PRIVATE = 64  # bytes; a few builtins keep a table of their own
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cross-table.txt")


class Unit:
    def __init__(self, path):
        self.path = path
        with open(path, encoding="utf-8") as text:
            words = text.readline().strip("/* \n").split()
        self.source, self.options = words[0], words[2:]
        local = dict(o.split("=", 1) for o in self.options)
        self.group = [int(local.get(f"QN_L{i}", 1)) for i in range(3)]
        self.items = self.group[0] * self.group[1] * self.group[2]

    def parameters(self):
        return " ".join(o.removeprefix("QN_") for o in self.options if not re.match(r"QN_L[012]=", o))


def command(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def plain_name(symbol):
    return re.sub(r"_[0-9a-f]{16}$", "", symbol)


def strict(unit, tmp, *options):
    return command(*CL, *HEADER, "-fsyntax-only", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", *options, unit.path)


def spir64(unit, tmp):
    return strict(unit, tmp, "-target", "spir64"), []


def spir32(unit, tmp):
    return strict(unit, tmp, "-target", "spir"), []


def spir_plain(unit, tmp):
    return strict(unit, tmp, "-target", "spir64", "-Xclang", "-cl-ext=-cl_khr_fp64,-cl_khr_fp16"), []


def spirv(unit, tmp):
    code = os.path.join(tmp, os.path.basename(unit.path))
    done = command(*CL, *HEADER, "-O0", "-c", "-emit-llvm", "-target", "spir64", unit.path, "-o", code + ".bc")
    if done[0] == 0:
        done = command("llvm-spirv-15", "--spirv-max-version=1.2", code + ".bc", "-o", code + ".spv")
    if done[0] == 0:
        done = command("spirv-val", "--target-env", "opencl2.1", code + ".spv")
    return done, []


def amd(chip):
    """Registers of 32 bits a lane, of 256 (gfx9) or 1024 (gfx10, gfx11) a SIMD lane; at most 10 or 16 waves."""
    gfx10 = chip.startswith("gfx1")

    def run(unit, tmp):
        code = os.path.join(tmp, f"{os.path.basename(unit.path)}.{chip}.co")
        level = "-O3" if unit.items > 1 else "-O1"
        done = command(*CL, level, "-target", "amdgcn-amd-amdhsa", f"-mcpu={chip}", f"--rocm-device-lib-path={BITCODE}",
                       unit.path, "-o", code)
        if done[0] != 0 or unit.items == 1:
            return done, []
        rows = []
        for kernel in command("llvm-readelf-15", "--notes", code)[1].split("  - .args:")[1:]:
            number = {k: int(v) for k, v in re.findall(r"^ +\.(\w+): +(\d+)$", kernel, re.M)}
            name = re.search(r"^ +\.name: +(\S+)", kernel, re.M)[1]
            wave = number["wavefront_size"]
            registers = number["vgpr_count"]
            waves = min(16 if gfx10 else 10, (1024 if gfx10 else 256) // max(1, -(-registers // 4) * 4))
            local = number["group_segment_fixed_size"]
            if local:
                # 64 KiB a compute unit of four SIMDs (gfx9), or of two (gfx10).
                groups = 65536 // local
                waves = min(waves, groups * -(-unit.items // wave) // (2 if gfx10 else 4))
            spills = number["vgpr_spill_count"] + number["sgpr_spill_count"]
            rows.append((plain_name(name), registers, local, spills, number["private_segment_fixed_size"], waves))
        return done, rows
    return run


def nvidia(unit, tmp):
    code = os.path.join(tmp, os.path.basename(unit.path) + ".ptx")
    done = command(*CL, *HEADER, "-O3" if unit.items > 1 else "-O1", "-S", "-target", "nvptx64--nvidiacl", "-Xclang",
                   "-target-cpu", "-Xclang", "sm_80", "-Xclang", "-mlink-builtin-bitcode", "-Xclang", LIBCLC, unit.path,
                   "-o", code)
    if done[0] != 0 or unit.items == 1 or not shutil.which("ptxas"):
        return done, []
    done = command("ptxas", "-v", "-arch=sm_90", code, "-o", "/dev/null")
    rows = []
    for name, text in re.findall(r"Compiling entry function '(\w+)'(.*?)Compile time", done[1], re.S):
        stack, stores, loads = (int(re.search(p, text)[1]) for p in
                                (r"(\d+) bytes stack", r"(\d+) bytes spill stores", r"(\d+) bytes spill loads"))
        registers = int(re.search(r"Used (\d+) registers", text)[1])
        local = int((re.search(r"(\d+) bytes smem", text) or [0, 0])[1])
        warps = min(64, 65536 // (-(-registers // 8) * 8 * 32))
        if local:
            warps = min(warps, 233472 // (local + 1024) * -(-unit.items // 32))
        rows.append((plain_name(name), registers, local, stores + loads, stack, warps))
    return done, rows


TARGETS = [  # name, function, programs and files it needs
    ("spir64", spir64, ["clang-15"]),
    ("spir", spir32, ["clang-15"]),
    ("spir64 without fp16 and fp64", spir_plain, ["clang-15"]),
    ("SPIR-V 1.2", spirv, ["clang-15", "llvm-spirv-15", "spirv-val"]),
    ("gfx906", amd("gfx906"), ["clang-15", "ld.lld-15", "llvm-readelf-15", BITCODE]),
    ("gfx1030", amd("gfx1030"), ["clang-15", "ld.lld-15", "llvm-readelf-15", BITCODE]),
    ("nvptx", nvidia, ["clang-15", LIBCLC]),
]


def missing(needs):
    return [n for n in needs if not (os.path.exists(n) if n.startswith("/") else shutil.which(n))]


def write_units(build, folder):
    # Every algorithm is run by its tests, and every unit built on the way; how the tests end is for others to judge.
    environment = dict(os.environ, QUERN_DUMP_UNITS=folder)
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--suite", "op", "--suite", "train", "--suite", "grad",
                    "--timeout-multiplier", "4", "--logbase", "testlog-cross"],
                   env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Tap:
    def __init__(self):
        self.n = 0
        self.failed = 0

    def line(self, good, name, notes=()):
        self.n += 1
        self.failed += not good
        for note in list(notes)[:30]:
            print(f"# {note}")
        print(f"{'ok' if good else 'not ok'} {self.n} - cross: {name}", flush=True)

    def skip(self, name, reason):
        self.n += 1
        print(f"ok {self.n} - cross: {name} # SKIP {reason}", flush=True)


def judge(tap, target, units, results, table):
    by_source = {}
    for unit, (done, rows) in zip(units, results):
        bad = by_source.setdefault(unit.source, ([], []))
        if done[0] != 0:
            bad[0].append(f"{unit.source} {unit.parameters()}")
            bad[0].extend(done[1].splitlines()[:6])
        for name, registers, local, spills, private, waves in rows:
            group = "x".join(str(g) for g in unit.group)
            table.append((unit.source, name, group, unit.parameters(), target, registers, local, spills, private, waves))
            if spills or private > MOST_PRIVATE:
                bad[1].append(f"{name} {group} {unit.parameters()}: {registers} registers, {spills} spills, "
                              f"{private} bytes of private memory")
    for source, (broken, spilling) in sorted(by_source.items()):
        tap.line(not broken, f"{target} compiles {source}", broken)
        if any(row[0] == source and row[4] == target for row in table):
            tap.line(not spilling, f"{target} keeps {source} in registers", spilling)


def write_table(table):
    head = ("source", "kernel", "group", "parameters", "target", "registers", "local", "spills", "private", "waves")
    with open(TABLE, "w", encoding="utf-8") as out:
        out.write("# Written by tools/check/cross.py --write: what the GPU-shaped kernels use, as compiled by clang 15\n"
                  "# (and ptxas for sm_90, under nvptx). registers: of 32 bits, a work-item. local, private: bytes.\n"
                  "# waves: per SIMD (AMD) or multiprocessor (NVIDIA) at once, as registers and local memory allow.\n")
        rows = sorted(set(table))
        last = None
        for row in rows:
            if row[:2] != last:
                out.write(f"\n{row[0]}: {row[1]}\n  {'target':8} {'group':>9} {head[5]:>9} {head[6]:>6} {head[7]:>6} "
                          f"{head[8]:>7} {head[9]:>5}  {head[3]}\n")
            last = row[:2]
            out.write(f"  {row[4]:8} {row[2]:>9} {row[5]:>9} {row[6]:>6} {row[7]:>6} {row[8]:>7} {row[9]:>5}  {row[3]}".rstrip()
                      + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--units")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    tap, table = Tap(), []
    with tempfile.TemporaryDirectory() as tmp, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        folder = arguments.units or os.path.join(tmp, "units")
        if not arguments.units:
            os.mkdir(folder)
            write_units(arguments.build, folder)
        units = [Unit(p) for p in sorted(glob.glob(os.path.join(folder, "*.cl")))]
        units = [u for u in units if u.source != "generated"] + [u for u in units if u.source == "generated"]
        tap.line(units, f"the tests left {'their' if units else 'no'} units", [f"{len(units)} units"])
        for target, run, needs in TARGETS:
            gone = missing(needs)
            if gone:
                tap.skip(target, "not installed: " + " ".join(gone))
                continue
            judge(tap, target, units, list(pool.map(lambda u: run(u, tmp), units)), table)
    if arguments.write and table:
        write_table(table)
    print(f"1..{tap.n}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
