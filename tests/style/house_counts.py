#!/usr/bin/env python3
"""Counts what makes the house hard to read, to change or to build.

    house_counts.py [--long] [ROOT]     the tree: lines by room, comments without a subject, old words, long sentences
    house_counts.py COMMIT COMMIT       the same of two commits, side by side
    house_counts.py --places BASE COMMIT…   files and lines that each commit changes: what an addition costs
    house_counts.py --log LOG [LOG]     seconds of compilers and linkers in one or two logs of ninja (BUILD/.ninja_log)

--long prints the sentences of the pages that are too long. Seconds are the last ones of each output: those of a cold
build when nothing came from ccache (CCACHE_RECACHE=1). It judges nothing; check_style.py does.
"""

import collections
import io
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

PRODUCT = ("messages", "runtime", "actors", "cluster")
# What `TAYFA_UPDATE_DOCS=1` and `tayfa config --markdown` write.
GENERATED = ("docs/openapi.json", "docs/configuration.md", "tests/unit/api/answers.golden")
HEADLESS = re.compile(r"^(What|One|Of|Where|Who|Whoever|Whatever|Whether|Nobody|That|Said|Asked|Told|It)\b")
# The word, and what a reader is to find instead.
OLD_WORDS = {
    r"\btold\b|_told_?\b|\btell_\w+": "notified, reported, sent",
    r"\bow(e|es|ed)\b|\bowed?_\w*|\w+_owed?\b": "pending delivery, outbox",
    r"\bcrew\w*\b|\bmates\b": "directory of actors, peers",
    r"\b\w+_news\b|\bnews\b": "event, completion, status",
    r"\bdeeds?\b|\bpromised\b": "deferred reply",
    r"\bseats?\b": "worker handle",
    r"\bdesks?\b": "gateway",
    r"\bgivers?\b|\btakers?\b": "dispatcher, executor",
    r"\b\w*books?\b": "registry, table, state",
    r"\bstrays?\b|\bspares?\b": "orphaned, unclaimed",
    r"\bnursery\b|\bweather\b|\bcrowd\b": "fork server, fault profile, fleet",
}

LONG = 30  # words; a sentence above it is hard to follow at first reading
# A sentence ends before a blank and a capital, a digit, an opening mark or code.
SENTENCE_END = re.compile(r"(?<=[.!?])[)\"*_]*\s+(?=[A-Z*(\d\"\[])")
WORD = re.compile(r"[\w'-]*[A-Za-z0-9][\w'./-]*")


def sources(root):
    for folder in PRODUCT:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".cpp", ".hpp", ".inc"):
                yield path


def comment_blocks(lines):
    """The text of each run of comment lines."""
    block = []
    for line in lines + [""]:
        text = line.strip()
        if text.startswith("//"):
            block.append(text.lstrip("/<").strip())
        elif block:
            yield " ".join(block)
            block = []


def passages(page):
    """A page's paragraphs, list items and table cells; no code blocks, no headings."""
    page = re.sub(r"<!--.*?-->", "", page, flags=re.S)
    page = re.sub(r"^```.*?^```[ \t]*$", "\n", page, flags=re.M | re.S)
    block = []
    for line in page.splitlines() + [""]:
        text = line.strip()
        item = re.match(r"([*+-]|\d+\.) ", text)
        if block and (not text or item or text[0] in "|#"):
            yield " ".join(block)
            block = []
        if text.startswith("|"):
            yield from (cell.strip() for cell in re.split(r"(?<!\\)\|", text))
        elif text and not text.startswith("#"):
            block.append(text[item.end() :] if item else text)


def sentences(page):
    """The words' number and the text of each sentence; a piece of code is one word."""
    for passage in passages(page):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`", "Code", passage))
        for sentence in SENTENCE_END.split(plain):
            words = len(WORD.findall(sentence))
            if words:
                yield words, sentence


def room_of(path):
    """"messages", "runtime/core", "actors", "actors/sim", "cluster": the first folders that say what a file is for."""
    return "/".join(path.parts[:2] if len(path.parts) > 2 else path.parts[:1])


def count_code(root, counts):
    for path in sources(root):
        text = path.read_text(encoding="utf-8")
        own = text.splitlines()
        counts["lines of C++ in the product"] += len(own)
        counts[f"  {room_of(path.relative_to(root))}"] += len(own)
        for block in comment_blocks(own):
            counts["comment blocks"] += 1
            counts["  without a subject"] += bool(HEADLESS.match(block.lstrip("-= ")))
        for word in OLD_WORDS:
            counts[old_word_title(word)] += len(re.findall(word, text))


def old_word_title(word):
    return "uses of " + re.sub(r"\\[bw][*+]?|_\?|[()?]", "", word.split("|")[0]) + f", now {OLD_WORDS[word]}"


def count_pages(root, counts, with_text):
    for path in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        if not path.is_file():
            continue
        found = list(sentences(path.read_text(encoding="utf-8")))
        too_long = [each for each in found if each[0] > LONG]
        counts["sentences of the pages"] += len(found)
        counts[f"  with more than {LONG} words"] += len(too_long)
        counts[f"    in {path.relative_to(root)}"] += len(too_long)
        for words, sentence in too_long if with_text else ():
            print(f"{path.relative_to(root)}: {words} words: {sentence}")


def counts_of(root, with_text=False):
    counts = collections.Counter()
    # The rows in the order in which they are printed, also those of which there is none.
    counts["lines of C++ in the product"] = 0
    for room in sorted({room_of(path.relative_to(root)) for path in sources(root)}):
        counts[f"  {room}"] = 0
    for title in ("comment blocks", "  without a subject", *map(old_word_title, OLD_WORDS)):
        counts[title] = 0
    count_code(root, counts)
    count_pages(root, counts, with_text)
    return counts


def counts_of_commit(commit):
    packed = subprocess.run(["git", "archive", commit], check=True, capture_output=True).stdout
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(fileobj=io.BytesIO(packed)) as tree:
            tree.extractall(place)
        return counts_of(pathlib.Path(place))


def seconds_in(log):
    """Seconds by kind of output; of an output that was made more than once, the last ones."""
    last = {}
    for line in pathlib.Path(log).read_text(encoding="utf-8").splitlines()[1:]:
        begin, end, _, output, _ = line.split("\t")
        last[output] = (int(end) - int(begin)) / 1000
    counts = collections.Counter()
    for whose in ("product", "tests"):
        for kind in ("objects", "precompiled headers", "libraries and programs"):
            for what in ("number of", "seconds of"):
                counts[f"{whose}: {what} {kind}"] = 0
    for output, seconds in last.items():
        name = pathlib.PurePath(output).name
        whose = "tests" if output.startswith("tests/") else "product"
        kind = {".o": "objects", ".gch": "precompiled headers", ".pch": "precompiled headers"}.get(
            pathlib.PurePath(output).suffix, "libraries and programs")
        if "." in name and kind == "libraries and programs" and not name.endswith((".a", ".so")):
            continue  # lists of tests, generated files
        counts[f"{whose}: number of {kind}"] += 1
        counts[f"{whose}: seconds of {kind}"] += seconds
    return counts


def places(base, commit):
    """(files, lines) in the product, then in tests, docs and build files; what the tests write anew is left out."""
    listed = subprocess.run(["git", "diff", "--numstat", f"{base}...{commit}"], check=True, capture_output=True, text=True)
    found = {True: [0, 0], False: [0, 0]}
    for line in listed.stdout.splitlines():
        added, removed, path = line.split("\t")
        if path in GENERATED:
            continue
        of = found[path.startswith(PRODUCT) and not path.endswith("CMakeLists.txt")]
        of[0] += 1
        of[1] += int(added) + int(removed)
    return (*found[True], *found[False])


def print_columns(columns):
    titles = []
    for column in columns:
        at = 0
        for title in column:
            if title in titles:
                at = titles.index(title) + 1
            else:
                titles.insert(at, title)
                at += 1
    for title in titles:
        print("".join(f"{column[title]:10,.0f}" for column in columns) + f"  {title}")


def main():
    arguments = [each for each in sys.argv[1:] if not each.startswith("--")]
    if "--places" in sys.argv:
        print("product: files, lines; tests, docs and build files: files, lines")
        for commit in arguments[1:]:
            print("".join(f"{number:7,}" for number in places(arguments[0], commit)) + f"  {commit}")
    elif "--log" in sys.argv:
        print_columns([seconds_in(log) for log in arguments])
    elif len(arguments) == 2:
        print_columns([counts_of_commit(commit) for commit in arguments])
    else:
        root = pathlib.Path(arguments[0] if arguments else ".").resolve()
        print_columns([counts_of(root, "--long" in sys.argv)])


if __name__ == "__main__":
    main()
