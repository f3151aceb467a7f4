#!/usr/bin/env python3
"""Makes the small models that plugin_test.cpp runs: several inputs and outputs, every element type, and faulty ones.

    python make_test_models.py FOLDER
"""

import hashlib
import json
import pathlib
import sys
from typing import Dict, List, NamedTuple, Optional, Tuple

import torch

TYPES = ["uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "bool"]


class Types(torch.nn.Module):
    """An input of every type; numbers grow by one, truths turn around."""

    def forward(self, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor, d: torch.Tensor, e: torch.Tensor,
                f: torch.Tensor, g: torch.Tensor, h: torch.Tensor, i: torch.Tensor, j: torch.Tensor):
        return a + 1, b + 1, c + 1, d + 1, e + 1, f + 1, g + 1, h + 1, i + 1, torch.logical_not(j)


class Named(torch.nn.Module):
    """Outputs by name, in another order than the manifest's; one of them a scalar."""

    def forward(self, table: torch.Tensor, weights: torch.Tensor) -> Dict[str, torch.Tensor]:
        rows = table * weights.unsqueeze(1).to(torch.float32)
        return {"mean": rows.mean(), "rows": rows}


class Negative(torch.nn.Module):
    """A picture of floats 0..1 with alpha: colours turned around, alpha kept; and how bright it is."""

    def forward(self, picture: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        colours = 1.0 - picture[:, :3]
        return torch.cat([colours, picture[:, 3:]], 1), picture[:, :3].mean([1, 2, 3])


class Moody(torch.nn.Module):
    """Does what its input says: 0 answers, 1 raises, 2 asks for far too much memory, 3 gives another shape,
    4 another type, 5 values that are not finite, 6 fails inside an operator."""

    def forward(self, mood: torch.Tensor) -> torch.Tensor:
        what = int(mood[0].item())
        if what == 1:
            raise RuntimeError("the mood is bad\nand this line is nobody's business")
        if what == 2:
            return torch.zeros([1 << 50], dtype=torch.float32)
        if what == 3:
            return torch.zeros([7], dtype=torch.float32)
        if what == 4:
            return torch.zeros([2], dtype=torch.float64)
        if what == 5:
            return torch.zeros([2], dtype=torch.float32) / torch.zeros([2], dtype=torch.float32)
        if what == 6:
            return torch.zeros([2, 3]) + torch.zeros([2, 4])
        return torch.ones([2], dtype=torch.float32)


class Liar(torch.nn.Module):
    """Its manifest promises two numbers."""

    def forward(self, mood: torch.Tensor) -> torch.Tensor:
        return torch.ones([3], dtype=torch.float32)


class Wide(torch.nn.Module):
    """Much more weight than work: what a batch is for."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.layers = torch.nn.Sequential(torch.nn.Linear(16, 1024), torch.nn.ReLU(), torch.nn.Linear(1024, 1024),
                                          torch.nn.ReLU(), torch.nn.Linear(1024, 1024), torch.nn.ReLU(),
                                          torch.nn.Linear(1024, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class Difference(torch.nn.Module):
    """Two inputs whose order matters."""

    def forward(self, context: torch.Tensor, question: torch.Tensor) -> torch.Tensor:
        return context - question


class Counter(torch.nn.Module):
    """Writes to its own attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = self.seen + 1
        return x + self.seen


class Inner(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(2))
        self.weight = torch.nn.Parameter(torch.ones(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.total[:1].add_(x[:1])
        return x * self.weight + self.total


class Remembers(torch.nn.Module):
    """State in every other way: a view of a part's buffer written in place, a list that grows, a number, a part of
    its own class."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Inner()
        self.past: List[torch.Tensor] = [torch.zeros(1)]
        self.calls = 0

    def forward(self, x: torch.Tensor) -> Tuple[torch.Tensor, int, int]:
        self.past.append(x)
        self.calls += 1
        return self.inner(x), len(self.past), self.calls


class Kept(torch.nn.Module):
    """Writes into a tensor that a list of its own holds."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: List[torch.Tensor] = [torch.zeros(1), torch.zeros(1)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for one in self.kept:
            one.add_(1)
        return x + self.kept[1]


class Signature(NamedTuple):
    total: torch.Tensor
    count: int


class Everything(torch.nn.Module):
    """Arguments and results of every type that a job can give and take."""

    def forward(self, x: torch.Tensor, times: int, scale: float, flip: bool, word: str, sizes: List[int],
                pair: Tuple[torch.Tensor, torch.Tensor], more: Dict[str, torch.Tensor],
                extra: Optional[torch.Tensor] = None, plus: int = 7) -> Dict[str, torch.Tensor]:
        total = x * times * scale + pair[0] - pair[1] + plus
        for size in sizes:
            total = total + size
        for value in more.values():
            total = total + value
        if extra is not None:
            total = total + extra
        if flip:
            total = -total
        return {"total": total, "letters": torch.tensor([len(word)]), "unasked": x}


class Results(torch.nn.Module):
    """Numbers, texts, None and nested tuples out; more than a manifest need name."""

    def forward(self, x: torch.Tensor) -> Tuple[Signature, float, bool, str, List[str], Optional[torch.Tensor], List[int]]:
        return Signature(x.sum(), 3), 0.5, True, "caf\u00e9", ["a", "bcd"], None, [1, 2]


class Shout(torch.nn.Module):
    """Texts in, texts out."""

    def forward(self, texts: List[str]) -> Tuple[List[str], torch.Tensor]:
        out: List[str] = []
        for text in texts:
            out.append(text.upper())
        return out, torch.tensor([len(text) for text in texts])


class Lengths(torch.nn.Module):
    """Takes no length of 0."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(4, 8, batch_first=True)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        _, (h, _) = self.lstm(packed)
        return h[-1]


class Particular(torch.nn.Module):
    """Raises for what is not at least 5, which nothing made up is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert bool(x.min() >= 5), "at least five"
        return x


class Boxes(torch.nn.Module):
    """As a detector: often nothing."""

    def forward(self, scores: torch.Tensor) -> torch.Tensor:
        return (scores > 0.5).nonzero()


def tensor(name: str, dtype: str, shape: list, **more) -> dict:
    return {"name": name, "dtype": dtype, "shape": shape, **more}


def write(folder: pathlib.Path, name: str, module: torch.nn.Module, inputs: list, outputs: list, **more) -> None:
    path = folder / f"{name}.pt"
    made = module if isinstance(module, torch.jit.ScriptModule) else torch.jit.script(module.eval())
    made.save(str(path))
    manifest = {"format": 1, "name": name, "kind": "torchscript", "device": "any",
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "inputs": inputs, "outputs": outputs, **more}
    pathlib.Path(f"{path}.manifest.json").write_text(json.dumps(manifest))


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    batch = {"batch_axis": 0}
    write(folder, "types", Types(),
          [tensor("in_" + t, t, [[1, 4], 3], **batch) for t in TYPES],
          [tensor("out_" + t, t, [[1, 4], 3], **batch) for t in TYPES])
    write(folder, "named", Named(),
          [tensor("table", "float32", [[1, 100], [2, 200]], **batch), tensor("weights", "int32", [[1, 100]], **batch)],
          [tensor("rows", "float32", [[1, 100], [2, 200]], **batch), tensor("mean", "float32", [])])
    picture = [[1, 4], 4, [1, 64], [1, 64]]
    write(folder, "negative", Negative(),
          [tensor("picture", "float32", picture, form="image", scale=1 / 255, **batch)],
          [tensor("negative", "float32", picture, form="image", scale=1 / 255, **batch),
           tensor("brightness", "float32", [[1, 4]], **batch)])
    write(folder, "wide", Wide(), [tensor("x", "float32", [[1, 32], 16], **batch)],
          [tensor("y", "float32", [[1, 32], 4], **batch)])
    mood = [tensor("mood", "int64", [1])]
    write(folder, "moody", Moody(), mood, [tensor("answer", "float32", [2])])
    write(folder, "liar", Liar(), mood, [tensor("answer", "float32", [2])])
    write(folder, "needs_gpu", Moody(), mood, [tensor("answer", "float32", [2])], device="cuda")
    strangers(folder)


def strangers(folder: pathlib.Path) -> None:
    """Models like those that people write."""
    batch = {"batch_axis": 0}
    pair = tensor("question", "float32", [2]), tensor("context", "float32", [2])
    write(folder, "difference", Difference(), [*pair], [tensor("y", "float32", [2])])
    write(folder, "difference_other", Difference(), [tensor("a", "float32", [2]), tensor("b", "float32", [2])],
          [tensor("y", "float32", [2])])
    one = [tensor("x", "float32", [1])]
    write(folder, "counter", Counter(), one, [tensor("y", "float32", [1])])
    write(folder, "remembers", Remembers(), [tensor("x", "float32", [2])],
          [tensor("y", "float32", [2]), tensor("past", "int64", []), tensor("calls", "int64", [])])
    write(folder, "kept", Kept(), one, [tensor("y", "float32", [1])])
    norm = torch.jit.trace(torch.nn.BatchNorm1d(2, momentum=0.5).train(), torch.randn(4, 2), check_trace=False)
    write(folder, "training", torch.jit.script(Trained(norm)), [tensor("x", "float32", [4, 2])],
          [tensor("mean", "float32", [2])])
    write(folder, "everything", Everything(),
          [tensor("word", "uint8", [[0, 20]], form="text"), tensor("flip", "bool", []),
           tensor("scale", "float32", []), tensor("times", "int64", []), tensor("x", "float32", [2]),
           tensor("sizes", "int32", [[0, 4]]), tensor("pair.0", "float32", [2]), tensor("pair.1", "float32", [2]),
           tensor("more.b", "float32", [2]), tensor("more.a", "float32", [2])],
          [tensor("letters", "int64", [1]), tensor("total", "float32", [2])])
    write(folder, "results", Results(), one,
          [tensor("total", "float32", []), tensor("count", "int32", [])])
    write(folder, "results_in_order", Results(), one,
          [tensor("s", "float32", []), tensor("c", "uint8", []), tensor("f", "float32", []), tensor("b", "bool", []),
           tensor("t", "uint8", [[0, 9]], form="text"), tensor("l", "uint8", [[0, 9], [0, 9]], form="text"),
           tensor("i", "int64", [[0, 9]])])
    write(folder, "shout", Shout(), [tensor("texts", "uint8", [[0, 4], [0, 40]], form="text", **batch)],
          [tensor("shouted", "uint8", [[0, 4], [0, 40]], form="text", **batch),
           tensor("lengths", "int64", [[0, 4]], **batch)])
    write(folder, "lengths", Lengths(),
          [tensor("x", "float32", [[1, 4], [1, 50], 4], **batch), tensor("lengths", "int64", [[1, 4]], **batch)],
          [tensor("h", "float32", [[1, 4], 8], **batch)])
    five = [tensor("x", "float32", [[1, 3]])]
    write(folder, "particular", Particular(), five, [tensor("y", "float32", [[1, 3]])])
    write(folder, "particular_example", Particular(), five, [tensor("y", "float32", [[1, 3]])],
          example={"x": [5, 6]})
    write(folder, "boxes", Boxes(), [tensor("scores", "float32", [4])], [tensor("boxes", "int64", [[0, 4], 1])])


class Trained(torch.nn.Module):
    """Statistics that a pass in training mode changes."""

    def __init__(self, norm: torch.nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x).mean(0) * 0.0 + self.norm.running_mean


if __name__ == "__main__":
    main()
