#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Compile every kernel unit the tests build for GPUs that are not here.

usage: cross.py BUILD_FOLDER [--units FOLDER] [--write]

Runs the operation and training tests of a build folder so that they leave their units, every source with the
parameters really used, then compiles them: strictly for SPIR (32 and 64 bits, with and without fp16 and fp64), to
SPIR-V, to AMD and NVIDIA code. TAP; a target whose tools are missing is a skip. Kernels in work-groups of one are
shaped for CPUs, by the local memory of the one that ran the tests: they go no further than SPIR-V. The others must not
spill nor keep arrays in memory, nor let fewer waves run at once than tools/check/cross-table.txt says, which --write
brings up to date.
Matrix instructions, which the tests play, are compiled as they are for who has them.
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
# Which functions and arguments a unit uses depends on its parameters.
UNUSED = ["-Wno-unused-function", "-Wno-unused-parameter", "-Wno-unused-but-set-parameter"]
MOST_PRIVATE = 64  # bytes; a few builtins keep a table of their own
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cross-table.txt")


class Unit:
    def __init__(self, path, native=False):
        with open(path, encoding="utf-8") as text:
            self.text = text.read()
        if native:
            self.text = self.text.replace("QN_PLAYED=1", "QN_PLAYED=0").replace("QN_PLAYED 1\n", "QN_PLAYED 0\n")
        words = self.text.splitlines()[0].strip("/* ").split()
        self.key = re.search(r"#define QN_SUFFIX (\w+)", self.text)[1]
        self.source, self.options = words[0], words[2:]
        local = dict(o.split("=", 1) for o in self.options)
        self.group = [int(local.get(f"QN_L{i}", 1)) for i in range(3)]
        self.items = self.group[0] * self.group[1] * self.group[2]
        self.played = local.get("QN_PLAYED") == "1"
        self.matrix = local.get("QN_MATRIX") if native else None

    def group_text(self):
        return "x".join(str(g) for g in self.group)

    def parameters(self):
        return " ".join(o.removeprefix("QN_") for o in self.options if not re.match(r"QN_L[012]=", o))


class File:
    """All units of a source that are for one shape of device, in one file, as the library itself would join them."""

    def __init__(self, units, path):
        self.units = {u.key: u for u in units}
        self.source = units[0].source
        self.gpu = units[0].items > 1 and not units[0].played
        self.matrix = units[0].matrix
        self.path = path
        with open(path, "w", encoding="utf-8") as out:
            out.write("\n".join(u.text for u in units))

    def unit_of(self, symbol):
        return self.units[symbol[-17:]]


def command(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def strict(file, *options):
    return command(*CL, *HEADER, "-fsyntax-only", "-Wall", "-Wextra", *UNUSED, "-Werror", *options, file.path), []


def spir64(file):
    return strict(file, "-target", "spir64")


def spir32(file):
    return strict(file, "-target", "spir")


def spir_plain(file):
    return strict(file, "-target", "spir64", "-Xclang", "-cl-ext=-cl_khr_fp64,-cl_khr_fp16")


def spirv(file):
    code = file.path
    done = command(*CL, *HEADER, "-O0", "-c", "-emit-llvm", "-target", "spir64", code, "-o", code + ".bc")
    if done[0] == 0:
        done = command("llvm-spirv-15", "--spirv-max-version=1.2", code + ".bc", "-o", code + ".spv")
    if done[0] == 0:
        done = command("spirv-val", "--target-env", "opencl2.1", code + ".spv")
    return done, []


def spirv_subgroups(file):
    # The header that clang takes by itself lacks Intel's functions.
    code = file.path
    done = command(*CL, "-cl-no-stdinc", *HEADER, "-Dcl_intel_subgroups", "-Wall", "-Wextra", *UNUSED, "-Werror", "-O0", "-c",
                   "-emit-llvm", "-target", "spir64", code, "-o", code + ".bc")
    if done[0] == 0:
        done = command("llvm-spirv-15", "--spirv-max-version=1.2", "--spirv-ext=+SPV_INTEL_subgroups", code + ".bc", "-o",
                       code + ".spv")
    if done[0] == 0:
        done = command("spirv-val", "--target-env", "opencl2.2", code + ".spv")
    return done, []


class Row:
    """What a kernel uses: registers of 32 bits a work-item, bytes, and how many waves or warps fit at once."""

    def __init__(self, file, symbol, registers, local, spills, private, waves):
        self.unit = file.unit_of(symbol)
        self.kernel = symbol[:-17]
        self.registers, self.local, self.spills, self.private = registers, local, spills, private
        self.waves = waves(self) if registers else 0


def amd(chip):
    gfx10 = chip.startswith("gfx1")

    def waves(row):
        # A lane of a SIMD has 256 registers (gfx9), 512 (gfx90a) or 1024 (gfx10); 64 KiB of local memory are for 4 or 2 SIMDs.
        most, lane, step = (16, 1024, 4) if gfx10 else (8, 512, 8) if chip == "gfx90a" else (10, 256, 4)
        fit = min(most, lane // (-(-row.registers // step) * step))
        if row.local:
            a_group = -(-row.unit.items // (32 if gfx10 else 64))
            fit = min(fit, 65536 // row.local * a_group // (2 if gfx10 else 4))
        return fit

    def run(file):
        code = f"{file.path}.{chip}.co"
        done = command(*CL, "-O3", "-target", "amdgcn-amd-amdhsa", f"-mcpu={chip}", f"--rocm-device-lib-path={BITCODE}",
                       file.path, "-o", code)
        rows = []
        if done[0] == 0:
            # A kernel's notes begin with .agpr_count, where there is one, else with .args.
            for kernel in re.split(r"^  - \.a", command("llvm-readelf-15", "--notes", code)[1], flags=re.M)[1:]:
                number = {k: int(v) for k, v in re.findall(r"^ +\.(\w+): +(\d+)$", kernel, re.M)}
                symbol = re.search(r"^ +\.name: +(\S+)", kernel, re.M)[1]
                # Scalar registers are spilled to lanes of vector registers, which vgpr_count has; memory is not touched.
                rows.append(Row(file, symbol, number["vgpr_count"], number["group_segment_fixed_size"],
                                number["vgpr_spill_count"], number["private_segment_fixed_size"], waves))
        return done, rows
    return run


def nvptx(file):
    return command(*CL, *HEADER, "-O3", "-S", "-target", "nvptx64--nvidiacl", "-Xclang", "-target-cpu", "-Xclang", "sm_80",
                   "-Xclang", "-mlink-builtin-bitcode", "-Xclang", LIBCLC, file.path, "-o", file.path + ".ptx"), []


def nvidia(chip, local_memory):
    def warps(row):
        # A multiprocessor has 65536 registers; of its local memory a group takes 1 KiB for itself.
        fit = min(64, 65536 // (-(-row.registers // 8) * 8 * 32))
        if row.local:
            fit = min(fit, local_memory // (row.local + 1024) * -(-row.unit.items // 32))
        return fit

    def run(file):  # what nvptx left
        done = command("ptxas", "-v", f"-arch={chip}", file.path + ".ptx", "-o", "/dev/null")
        rows = []
        for symbol, text in re.findall(r"Compiling entry function '(\w+)'(.*?)Compile time", done[1], re.S):
            stack, stores, loads, registers = (int(re.search(p, text)[1]) for p in (
                r"(\d+) bytes stack", r"(\d+) bytes spill stores", r"(\d+) bytes spill loads", r"Used (\d+) registers"))
            local = int((re.search(r"(\d+) bytes smem", text) or [0, 0])[1])
            rows.append(Row(file, symbol, registers, local, stores + loads, stack, warps))
        return done, rows
    return run


TARGETS = [  # name, function, for GPU-shaped kernels alone, programs and files it needs
    ("spir64", spir64, False, ["clang-15"]),
    ("spir", spir32, False, ["clang-15"]),
    ("spir64 without fp16 and fp64", spir_plain, False, ["clang-15"]),
    ("SPIR-V 1.2", spirv, False, ["clang-15", "llvm-spirv-15", "spirv-val"]),
    ("gfx906", amd("gfx906"), True, ["clang-15", "ld.lld-15", "llvm-readelf-15", BITCODE]),
    ("gfx1030", amd("gfx1030"), True, ["clang-15", "ld.lld-15", "llvm-readelf-15", BITCODE]),
    ("nvptx", nvptx, True, ["clang-15", LIBCLC]),
    ("sm_80", nvidia("sm_80", 167936), True, ["clang-15", LIBCLC, "ptxas"]),
    ("sm_90", nvidia("sm_90", 233472), True, ["clang-15", LIBCLC, "ptxas"]),
    ("gfx90a", amd("gfx90a"), True, ["clang-15", "ld.lld-15", "llvm-readelf-15", BITCODE]),
    ("SPIR-V 1.2 with sub-groups", spirv_subgroups, True, ["clang-15", "llvm-spirv-15", "spirv-val"]),
]
# What compiles the matrix instructions of each QN_MATRIX, and these targets nothing else.
MATRIX = {"1": ["nvptx", "sm_80", "sm_90"], "2": ["gfx90a"], "3": ["SPIR-V 1.2 with sub-groups"]}
MATRIX_ALONE = ["gfx90a", "SPIR-V 1.2 with sub-groups"]


def is_for(target, gpu, file):
    if file.matrix:
        return target in MATRIX[file.matrix]
    return target not in MATRIX_ALONE and (file.gpu or not gpu)


def missing(needs):
    return [n for n in needs if not (os.path.exists(n) if n.startswith("/") else shutil.which(n))]


def write_units(build, folder):
    # Every algorithm is run by its tests, and every unit built on the way; how the tests end is for others to judge.
    environment = dict(os.environ, QUERN_DUMP_UNITS=folder)
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--suite", "op", "--suite", "train",
                    "--suite", "grad", "--no-suite", "slow", "--timeout-multiplier", "4", "--logbase", "testlog-cross"],
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


def judge(tap, target, files, results):
    for file, (done, rows) in zip(files, results):
        shape = "GPU" if file.gpu else "CPU"
        errors = done[1].splitlines() if done[0] else []
        tap.line(done[0] == 0, f"{target} compiles {file.source}, {shape}-shaped", errors)
        heavy = [f"{r.kernel} {r.unit.group_text()} {r.unit.parameters()}: {r.registers} registers, {r.spills} spills, "
                 f"{r.private} bytes of private memory" for r in rows if r.spills or r.private > MOST_PRIVATE]
        if rows:
            tap.line(not heavy, f"{target} keeps {file.source} in registers", heavy)


def by_kernel(rows):
    """(target, Row) pairs as {kernel: {target: [Row]}}."""
    kernels = {}
    for target, row in sorted(rows, key=lambda r: (r[1].unit.source, r[1].kernel, r[0], r[1].unit.parameters())):
        kernels.setdefault(f"{row.unit.source}: {row.kernel}", {}).setdefault(target, []).append(row)
    return kernels


def write_table(kernels):
    with open(TABLE, "w", encoding="utf-8") as out:
        out.write("""\
# Written by tools/check/cross.py --write: what the GPU-shaped kernels use, as clang 15 compiles them, and ptxas for
# NVIDIA's sm_80 and sm_90. Of all sets of parameters that the tests build: how many there are, the fewest and the most
# registers of 32 bits a work-item, the most local and private memory in bytes, and the fewest waves at once on a SIMD
# (AMD) or multiprocessor (NVIDIA) as registers and local memory allow; then the set that takes the most registers.
""")
        for kernel, targets in kernels.items():
            out.write(f"\n{kernel}\n  target   sets registers  local private spills waves      group\n")
            for target, sets in targets.items():
                worst = max(sets, key=lambda r: r.registers)
                out.write(f"  {target:8} {len(sets):4} {min(r.registers for r in sets):4}-{worst.registers:<4} "
                          f"{max(r.local for r in sets):6} {max(r.private for r in sets):7} "
                          f"{max(r.spills for r in sets):6} {min(r.waves for r in sets):5} "
                          f"{worst.unit.group_text():>10}  {worst.unit.parameters()}".rstrip() + "\n")


def read_table():
    """{kernel: {target: the fewest waves}}"""
    waves, kernel = {}, None
    with open(TABLE, encoding="utf-8") as table:
        for line in table:
            words = line.split()
            if not line.startswith((" ", "#", "\n")):
                kernel = waves.setdefault(line.strip(), {})
            elif line.startswith("  ") and words[0] != "target":
                kernel[words[0]] = int(words[6])
    return waves


def compare(tap, kernels):
    """Every kernel against the table."""
    known = read_table()
    seen = {target for targets in kernels.values() for target in targets}
    for kernel, targets in kernels.items():
        worse = []
        for target, sets in targets.items():
            row, was = min(sets, key=lambda r: r.waves), known.get(kernel, {}).get(target)
            if was is None:
                worse.append(f"{target}: not in the table")
            elif row.waves < was:
                worse.append(f"{target}: {row.waves} waves, not {was}: {row.unit.group_text()} {row.unit.parameters()}: "
                             f"{row.registers} registers, {row.local} bytes of local memory")
        tap.line(not worse, f"{kernel} lets as many waves run as in the table", worse)
    gone = [k for k, targets in known.items() if k not in kernels and seen & set(targets)]
    tap.line(not gone, "the table has no kernel that is built no more", gone)


def files_of(units, tmp):
    groups = {}
    for unit in units:
        groups.setdefault((unit.source, unit.items > 1 and not unit.played, unit.matrix or ""), []).append(unit)
    return [File(u, os.path.join(tmp, f"{source.replace('/', '-')}-{int(gpu)}{matrix}.cl"))
            for (source, gpu, matrix), u in sorted(groups.items())]


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
        paths = sorted(glob.glob(os.path.join(folder, "*.cl")))
        units = [Unit(p) for p in paths]
        units += [Unit(p, native=True) for p, u in zip(paths, units) if u.played]
        files = files_of(units, tmp)
        tap.line(units, f"the tests left {'their' if units else 'no'} units", [f"{len(units)} units"])
        for target, run, gpu, needs in TARGETS:
            gone = missing(needs)
            if gone:
                tap.skip(target, "not installed: " + " ".join(gone))
                continue
            some = [f for f in files if is_for(target, gpu, f)]
            results = list(pool.map(run, some))
            judge(tap, target, some, results)
            table += [(target, row) for _, rows in results for row in rows]
    if arguments.write and table:
        write_table(by_kernel(table))
    elif table:
        compare(tap, by_kernel(table))
    print(f"1..{tap.n}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
