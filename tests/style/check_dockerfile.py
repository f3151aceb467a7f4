#!/usr/bin/env python3
"""Checks the Dockerfile and the package list against the tree and against Debian, since no image is
built here.

check_dockerfile.py [ROOT]      libraries of built programs: TAYFA_BUILD_DIR

What is copied exists and is not ignored, stages are named before use, base images are pinned,
nothing is fetched by ADD, the final stage is not root, has a health check and an entry point that
is built, asks for a key, and every package is known to apt. No page tells anybody to publish a port
to every interface.
"""

import fnmatch
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

GROUPS = {"build", "dev", "bench", "image"}
PROGRAMS = ("tayfa", "tayfa-engine", "libtayfa-engine-torch.so")
BASE_IMAGE = {"libc6", "libgcc-s1"}  # essential: every Debian image has them
ROOT_USERS = {"root", "0"}


def instructions(text):
    """(line number, instruction, rest) with continuations joined and comments dropped."""
    joined, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#") or (not joined and not line.strip()):
            continue
        start = start if joined else number
        if line.rstrip().endswith("\\"):
            joined += line.rstrip()[:-1] + " "
            continue
        word, _, rest = (joined + line).strip().partition(" ")
        yield start, word.upper(), rest.strip()
        joined = ""


def ignored(root, path):
    """The files that .dockerignore keeps from being sent (patterns without exceptions are all that we use)."""
    file = root / ".dockerignore"
    patterns = file.read_text().splitlines() if file.is_file() else []
    for pattern in (p.strip().strip("/") for p in patterns if p.strip() and not p.startswith("#")):
        plain = pattern.removeprefix("**/")
        if fnmatch.fnmatch(path, pattern) or path.startswith(plain + "/") or path == plain:
            return True
    return False


def check_copy(root, where, rest, stages):
    words = shlex.split(rest)
    flags = [w for w in words if w.startswith("--")]
    sources = [w for w in words if not w.startswith("--")][:-1]
    from_stage = next((f.split("=", 1)[1] for f in flags if f.startswith("--from=")), None)
    if from_stage is not None:
        if from_stage not in stages:
            yield f"{where}: COPY --from={from_stage} names no earlier stage"
        return
    if not sources:
        yield f"{where}: COPY without a source"
    for source in sources:
        if not list(root.glob(source)) if "*" in source else not (root / source).exists():
            yield f"{where}: COPY source {source} is not in the tree"
        elif ignored(root, source):
            yield f"{where}: COPY source {source} is kept out by .dockerignore"


def check_from(where, rest, stages):
    words = [w for w in rest.split() if not w.startswith("--")]
    image = words[0]
    if image not in stages and image != "scratch":
        _, _, tag = image.rpartition("/")[2].partition(":")
        if not tag or tag == "latest":
            yield f"{where}: base image {image} has no fixed tag"
    if len(words) != 3 or words[1].upper() != "AS":
        yield f"{where}: a stage without a name"
    else:
        stages.append(words[2])


def check_dockerfile(root, text):
    stages, final = [], {}
    for number, word, rest in instructions(text):
        where = f"Dockerfile:{number}"
        if word == "FROM":
            final = {}
            yield from check_from(where, rest, stages)
        elif word == "COPY":
            yield from check_copy(root, where, rest, stages)
        elif word == "ADD":
            yield f"{where}: ADD is not used (COPY says what it does, nothing is fetched from elsewhere)"
        elif word == "RUN" and re.search(r"\b(curl|wget)\b", rest):
            yield f"{where}: RUN fetches with curl or wget"
        elif word == "RUN" and "apt-get install" in rest and "--no-install-recommends" not in rest:
            yield f"{where}: apt-get install without --no-install-recommends"
        final[word] = rest
    if final.get("USER", "root").split(":")[0] in ROOT_USERS:
        yield "Dockerfile: the final stage runs as root"
    if re.search(r"\bTAYFA_HTTP_ALLOW_PUBLIC=(true|1|yes|on)\b", text):
        yield "Dockerfile: TAYFA_HTTP_ALLOW_PUBLIC lets everybody who reaches the port do everything, without a key"
    for word in ("ENTRYPOINT", "HEALTHCHECK"):
        if word not in final:
            yield f"Dockerfile: the final stage has no {word}"
    if not final.get("ENTRYPOINT", "[").startswith("["):
        yield "Dockerfile: ENTRYPOINT must be a list, so that signals reach the program and no shell"


PUBLISHED = re.compile(r"(?:-p|--publish)[ =]([0-9.:\[\]a-f]*\d)")


def check_published(where, text):
    """The commands in our pages publish a port to the own machine only: docker's plain -p 8000:8000 is every
    interface, and goes past the host's firewall.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if "docker" not in line and "podman" not in line:
            continue
        for target in PUBLISHED.findall(line):
            if not target.startswith(("127.", "[::1]")):
                yield f"{where}:{number}: -p {target} publishes to every interface; write 127.0.0.1:{target}"


def listed(text):
    """(line number, group, package) of packages.txt."""
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words:
            yield number, words, "#" in line


def check_packages(text):
    seen = set()
    for number, words, reasoned in listed(text):
        where = f"runtime/setup/packages.txt:{number}"
        if len(words) != 2 or words[0] not in GROUPS:
            yield f"{where}: a line is `group package # why`, group one of {', '.join(sorted(GROUPS))}"
        elif tuple(words) in seen:
            yield f"{where}: {words[1]} is listed twice"
        if not reasoned:
            yield f"{where}: no reason is given"
        seen.add(tuple(words))


def apt_knows_packages():
    """False where apt or its lists are missing: nothing can be said there."""
    if shutil.which("apt-cache") is None:
        return False
    known = subprocess.run(["apt-cache", "show", "bash"], capture_output=True, text=True)
    available = subprocess.run(
        ["apt-cache", "policy", "libcaf-dev"], capture_output=True, text=True
    )
    return known.returncode == 0 and "Candidate: (none)" not in available.stdout != ""


def check_apt(names):
    done = subprocess.run(["apt-cache", "policy", *names], capture_output=True, text=True)
    known = set(re.findall(r"^(\S+):\n(?:.*\n)?\s*Candidate: (?!\(none\))", done.stdout, re.M))
    for name in names:
        if name not in known:
            yield f"runtime/setup/packages.txt: apt-cache knows no package {name}"


def needed_libraries(program):
    """soname -> path, of what the program names itself (not what its libraries bring)."""
    header = subprocess.run(["objdump", "-p", program], capture_output=True, text=True).stdout
    direct = re.findall(r"^\s*NEEDED\s+(\S+)", header, re.M)
    resolved = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    paths = dict(re.findall(r"^\s*(\S+) => (/\S+)", resolved, re.M))
    return {name: paths[name] for name in direct if name in paths}


def check_image_libraries(build, packages):
    """The final image has every Debian library that the built programs link."""
    listed_there = {words[1] for _, words, _ in listed(packages) if words[0] == "image"}
    for name in PROGRAMS:
        program = build / name
        if not program.is_file():
            continue
        for soname, path in needed_libraries(program).items():
            real = os.path.realpath(path)
            owner = subprocess.run(["dpkg", "-S", real], capture_output=True, text=True).stdout
            package = owner.partition(":")[0]
            if package and package not in listed_there | BASE_IMAGE:
                yield f"packages.txt: {name} needs {soname}, but no `image {package}` is listed"


def self_test():
    """The checks catch what they are for."""
    root = pathlib.Path("/nonexistent")
    bad = """FROM debian:latest AS one
ADD https://example.org/x /x
COPY missing.txt /
RUN apt-get install -y vim
FROM debian AS two
COPY --from=three /a /a
ENV A=1 TAYFA_HTTP_ALLOW_PUBLIC=true
USER root
ENTRYPOINT tayfa serve
"""
    found = "\n".join(check_dockerfile(root, bad))
    found += "\n".join(check_published("x", "docker run -p 8000:8000 tayfa\ndocker run --publish=0.0.0.0:1:1 t\n"))
    expected = (
        "debian:latest has no fixed tag",
        "ADD is not used",
        "missing.txt is not in the tree",
        "--no-install-recommends",
        "image debian has no fixed tag",
        "--from=three",
        "runs as root",
        "no HEALTHCHECK",
        "must be a list",
        "TAYFA_HTTP_ALLOW_PUBLIC",
        "x:1: -p 8000:8000 publishes",
        "x:2: -p 0.0.0.0:1:1 publishes",
    )
    missed = [text for text in expected if text not in found]
    missed += check_published("x", "docker run -p 127.0.0.1:8000:8000 tayfa\nmkdir -p 8000\n")
    packages = "\n".join(check_packages("build g++\nbuild a # x\nbuild a # y\nother b # z\n"))
    missed += [
        text for text in ("no reason", "listed twice", "group package") if text not in packages
    ]
    return [f"self-test: not found: {text}" for text in missed]


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    root = pathlib.Path(arguments[0] if arguments else __file__).resolve()
    root = root if root.is_dir() else root.parents[2]
    packages = (root / "runtime/setup/packages.txt").read_text()
    problems = self_test()
    problems += check_dockerfile(root, (root / "Dockerfile").read_text())
    for page in (root / "Dockerfile", root / "README.md", *sorted((root / "docs").glob("*.md"))):
        problems += check_published(page.relative_to(root), page.read_text())
    problems += check_packages(packages)
    names = sorted({words[1] for _, words, _ in listed(packages) if len(words) == 2})
    if apt_knows_packages():
        problems += check_apt(names)
        print(f"{len(names)} package names asked of apt-cache")
    else:
        print("apt-cache has no package lists here: package names are not checked")
    build = os.environ.get("TAYFA_BUILD_DIR")
    if build and all(map(shutil.which, ("dpkg", "objdump", "ldd"))):
        problems += check_image_libraries(pathlib.Path(build), packages)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
