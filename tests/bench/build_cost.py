#!/usr/bin/env python3
"""Measures the compilers' CPU seconds of a cold build, of one commit or of several beside each other.

    build_cost.py [--every N] [--seed S] [--most SECONDS] BUILD [BUILD…]

A build folder must be configured; nothing in it needs to be built, and nothing in it is changed. The script compiles
all precompiled headers and a seeded sample of the objects, one in N, without ccache and one after another, and adds up
the user and system time of each compiler. A file is in the sample by its path, so folders of two commits share most of
theirs. The folders take turns, so a busy machine slows down all of them alike; after SECONDS of CPU time, or Ctrl-C,
the script reports what it has. It judges nothing.
"""

import argparse
import hashlib
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile

PRODUCT = ("messages", "runtime", "actors", "cluster")


class Build:
    def __init__(self, folder, scratch):
        self.folder = pathlib.Path(folder).resolve()
        self.scratch = pathlib.Path(scratch)
        self.root = source_folder(self.folder)
        commands = json.loads((self.folder / "compile_commands.json").read_text())
        self.headers, self.objects = [], {"product": [], "tests": []}
        wanted = self.outputs_of_all()
        for entry in commands:
            if output_of(entry["command"]) not in wanted:
                continue
            if not os.path.exists(entry["file"]):
                print(f"build_cost: not counted, as it is not generated yet: {entry['file']}", file=sys.stderr)
            elif "-x c++-header" in entry["command"]:
                self.headers.append(entry)
            else:
                of_tests = "tests" in pathlib.Path(entry["file"]).relative_to(self.root).parts
                self.objects["tests" if of_tests else "product"].append(entry)
        self.seconds = {"headers": [], "product": [], "tests": []}

    def outputs_of_all(self):
        """What a plain `ninja` compiles: without `ninja headers` and other targets that only their name builds."""
        listed = subprocess.run(
            ["ninja", "-C", self.folder, "-t", "commands", "all"], check=True, capture_output=True, text=True
        ).stdout
        return {output_of(line) for line in listed.splitlines()}

    def sample(self, every, seed):
        """One in `every`, in an order that the paths decide."""
        drawn = []
        for kind, entries in self.objects.items():
            for entry in entries:
                place = draw(seed, pathlib.Path(entry["file"]).relative_to(self.root))
                if place < 1 / every:
                    drawn.append((place, kind, entry))
        return [(kind, entry) for _, kind, entry in sorted(drawn, key=lambda each: each[0])]

    def compile(self, kind, entry):
        arguments = self.redirected(shlex.split(entry["command"]))
        log = self.scratch / "errors"
        with open(log, "wb") as errors:
            child = subprocess.Popen(arguments, cwd=entry["directory"], stdout=errors, stderr=errors)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"build_cost: {entry['file']} does not compile:\n{log.read_text(errors='replace')[-2000:]}")
        self.seconds[kind].append((usage.ru_utime + usage.ru_stime, entry["file"]))

    def redirected(self, arguments):
        """The command without ccache; objects and precompiled headers lie in the scratch folder."""
        while "ccache" in arguments[0] or arguments[0].endswith("compile.sh"):
            arguments = arguments[1:]
        here = []
        for before, argument in zip([""] + arguments, arguments):
            if before == "-o":
                is_header = argument.endswith(".gch")
                argument = f"{self.header(argument[:-4])}.gch" if is_header else str(self.scratch / "object.o")
            elif before == "-include" and argument.endswith("cmake_pch.hxx"):
                argument = str(self.header(argument))
            here.append(argument)
        return here

    def header(self, path):
        """The scratch folder's copy of a header that CMake made to be precompiled."""
        original = self.folder / path
        copy = self.scratch / original.relative_to(self.folder)
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(original.read_text())
        return copy

    def spent(self):
        return sum(seconds for times in self.seconds.values() for seconds, _ in times)

    def estimate(self, kind):
        """The whole part's CPU seconds, and the standard error of that estimate."""
        times = [seconds for seconds, _ in self.seconds[kind]]
        count = len(self.headers) if kind == "headers" else len(self.objects[kind])
        if not times or len(times) == count:
            return sum(times), 0.0
        spread = statistics.stdev(times) if len(times) > 1 else times[0]
        return count * statistics.mean(times), count * spread / len(times) ** 0.5 * (1 - len(times) / count) ** 0.5

    def by_path(self):
        return {
            pathlib.Path(file).relative_to(self.root): seconds
            for kind in ("product", "tests")
            for seconds, file in self.seconds[kind]
        }

    def product_lines(self):
        files = (path for room in PRODUCT for path in (self.root / room).rglob("*"))
        return sum(path.read_bytes().count(b"\n") for path in files if path.suffix in (".cpp", ".hpp", ".inc"))


def output_of(command):
    found = re.search(r" -o (\S+\.(?:o|gch)) -c ", command)
    return found.group(1) if found else ""


def source_folder(build):
    for line in (build / "CMakeCache.txt").read_text().splitlines():
        if line.startswith("CMAKE_HOME_DIRECTORY:"):
            return pathlib.Path(line.split("=", 1)[1])
    sys.exit(f"build_cost: {build} has no CMAKE_HOME_DIRECTORY: configure it first")


def draw(seed, path):
    """A number in [0, 1) for this path."""
    return int.from_bytes(hashlib.sha256(f"{seed} {path}".encode()).digest()[:8], "big") / 2**64


def in_turns(lists):
    """Entries of all lists, each list spread evenly over the whole time."""
    placed = [
        (place / len(entries), which, entry) for which, entries in enumerate(lists) for place, entry in enumerate(entries)
    ]
    placed.sort(key=lambda item: item[:2])
    return [(which, entry) for _, which, entry in placed]


def measure(builds, every, seed, most):
    for which, entry in in_turns([build.headers for build in builds]):
        builds[which].compile("headers", entry)
    for which, (kind, entry) in in_turns([build.sample(every, seed) for build in builds]):
        if sum(build.spent() for build in builds) > most:
            return
        builds[which].compile(kind, entry)


def report(build):
    print(f"\n{build.folder}")
    print("| part | objects | compiled | CPU seconds | standard error |\n| --- | ---: | ---: | ---: | ---: |")
    total, variance = 0.0, 0.0
    for kind in ("headers", "product", "tests"):
        seconds, error = build.estimate(kind)
        count = len(build.headers) if kind == "headers" else len(build.objects[kind])
        print(f"| {kind} | {count} | {len(build.seconds[kind])} | {seconds:,.0f} | {error:,.0f} |")
        total, variance = total + seconds, variance + error**2
    lines = build.product_lines()
    print(f"| all | | | {total:,.0f} | {variance ** 0.5:,.0f} |")
    print(f"{lines:,} lines of product, {1000 * total / lines:.1f} CPU seconds per thousand")
    slowest = sorted(build.seconds["product"] + build.seconds["tests"], reverse=True)[:8]
    for seconds, file in slowest:
        print(f"  {seconds:6.1f}  {pathlib.Path(file).relative_to(build.root)}")
    return total, lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs="+", metavar="BUILD")
    parser.add_argument("--every", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=float, default=600.0, metavar="SECONDS")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="build-cost-") as scratch:
        builds = []
        for number, folder in enumerate(options.builds):
            own = pathlib.Path(scratch) / str(number)
            own.mkdir()
            builds.append(Build(folder, own))
        try:
            measure(builds, options.every, options.seed, options.most)
        except KeyboardInterrupt:
            print("build_cost: interrupted", file=sys.stderr)
        first, *others = [report(build) for build in builds]
        for build, (total, lines) in zip(builds[1:], others):
            print(f"\n{build.folder}: {total / first[0]:.2f} of {builds[0].folder}, "
                  f"{total / lines / (first[0] / first[1]):.2f} of it per line of product")
            here, there = build.by_path(), builds[0].by_path()
            shared = here.keys() & there.keys()
            if shared:
                print(f"{len(shared)} files that both have, without precompiled headers: "
                      f"{sum(here[x] for x in shared):.0f} s, {sum(there[x] for x in shared):.0f} s there")


if __name__ == "__main__":
    main()
