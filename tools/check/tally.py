#!/usr/bin/env python3
# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
"""Count what the stages of ./check found, and judge the skips.

usage: tally.py RESULTS_FOLDER EXPECTED_SKIPS

RESULTS_FOLDER holds a STAGE.json (meson's testlog.json) or a STAGE.tap for every stage. Each TAP line counts as one
test; a program that dies, times out or breaks its plan counts as one failure more. A skip must match a line
`pattern  # reason` of EXPECTED_SKIPS (a shell pattern for "STAGE PROGRAM: TEST"), or it is a failure.
Exits with 1 if anything failed.
"""
import fnmatch
import glob
import json
import os
import re
import sys

LINE = re.compile(r"(not )?ok\b[ \t]*\d*[ \t]*(?:-[ \t]*)?([^#]*?)[ \t]*(?:#[ \t]*(\w+)[ \t:]*(.*))?$")
PLAN = re.compile(r"1\.\.(\d+)[ \t]*(?:#[ \t]*(\w+)[ \t:]*(.*))?$")
MOST_NOTES = 20


class Tally:
    def __init__(self):
        self.passed = 0
        self.failures = []  # (name, explanations)
        self.skips = []     # (name, reason)

    def add_tap(self, program, text, verdict="OK"):
        """Count a program's lines. `verdict` is what meson made of the whole program."""
        seen, failed, planned, notes = 0, 0, None, []
        for line in text.splitlines():
            plan, result = PLAN.match(line), LINE.match(line)
            if plan:
                planned = int(plan[1])
                if planned == 0:
                    self.skips.append((f"{program}: everything", plan[3] or "no reason given"))
            elif result:
                seen += 1
                name = f"{program}: {result[2] or seen}"
                if (result[3] or "").upper() == "SKIP":
                    self.skips.append((name, result[4] or "no reason given"))
                elif result[1]:
                    failed += 1
                    self.failures.append((name, notes))
                else:
                    self.passed += 1
                notes = []
            elif line.startswith("#"):
                notes = [*notes, line][-MOST_NOTES:]
            elif line.startswith("Bail out!"):
                failed += 1
                self.failures.append((f"{program}: {line}", notes))
        if planned is None:
            self.failures.append((f"{program}: ended without a plan ({verdict}) after {seen} tests", notes))
        elif planned != seen:
            self.failures.append((f"{program}: {planned} tests planned, {seen} seen ({verdict})", notes))
        elif verdict not in ("OK", "SKIP", "EXPECTEDFAIL") and not failed:
            self.failures.append((f"{program}: {verdict} after its last test", notes))

    def add_meson(self, stage, path):
        with open(path, encoding="utf-8", errors="replace") as log:
            for line in log:
                test = json.loads(line)
                program = f"{stage} {test['name'].split(' / ')[-1]}"
                text = test.get("stdout") or ""
                error = [f"# {e}" for e in (test.get("stderr") or "").splitlines()[-MOST_NOTES:]]
                before = len(self.failures)
                self.add_tap(program, text, test["result"])
                for name, notes in self.failures[before:]:
                    notes += error


def read_expected(path):
    patterns = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            pattern, mark, reason = line.partition("  # ")
            if not mark or not reason.strip():
                sys.exit(f"{path}:{number}: no reason given")
            patterns.append(pattern.strip())
    return patterns


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    folder, expected = sys.argv[1], read_expected(sys.argv[2])
    tally = Tally()
    for path in sorted(glob.glob(os.path.join(folder, "*.json")) + glob.glob(os.path.join(folder, "*.tap"))):
        stage, kind = os.path.splitext(os.path.basename(path))
        if kind == ".json":
            tally.add_meson(stage, path)
        else:
            with open(path, encoding="utf-8", errors="replace") as text:
                tally.add_tap(stage, text.read())
    skipped = [s for s in tally.skips if any(fnmatch.fnmatchcase(s[0], p) for p in expected)]
    unexpected = [s for s in tally.skips if s not in skipped]
    tally.failures += [(f"{name}: skipped ({reason}), which tests/expected-skips does not allow", [])
                       for name, reason in unexpected]
    if tally.failures:
        print("\nFailed:")
        for name, notes in tally.failures:
            print("  " + name)
            for note in notes:
                print("    " + note)
    if tally.skips:
        print("\nSkipped:")
        for name, reason in tally.skips:
            print(f"  {name} ({reason})")
    print(f"\n{tally.passed} passed, {len(tally.failures)} failed, {len(skipped)} skipped")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
