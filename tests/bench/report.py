"""The benchmarks' output: Markdown tables, and the parts of a file that they own."""

import os
import pathlib
import platform


def table(title, head, rows, note=""):
    text = [f"### {title}", ""] if title else []
    text += ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    text += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    if note:
        text += ["", note]
    return "\n".join(text) + "\n"


def machine():
    cpu = next(
        (
            x.split(":", 1)[1].strip()
            for x in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
            if x.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{len(os.sched_getaffinity(0))} cores of {cpu}, Linux {platform.release()}"


def load():
    return f"{os.getloadavg()[0]:.1f}"


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def middle(values):
    return sorted(values)[len(values) // 2]


def marks(name):
    return f"<!-- bench.py: {name} begin -->", f"<!-- bench.py: {name} end -->"


def written(path, parts):
    """Replaces what stands between the marks of each part; a part without marks goes to the end."""
    text = path.read_text() if path.is_file() else "# Benchmarks\n"
    for name, part in parts.items():
        begin, end = marks(name)
        if begin in text and end in text:
            head, _, rest = text.partition(begin)
            tail = rest.partition(end)[2]
        else:
            head, tail = text.rstrip("\n") + "\n\n", "\n"
        text = f"{head}{begin}\n{part.rstrip()}\n{end}{tail}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
