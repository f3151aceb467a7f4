#!/usr/bin/env python3
"""Counts what makes the house hard to read or to change: house_counts.py [--long] [ROOT]

Prints one line for each number: the product's lines of C++, comment blocks whose first sentence has
no subject, uses of words that docs/hacking.md replaces by the field's own, and the pages' sentences
that are too long. --long prints these sentences. Numbers of two commits are compared by running it on
both. It judges nothing; check_style.py does.
"""

import pathlib
import re
import sys

PRODUCT = ("messages", "runtime", "actors", "cluster")
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


def print_pages(root, with_text):
    for path in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        found = list(sentences(path.read_text(encoding="utf-8")))
        too_long = [each for each in found if each[0] > LONG]
        print(f"{len(too_long):7,} of {len(found):,} sentences of {path.relative_to(root)} have more than {LONG} words")
        for words, sentence in too_long if with_text else ():
            print(f"{words:13} {sentence}")


def main():
    arguments = [each for each in sys.argv[1:] if each != "--long"]
    root = pathlib.Path(arguments[0] if arguments else ".").resolve()
    lines = blocks = headless = 0
    found = dict.fromkeys(OLD_WORDS, 0)
    for path in sources(root):
        text = path.read_text(encoding="utf-8")
        own = text.splitlines()
        lines += len(own)
        for block in comment_blocks(own):
            words = block.lstrip("-= ")
            blocks += 1
            headless += bool(HEADLESS.match(words))
        for word in found:
            found[word] += len(re.findall(word, text))
    print(f"{lines:7,} lines of C++ in the product")
    print(f"{blocks:7,} comment blocks, {headless} of them ({headless / blocks:.0%}) without a subject")
    for word, count in found.items():
        print(f"{count:7,} uses of {word}  (instead: {OLD_WORDS[word]})")
    print_pages(root, "--long" in sys.argv)


if __name__ == "__main__":
    main()
