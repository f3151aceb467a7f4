#!/usr/bin/env python3
"""No function or object is defined in two of our libraries.

check_symbols.py [ROOT]      the build folder comes from TAYFA_BUILD_DIR

Libraries are archives, so the linker takes the first definition that it meets and says nothing about the second: two
rooms that pick the same name for different functions crash at run time (a result type is no part of a name).
"""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys

SKIPPED = 77
STRONG = (
    "TDBRS"  # code and data with one definition; inline functions and templates are weak (W, V, u)
)
LINE = re.compile(r"^(.*?):([^:]*): *[0-9a-f]* +([A-Za-z]) (\S+)$")


def definitions(archives):
    """symbol -> the archive members that define it."""
    done = subprocess.run(
        ["nm", "--print-file-name", "--defined-only", "--extern-only", *map(str, archives)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = collections.defaultdict(set)
    for line in done.stdout.splitlines():
        match = LINE.match(line)
        if match and match.group(3) in STRONG:
            found[match.group(4)].add(f"{pathlib.Path(match.group(1)).name}:{match.group(2)}")
    return found


def readable(symbol):
    done = subprocess.run(["c++filt", symbol], capture_output=True, text=True)
    return done.stdout.strip() or symbol


def main():
    build = pathlib.Path(os.environ.get("TAYFA_BUILD_DIR", "build"))
    # Libraries of tests and benchmarks are linked only by tests and benchmarks.
    archives = [
        path
        for path in sorted(build.rglob("libtayfa*.a"))
        if "tests" not in path.relative_to(build).parts
    ]
    if not archives or shutil.which("nm") is None:
        print("no archives, or no nm: nothing to check")
        return SKIPPED
    found = definitions(archives)
    twice = {symbol: places for symbol, places in found.items() if len(places) > 1}
    for symbol, places in sorted(twice.items()):
        print(
            f"{readable(symbol)} is defined in {' and in '.join(sorted(places))}", file=sys.stderr
        )
    print(f"{len(found)} symbols of {len(archives)} libraries, {len(twice)} defined twice")
    if not found:
        print("nm named no symbol at all", file=sys.stderr)
        return 1
    return 1 if twice else 0


if __name__ == "__main__":
    sys.exit(main())
