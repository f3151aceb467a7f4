#!/usr/bin/env python3
"""Checks that clones share their objects through ccache: check_shared_objects.py [ROOT]

Two folders with a clone's layout compile one source with a precompiled header, each with
runtime/setup/compile.sh and into one empty cache. The second has an old precompiled header and
compiles its own anew, so its bytes differ. It must take the object from the cache, and not take it
once the header says something else.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

LAUNCHER = "runtime/setup/compile.sh"
HEADER = "build/headers.hxx"
SOURCE = "source.cpp"


class Clone:
    def __init__(self, folder, cache, launcher):
        self.folder = folder
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("CCACHE_")}
        self.environment |= {"CCACHE_DIR": str(cache), "CCACHE_STATSLOG": str(folder / "statistics")}
        (folder / LAUNCHER).parent.mkdir(parents=True)
        (folder / "build").mkdir()
        shutil.copy(launcher, folder / LAUNCHER)
        (folder / SOURCE).write_text("int count() { return int(std::vector{WORD}.size()); }\n")
        self.write_header(1)

    def write_header(self, word):
        (self.folder / HEADER).write_text(f"#include <vector>\n#define WORD {word}\n")
        (self.folder / (HEADER + ".cxx")).write_text("/* empty */\n")

    def compile(self, arguments, **environment):
        command = [self.folder / LAUNCHER, "ccache", "g++", f"-I{self.folder}", "-std=c++20", "-g1", "-fpch-preprocess",
                   "-Winvalid-pch", "-Werror", *arguments]
        (self.folder / "statistics").unlink(missing_ok=True)
        subprocess.run(command, cwd=self.folder / "build", env=self.environment | environment, check=True)
        return "direct_cache_hit" in (self.folder / "statistics").read_text()

    def precompile(self, **environment):
        header = self.folder / HEADER
        return self.compile(["-x", "c++-header", "-include", header, "-MD", "-MT", "headers.hxx.gch", "-MF", "headers.d",
                             "-o", "headers.hxx.gch", "-c", f"{header}.cxx"], **environment)

    def compile_source(self):
        return self.compile(["-include", self.folder / HEADER, "-MD", "-MT", "source.o", "-MF", "source.d",
                             "-o", "source.o", "-c", self.folder / SOURCE])

    def precompiled(self):
        return (self.folder / (HEADER + ".gch")).read_bytes()


def check(root, places):
    """What does not hold, in words."""
    first = Clone(places / "first", places / "cache", root / LAUNCHER)
    second = Clone(places / "further" / "below", places / "cache", root / LAUNCHER)
    first.precompile()
    if first.compile_source():
        return "an empty cache had the object"
    second.precompile()
    second.precompile(CCACHE_RECACHE="1")
    if first.precompiled() == second.precompiled():
        return "the compiler has made the same precompiled header twice: this check proves nothing"
    if not second.compile_source():
        return "a second clone compiled an object that the first had compiled"
    second.write_header(2)
    second.precompile()
    if second.compile_source():
        return "a second clone took an object that was compiled with another header"
    return None


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    if shutil.which("ccache") is None or shutil.which("g++") is None:
        print("shared_objects: not checked: ccache or g++ is not installed")
        return 77
    with tempfile.TemporaryDirectory() as places:
        fault = check(root, pathlib.Path(places).resolve())
    if fault:
        print(f"{LAUNCHER}: shared objects: {fault}")
        return 1
    print("shared_objects: a second clone takes its objects from the first one's cache")
    return 0


if __name__ == "__main__":
    sys.exit(main())
