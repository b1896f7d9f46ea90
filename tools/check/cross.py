#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Compile every kernel unit the tests build for GPUs that are not here.

usage: cross.py BUILD_FOLDER [--units FOLDER] [--write]

Runs the operation, gradient and training tests of a build folder, and quern bench, so that they leave their units,
every source with the parameters really used: those for the CPU that is here, and those for each kind of GPU, which
tests/layer/describe.c describes to them; it also makes them run nothing. Then compiles the units: all of them strictly
for SPIR (32 and 64 bits, with and without fp16 and fp64) and to SPIR-V, and what a GPU is given in work-groups of more
than one for GPUs of that kind. TAP; a target whose tools are missing is a skip. Kernels must not spill nor keep arrays in
memory, nor let fewer waves run at once than tools/check/cross-table.txt says, which --write brings up to date.
Matrix instructions, which the tests play, are also compiled as they are for who has them.
--units keeps the units in a folder, and takes those that are there already.
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
GFX11_BITCODE = ["opencl", "ocml", "ockl", "oclc_correctly_rounded_sqrt_off", "oclc_daz_opt_off", "oclc_finite_only_off",
                 "oclc_unsafe_math_off", "oclc_wavefrontsize64_off", "oclc_isa_version_1036", "oclc_abi_version_400"]
LIBCLC = "/usr/lib/clc/nvptx64--nvidiacl.bc"
CL = ["clang-15", "-x", "cl", "-cl-std=CL1.2"]
HEADER = ["-Xclang", "-finclude-default-header"]
# Which functions and arguments a unit uses depends on its parameters.
UNUSED = ["-Wno-unused-function", "-Wno-unused-parameter", "-Wno-unused-but-set-parameter"]
BENCH = ["gemm", "conv", "cnn", "convstack", "attention", "lstm", "bigru", "lstm512", "gpt"]
PLAYED = ": wide"  # of attention's cases with matrix instructions, both ways: most are in no quick test
MOST_PRIVATE = 64  # bytes; a few builtins keep a table of their own
TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cross-table.txt")


class Unit:
    def __init__(self, path, native=False):
        self.path = path
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
        self.unplayed = local.get("QN_PLAYED") == "0"  # one maker's compiler alone knows its instructions
        self.matrix = local.get("QN_MATRIX") if native else None

    def group_text(self):
        return "x".join(str(g) for g in self.group)

    def parameters(self):
        return " ".join(o.removeprefix("QN_") for o in self.options if not re.match(r"QN_L[012]=", o))


class File:
    """All units of a source for one kind of device, in one file, as the library itself would join them."""

    def __init__(self, units, path):
        self.units = {u.key: u for u in units}
        self.source = units[0].source
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
    return command(*CL, *HEADER, "-fsyntax-only", "-Wall", "-Wextra", *UNUSED, "-Werror", *options, file.path), None


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
        done = command("spirv-val", "--target-env", "opencl2.2", code + ".spv")
    return done, None


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
    return done, None


class Row:
    """What a kernel uses: registers of 32 bits a work-item, bytes, and how many waves or warps fit at once."""

    def __init__(self, file, symbol, registers, local, spills, private, waves):
        self.unit = file.unit_of(symbol)
        self.kernel = symbol[:-17]
        self.registers, self.local, self.spills, self.private = registers, local, spills, private
        self.waves = waves(self) if registers else 0


def amd(chip):
    gfx10 = chip.startswith("gfx1")
    most, lane, step = (16, 1536, 24) if chip == "gfx1100" else (16, 1024, 16) if gfx10 else \
        (8, 512, 8) if chip == "gfx90a" else (10, 256, 4)
    clang, libraries = CL, [f"--rocm-device-lib-path={BITCODE}"]
    if chip == "gfx1100":  # of which clang 15 uses half the registers, and which ROCm 5.2's libraries do not know: gfx1036's
        clang = ["clang-16", *CL[1:]]
        libraries = ["-nogpulib"] + [word for name in GFX11_BITCODE
                                     for word in ("-Xclang", "-mlink-builtin-bitcode", "-Xclang", f"{BITCODE}/{name}.bc")]

    def waves(row):
        # A lane of a SIMD has so many registers, given out in steps; 64 KiB of local memory are for 4 or (gfx10) 2 SIMDs.
        fit = min(most, lane // (-(-row.registers // step) * step))
        if row.local:
            a_group = -(-row.unit.items // (32 if gfx10 else 64))
            fit = min(fit, 65536 // row.local * a_group // (2 if gfx10 else 4))
        return fit

    def run(file):
        code = f"{file.path}.{chip}.co"
        done = command(*clang, "-O3", "-target", "amdgcn-amd-amdhsa", f"-mcpu={chip}", *libraries, file.path, "-o", code)
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
                   "-Xclang", "-mlink-builtin-bitcode", "-Xclang", LIBCLC, file.path, "-o", file.path + ".ptx"), None


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


def intel(chip, register_bytes):
    # How many registers a kernel takes is not told, only how many there are, and how many work-items share them.
    def run(file):
        code = f"{file.path}.{chip}.elf"
        done = command("ocloc", "compile", "-file", file.path, "-device", chip, "-options", f"-cl-std=CL1.2 -D{XMX}",
                       "-internal_options", "-cl-intel-allow-zebin", "-out_dir", os.path.dirname(code), "-output_no_suffix",
                       "-output", os.path.basename(code))
        rows = []
        if done[0] == 0:
            info = code + ".info"
            done = command("llvm-objcopy-15", f"--dump-section=.ze_info={info}", code, os.devnull)
            with open(info, encoding="utf-8") as text:
                kernels = text.read().split("\nkernels_misc_info:")[0].split("\n  - name: ")[1:]
            for kernel in kernels:
                number = {k: int(v) for k, v in re.findall(r"^ +(grf_count|simd_size|slm_size): +(\d+)$", kernel, re.M)}
                memory = {u: int(v) for u, v in re.findall(r"^ +usage: +(\w+)\n +size: +(\d+)$", kernel, re.M)}
                a_lane = number["grf_count"] * register_bytes // 4 // number["simd_size"]
                # What spills and what is private are one space, where both are.
                private = memory.get("private_space", 0)
                spills = memory.get("spill_fill_space", 0) + memory.get("single_space", 0)
                rows.append(Row(file, kernel.split()[0], a_lane, number.get("slm_size", 0), spills, private,
                                lambda row, lanes=number["simd_size"]: lanes))
        return done, rows
    return run


# As tests/layer/describe.c takes them: the most work-items of a group, bytes of local memory, compute units; and how narrow
# threads are, where that can be asked for.
DEVICES = {"CPU": None, "AMD": "256:65536:60", "NVIDIA": "1024:49152:108", "dg2": "1024:65536:512:8",
           "pvc": "1024:131072:448:16"}
# What dg2 and pvc are asked for beside bench, since ocloc takes half a second a kernel.
FEW_TESTS = {d: ["attention", "conv2d", "rnn", "rnn_grad"] for d in ("dg2", "pvc")}

XMX = "cl_intel_subgroup_matrix_multiply_accumulate"  # declares its functions
SUBGROUPS = "SPIR-V 1.2 with sub-groups"
CLANG_AMD = ["clang-15", "ld.lld-15", "llvm-readelf-15", BITCODE]
TARGETS = [  # name, function, the device whose kernels it compiles (None: all of them), programs and files it needs
    ("spir64", spir64, None, ["clang-15"]),
    ("spir", spir32, None, ["clang-15"]),
    ("spir64 without fp16 and fp64", spir_plain, None, ["clang-15"]),
    ("SPIR-V 1.2", spirv, None, ["clang-15", "llvm-spirv-15", "spirv-val"]),
    ("gfx900", amd("gfx900"), "AMD", CLANG_AMD),
    ("gfx906", amd("gfx906"), "AMD", CLANG_AMD),
    ("gfx90a", amd("gfx90a"), "AMD", CLANG_AMD),
    ("gfx1030", amd("gfx1030"), "AMD", CLANG_AMD),
    ("gfx1100", amd("gfx1100"), "AMD", ["clang-16", "ld.lld-16", "llvm-readelf-15", BITCODE]),
    ("nvptx", nvptx, "NVIDIA", ["clang-15", LIBCLC]),
    ("sm_80", nvidia("sm_80", 167936), "NVIDIA", ["clang-15", LIBCLC, "ptxas"]),
    ("sm_90", nvidia("sm_90", 233472), "NVIDIA", ["clang-15", LIBCLC, "ptxas"]),
    ("dg2", intel("dg2", 32), "dg2", ["ocloc", "llvm-objcopy-15"]),
    ("pvc", intel("pvc", 64), "pvc", ["ocloc", "llvm-objcopy-15"]),
    (SUBGROUPS, spirv_subgroups, "pvc", ["clang-15", "llvm-spirv-15", "spirv-val"]),
]
# Whose are the matrix instructions of each QN_MATRIX, and what compiles them.
MATRIX = {"1": (["NVIDIA"], ["nvptx", "sm_80", "sm_90"]), "2": (["AMD"], ["gfx90a"]),
          "3": (["pvc"], ["pvc", SUBGROUPS]), "4": (["AMD"], ["gfx1100"]), "5": (["dg2"], ["dg2"]), "6": (["pvc"], ["pvc"]),
          "7": (["dg2"], ["dg2"])}
MATRIX_ALONE = [SUBGROUPS, "gfx1100"]  # targets that compile nothing else


def is_for(target, file):
    return target in MATRIX[file.matrix][1] if file.matrix else target not in MATRIX_ALONE


def missing(needs):
    return [n for n in needs if not (os.path.exists(n) if n.startswith("/") else shutil.which(n))]


def write_units(build, folder, device):
    """Every algorithm is run by its tests, and every unit asked for on the way. That tests fail is to be expected."""
    tests = ["meson", "test", "-C", build, "--no-rebuild", "--suite", "op", "--suite", "grad", "--suite", "train",
             "--no-suite", "slow", "--timeout-multiplier", "4", "--logbase", "testlog-cross"]
    played = [os.path.join(build, "tests/op_attention"), "played"]
    bench = [os.path.join(build, "tools/quern/quern"), "bench", *BENCH, "--runs", "1", "--seconds", "0"]
    with tempfile.TemporaryDirectory() as store:
        environment = dict(os.environ, QUERN_DUMP_UNITS=folder, QUERN_CACHE=store, QUERN_QUALIFY="never",
                           OPENCL_LAYERS=os.path.abspath(os.path.join(build, "tests/layer/quern_describe.so")))
        if DEVICES[device]:
            environment["LAYER_GPU"] = DEVICES[device]
        few = [[os.path.join(build, "tests/op_" + name)] for name in FEW_TESTS.get(device, [])]
        for words in [bench, *(few or [tests])]:
            subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not DEVICES[device]:
            subprocess.run(played, env=dict(environment, QUERN_TEST=PLAYED), stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)


def read_units(folder):
    return [Unit(p) for p in sorted(glob.glob(os.path.join(folder, "*.cl")))]


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
        tap.line(done[0] == 0, f"{target} compiles {file.source}", done[1].splitlines() if done[0] else [])
        if done[0] or rows is None:
            continue
        heavy = [f"{r.kernel} {r.unit.group_text()} {r.unit.parameters()}: {r.registers} registers, {r.spills} spills, "
                 f"{r.private} bytes of private memory" for r in rows if r.spills or r.private > MOST_PRIVATE]
        tap.line(rows and not heavy, f"{target} keeps {file.source} in registers", heavy if rows else ["no kernel"])


def by_kernel(rows):
    """(target, Row) pairs as {kernel: {target: [Row]}}."""
    kernels = {}
    for target, row in sorted(rows, key=lambda r: (r[1].unit.source, r[1].kernel, r[0], r[1].unit.parameters())):
        kernels.setdefault(f"{row.unit.source}: {row.kernel}", {}).setdefault(target, []).append(row)
    return kernels


def write_table(kernels):
    with open(TABLE, "w", encoding="utf-8") as out:
        out.write("""\
# Written by tools/check/cross.py --write: what the GPU-shaped kernels use, as clang 15 (gfx1100: 16) compiles them for AMD,
# ptxas for NVIDIA and ocloc 22.43 for Intel. Of all sets of parameters that tests and benchmarks ask a GPU of that kind for: how
# many there are, the fewest and the most registers of 32 bits a work-item, the most local and private memory and spills in
# bytes (AMD's spills: registers), and the fewest waves at once on a SIMD (AMD) or multiprocessor (NVIDIA) as registers
# and local memory allow; then the set that takes the most registers. Intel's registers are those that there are, and
# its waves the fewest work-items of a thread; its sets are those of quern bench and a few of the tests.
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
    known, kernel = {}, None
    with open(TABLE, encoding="utf-8") as table:
        for line in table:
            words = line.split()
            if not line.startswith((" ", "#", "\n")):
                kernel = known.setdefault(line.strip(), {})
            elif line.startswith("  ") and words[0] != "target":
                kernel[words[0]] = int(words[6])
    return known


def worse_than(known, target, sets):
    """What a target's rows have that the table does not allow."""
    if known is None:
        return [f"{target}: not in the table"]
    row = min(sets, key=lambda r: r.waves)
    if row.waves >= known:
        return []
    return [f"{target}: {row.waves} waves, not {known}: {row.unit.group_text()} {row.unit.parameters()}: "
            f"{row.registers} registers, {row.local} bytes of local memory"]


def compare(tap, kernels):
    """Every kernel against the table."""
    known = read_table()
    seen = {target for targets in kernels.values() for target in targets}
    for kernel, targets in kernels.items():
        worse = [line for target, sets in targets.items()
                 for line in worse_than(known.get(kernel, {}).get(target), target, sets)]
        tap.line(not worse, f"{kernel} is no heavier than in the table", worse)
    gone = [k for k, targets in known.items() if k not in kernels and seen & set(targets)]
    tap.line(not gone, "the table has no kernel that is built no more", gone)


def files_of(units, folder):
    os.mkdir(folder)
    groups = {}
    for unit in units:
        groups.setdefault((unit.source, unit.matrix or ""), []).append(unit)
    return [File(u, os.path.join(folder, f"{source.replace('/', '-')}{matrix}.cl"))
            for (source, matrix), u in sorted(groups.items())]


def collect(tap, build, folder, tmp):
    """The files for each device, those of work-groups of one left out, and for None those of all units."""
    units, every = {}, {}
    for device in DEVICES:
        path = os.path.join(folder, device)
        if not os.path.exists(path):
            os.makedirs(path)
            write_units(build, path, device)
        units[device] = read_units(path)
        tap.line(units[device], f"{device} was asked for {'units' if units[device] else 'nothing'}",
                 [f"{len(units[device])} units"])
        every.update((u.key, u) for u in units[device])
    native = [Unit(u.path, native=True) for u in every.values() if u.played]
    files = {None: files_of([u for u in every.values() if not u.unplayed], os.path.join(tmp, "all"))}
    for device in DEVICES:
        files[device] = files_of([u for u in units[device] if u.items > 1 and not u.played] +
                                 [u for u in native if device in MATRIX[u.matrix][0]], os.path.join(tmp, device))
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--units")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    tap, table = Tap(), []
    with tempfile.TemporaryDirectory() as tmp, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        files = collect(tap, arguments.build, arguments.units or os.path.join(tmp, "units"), tmp)
        for target, run, device, needs in TARGETS:
            gone = missing(needs)
            if gone:
                tap.skip(target, "not installed: " + " ".join(gone))
                continue
            some = [f for f in files[device] if is_for(target, f)]
            results = list(pool.map(run, some))
            judge(tap, target, some, results)
            table += [(target, row) for _, rows in results for row in rows or []]
    if arguments.write and table:
        write_table(by_kernel(table))
    elif table:
        compare(tap, by_kernel(table))
    print(f"1..{tap.n}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
