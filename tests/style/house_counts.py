#!/usr/bin/env python3
"""Counts what makes the house hard to read or to change: house_counts.py [ROOT]

Prints one line for each number: the product's lines of C++, comment blocks whose first sentence has
no subject, and uses of words that docs/hacking.md replaces by the field's own. Numbers of two commits
are compared by running it on both. It judges nothing; check_style.py does.
"""

import pathlib
import re
import sys

PRODUCT = ("messages", "runtime", "actors", "cluster")
HEADLESS = re.compile(r"^(What|One|Of|Where|Who|Whoever|Whatever|Whether|Nobody|That|Said|Asked|Told)\b")
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


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
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


if __name__ == "__main__":
    main()
