#!/usr/bin/env python3
"""The house rules that a script can check. Standard library only.

    check_style.py [ROOT]        prints `path:line: rule: words` for every break, exits 1 when there is one
    check_style.py --rooms       prints the picture of tests/style/rooms.txt for docs/architecture.md

A break that must be tolerated for now stands in tests/style/exceptions.txt, one a line: `rule path` or, for sizes,
`rule path limit`. An exception that is no longer needed is itself a break, so that the list only gets shorter.
"""
import re
import sys
from dataclasses import dataclass
from pathlib import Path

LAYERS = ["messages", "runtime", "actors", "cluster"]  # bottom to top: includes point only down
FOLDERS = LAYERS + ["tests"]
CODE = {".hpp", ".cpp", ".inc"}
TEXT = CODE | {".txt", ".cmake", ".py", ".sh", ".md", ".toml", ".js", ".html", ".css"}
SKIPPED = {"__pycache__", "corpus", "node_modules"}
FILE_LINES = 450
LINE_COLUMNS = 100  # of comments: clang-format leaves them as they are
FUNCTION_LINES = 70

CAF_ALLOWED = ("messages/interfaces.", "actors/", "cluster/", "tests/")
TORCH_ALLOWED = ("runtime/engine/torch", "tests/unit/torch")
WORLD_ALLOWED = ("runtime/base/", "runtime/host/", "runtime/machine/", "runtime/cli/", "cluster/program")
TEST_SLEEP_ALLOWED = ("tests/e2e/",)

CAF = re.compile(r"<caf/")
TORCH = re.compile(r"<(torch|ATen|c10)/")
SLEEPS = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep)\b")
WORLD = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|random_device|(system|steady|high_resolution)_clock::now)\b")
# Numbers that follow from those before, and the simulation's ids: where they are made into a secret it is none.
PREDICTABLE = re.compile(r"\b(mt19937(_64)?|minstd_rand0?|ranlux\w+|knuth_b|default_random_engine|[dlm]rand48|rand_r|seeded_secrets)\b")
PREDICTABLE_ALLOWED = ("runtime/base/random.", "runtime/store/sim_", "actors/sim/", "tests/")
# Timers of the system and of libraries go on while the pod does not run; these places know how to deal with that.
RAW_TIMER = re.compile(r"\bdelayed_(anon_)?send\b|\btimer& \w+\)|\brequest\([^;]*?caf::timespan|\bCURLOPT_TIMEOUT(_MS)?\b")
TIMERS_ALLOWED = ("actors/common.hpp", "actors/sim/", "runtime/cli/", "runtime/http_client/client.", "tests/")
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"]) + r")\b")
# Words of an earlier vocabulary, and the field's own for what they meant (docs/hacking.md, Dictionary).
OLD_WORDS = {"crew": "directory", "mates": "directory", "deed": "deferred_reply", "giver": "dispatcher", "desk": "gateway",
             "owe": "pending delivery", "owed": "undelivered", "news": "event, reply, status", "taker": "executor",
             "nursery": "fork server", "weather": "faults", "crowd": "workers, clients", "book": "registry, state",
             "told": "notified, sent, reported", "stray": "orphan", "spare": "headroom, free", "seat": "worker_handle, place",
             "job_line": "job_summary", "slot_line": "slot_summary", "remote_line": "remote_summary",
             "event_line": "event_connection", "leave_line": "leave_queue", "turned_away": "rejected"}
OLD_WORD = re.compile(r"(?<![a-z])(" + "|".join(OLD_WORDS) + r")s?(?![a-z])", re.I)
# Names that users rely on and that contain such a word: an event of the log, the rendering of an event as a line of text.
KEPT_NAMES = re.compile(r"\b(unhealthy_told|event_line_text)\b")
# A comment's first sentence has a subject: none of these words begins it.
HEADLESS = re.compile(r"(What|One|Of|Where|Who|Whoever|Whatever|Whether|Nobody|That|Said|Asked|Told|It)\b")
SWITCHED_OFF = re.compile(r"\bDISABLED" + r"_\w+")
ROOMS = "tests/style/rooms.txt"  # which room of runtime/ may include which
PICTURE = "docs/architecture.md"
PICTURE_MARKS = ("<!-- rooms -->\n", "<!-- end -->")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"][^>"]*[>"])', re.M)


@dataclass(frozen=True)
class Break:
    path: str
    line: int
    rule: str
    words: str
    size: int = 0

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.words}"


@dataclass(frozen=True)
class Room:
    name: str
    below: tuple  # the rooms that it may include
    holds: str
    line: int


def read_rooms(root):
    """The rows of tests/style/rooms.txt, bottom to top."""
    listed = Path(root) / ROOMS
    rows = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    found = []
    for number, row in enumerate(rows, 1):
        if row.strip() and not row.startswith("#"):
            name, below, holds = (part.strip() for part in row.split("|"))
            found.append(Room(name, tuple(b.strip() for b in below.split(",") if b.strip()), holds, number))
    return found


def picture_of(rooms):
    """The table of docs/architecture.md; as in the table of the layers, includes point up."""
    rows = [f"| `{r.name}` | {r.holds} | {', '.join(f'`{b}`' for b in r.below) or '-'} |" for r in rooms]
    return "\n".join(["| room of `runtime/` | holds | may include, beside `messages/` |", "| --- | --- | --- |", *rows]) + "\n"


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def without_comments(text):
    """The code with comments and the insides of literals blanked; lines and columns stay."""
    token = re.compile(
        r'R"(?P<tag>[^()\\ ]{0,16})\((?:.|\n)*?\)(?P=tag)"'
        r'|//[^\n]*|/\*(?:.|\n)*?\*/|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'')

    def blank(match):
        found = match.group(0)
        if found.startswith('"'):
            return '"' + " " * (len(found) - 2) + '"'
        return re.sub(r"[^\n]", " ", found)

    return token.sub(blank, text)


SPACE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b[^()=]*$")
MEMBER_INIT = re.compile(r"\)[^;{}]*[^:]:[^:](?:.|\n)*[\w>]\s*$")  # `a(int x) : b_` before the brace of `b_{x}`


def kind_of_brace(words, parens, inside):
    """The kind of what a brace opens, by the words before it: a space (namespace, class), a function, or anything else."""
    if inside or parens > 0 or MEMBER_INIT.search(words):
        return "other"
    if SPACE.search(words):
        return "space"
    return "function" if "(" in words else "other"


def functions(code):
    """(name, first line, lines) of every function; a rough reading of braces, good enough for a size."""
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: re.sub(r"[^\n]", " ", m.group(0)), code, flags=re.M)
    stack = []  # of every open brace: its kind, where its statement begins, the parentheses open around it
    head = 0    # where the statement in hand begins
    parens = 0
    found = []
    for at, c in enumerate(code):
        if c in "()":
            parens += 1 if c == "(" else -1
        elif c == ";" and parens == 0:
            head = at + 1
        elif c == "{":
            inside = any(kind == "function" for kind, *_ in stack)
            stack.append((kind_of_brace(code[head:at], parens, inside), head, parens))
            parens, head = 0, at + 1
        elif c == "}" and stack:
            kind, begin, parens = stack.pop()
            within_a_head = kind == "other" and (parens > 0 or MEMBER_INIT.search(code[begin:code.find("{", begin)]))
            head = begin if within_a_head else at + 1
            if kind == "function":
                words = code[begin:at]
                begin += len(words) - len(words.lstrip())
                name = re.search(r"([~\w:]+)\s*\(", words)
                first = line_of(code, begin)
                found.append((name.group(1) if name else "?", first, line_of(code, at) - first + 1))
    return found


class Checker:
    def __init__(self, root):
        self.root = Path(root)
        self.breaks = []
        self.rooms = {room.name: room for room in read_rooms(root)}
        self.arrows = set()  # (room, room) that an include has

    def add(self, path, line, rule, words, size=0):
        self.breaks.append(Break(path, line, rule, words, size))

    def files(self):
        for folder in FOLDERS:
            for path in sorted((self.root / folder).rglob("*")):
                inside = path.relative_to(self.root)
                if path.is_file() and path.suffix in TEXT and not SKIPPED & set(inside.parts):
                    yield inside.as_posix(), path

    def run(self):
        for name, path in self.files():
            text = path.read_text(encoding="utf-8", errors="replace")
            self.check_words(name, text)
            if path.suffix in CODE:
                self.check_room(name)
                self.check_vocabulary(name, text)
                self.check_comments(name, text)
                code = without_comments(text)
                self.check_includes(name, text)
                self.check_world(name, code)
                self.check_size(name, text, code)
            if path.suffix == ".hpp":
                self.check_header(name, text)
        self.check_rooms()
        return self.settle_exceptions()

    def check_words(self, name, text):
        for match in UNFINISHED.finditer(text):
            self.add(name, line_of(text, match.start()), "unfinished", f"{match.group(0)}: finish it or open an issue")
        for match in SWITCHED_OFF.finditer(text):
            self.add(name, line_of(text, match.start()), "disabled_test", f"{match.group(0)} is not run")

    def check_vocabulary(self, name, text):
        for match in OLD_WORD.finditer(KEPT_NAMES.sub(lambda m: " " * len(m.group(0)), text)):
            words = f"{match.group(0)}: {OLD_WORDS[match.group(1).lower()]} (docs/hacking.md, Dictionary)"
            self.add(name, line_of(text, match.start()), "vocabulary", words)

    def check_comments(self, name, text):
        inside = False
        for number, line in enumerate(text.splitlines(), 1):
            comment = re.match(r"\s*//[/<]*\s*(.*)", line)
            if comment and not inside and HEADLESS.match(comment.group(1)):
                words = f"{comment.group(1)[:40]}…: say who does what to whom, the subject first"
                self.add(name, number, "headless_comment", words)
            inside = comment is not None

    def check_includes(self, name, text):
        for match in INCLUDE.finditer(text):
            what, line = match.group(1), line_of(text, match.start())
            if what[0] == '"':
                self.check_own_include(name, line, what[1:-1])
            if CAF.match(what) and not name.startswith(CAF_ALLOWED):
                self.add(name, line, "caf", f"{what}: CAF stays in messages/interfaces.hpp, actors and cluster")
            if TORCH.match(what) and not name.startswith(TORCH_ALLOWED):
                self.add(name, line, "torch", f"{what}: libtorch stays under {TORCH_ALLOWED[0]}*")

    def check_own_include(self, name, line, what):
        target = what.split("/")[0]
        if target not in FOLDERS or not (self.root / what).is_file():
            self.add(name, line, "include_path", f'"{what}" is not a file named from the root of the repository')
            return
        here = name.split("/")[0]
        if FOLDERS.index(target) > FOLDERS.index(here):
            self.add(name, line, "layers", f"{here} includes {target}: includes point only down ({' <- '.join(LAYERS)})")

        room, other = self.room_of(name), self.room_of(what)
        if room and other and room != other:
            self.arrows.add((room.name, other.name))
            if other.name not in room.below:
                may = ", ".join(room.below) or "messages only"
                self.add(name, line, "rooms", f"runtime/{room.name} includes runtime/{other.name}: it may include {may} ({ROOMS})")

    def room_of(self, name):
        """The room that a file of runtime/ is in: the longest name that fits."""
        parts = name.split("/")[1:-1] if name.startswith("runtime/") else []
        names = ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]
        return next((self.rooms[n] for n in names if n in self.rooms), None)

    def check_room(self, name):
        if name.startswith("runtime/") and self.room_of(name) is None:
            self.add(name, 1, "rooms", f"its folder is no room of {ROOMS}")

    def check_rooms(self):
        """The list itself: its order, its arrows, its folders and its picture."""
        known = []
        for room in self.rooms.values():
            for below in room.below:
                if below not in known:
                    self.add(ROOMS, room.line, "rooms", f"{room.name} may include {below}, which does not stand above it")
                elif (room.name, below) not in self.arrows:
                    self.add(ROOMS, room.line, "rooms", f"nothing of {room.name} includes {below} any more")
            if not (self.root / "runtime" / room.name).is_dir():
                self.add(ROOMS, room.line, "rooms", f"runtime/{room.name} is no folder")
            known.append(room.name)
        page = self.root / PICTURE
        text = page.read_text(encoding="utf-8") if page.is_file() else ""
        if "".join([PICTURE_MARKS[0], picture_of(list(self.rooms.values())), PICTURE_MARKS[1]]) not in text:
            self.add(PICTURE, 1, "rooms", f"its picture is not that of {ROOMS}: check_style.py --rooms prints it")

    def check_world(self, name, code):
        if not name.startswith(TIMERS_ALLOWED):
            for match in RAW_TIMER.finditer(code):
                words = "goes on while the pod does not run (send_timer, when_due, time_source::until)"
                self.add(name, line_of(code, match.start()), "timers", f"{match.group(0)}: {words}")
        in_tests = name.startswith("tests/")
        allowed = name.startswith(TEST_SLEEP_ALLOWED if in_tests else WORLD_ALLOWED)
        for match in () if allowed else (SLEEPS if in_tests else WORLD).finditer(code):
            words = "wait for an event instead" if in_tests else "time and randomness are arguments (runtime/base)"
            self.add(name, line_of(code, match.start()), "world", f"{match.group(0)}: {words}")

        if name.startswith(PREDICTABLE_ALLOWED):
            return
        for match in PREDICTABLE.finditer(code):
            self.add(name, line_of(code, match.start()), "predictable",
                     f"{match.group(0)}: ids and keys come from a secret_source, chance from a random_source (runtime/base)")

    def check_size(self, name, text, code):
        lines = text.count("\n") + (not text.endswith("\n"))
        if lines > FILE_LINES:
            self.add(name, 1, "long_file", f"{lines} lines, at most {FILE_LINES}", lines)
        for number, line in enumerate(text.splitlines(), 1):
            if not name.endswith(".inc") and line.lstrip().startswith("//") and len(line) > LINE_COLUMNS:
                self.add(name, number, "long_comment", f"{len(line)} columns, at most {LINE_COLUMNS}")
        for function, first, size in functions(code):
            if size > FUNCTION_LINES:
                self.add(name, first, "long_function", f"{function} has {size} lines, at most {FUNCTION_LINES}", size)

    def check_header(self, name, text):
        if not text.startswith("//"):
            self.add(name, 1, "header_comment", "a header opens with what it is, who owns it, its invariants")
        if not re.search(r"^#pragma once$", text, re.M):
            self.add(name, 1, "pragma_once", "a header has #pragma once")

    def settle_exceptions(self):
        listed = self.root / "tests" / "style" / "exceptions.txt"
        remaining = list(self.breaks)
        rows = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
        for number, row in enumerate(rows, 1):
            parts = row.split("#")[0].split()
            if not parts:
                continue
            limit = int(parts[2]) if len(parts) == 3 else None
            tolerated = [b for b in remaining if [b.rule, b.path] == parts[:2] and (limit is None or b.size <= limit)]
            if not tolerated:
                remaining.append(Break("tests/style/exceptions.txt", number, "exception", f"`{row}` is not needed"))
            remaining = [b for b in remaining if b not in tolerated]
        return remaining


def main(arguments):
    here = Path(__file__).resolve().parents[2]
    if arguments[1:] == ["--rooms"]:
        print(picture_of(read_rooms(here)), end="")
        return 0
    root = Path(arguments[1]) if len(arguments) > 1 else here
    breaks = Checker(root).run()
    for each in breaks:
        print(each)
    checked = sum(1 for _ in Checker(root).files())
    print(f"{checked} files, {len(breaks)} breaks")
    return 1 if breaks or checked == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
