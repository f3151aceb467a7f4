#!/usr/bin/env python3
"""Makes the small models that plugin_test.cpp runs: several inputs and outputs, every element type, and faulty ones.

    python make_test_models.py FOLDER
"""

import hashlib
import json
import pathlib
import sys
from typing import Dict, Tuple

import torch

TYPES = ["uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "bool"]


class Types(torch.nn.Module):
    """One input of every type; numbers grow by one, truths turn around."""

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


def tensor(name: str, dtype: str, shape: list, **more) -> dict:
    return {"name": name, "dtype": dtype, "shape": shape, **more}


def write(folder: pathlib.Path, name: str, module: torch.nn.Module, inputs: list, outputs: list, **more) -> None:
    path = folder / f"{name}.pt"
    torch.jit.script(module.eval()).save(str(path))
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


if __name__ == "__main__":
    main()
