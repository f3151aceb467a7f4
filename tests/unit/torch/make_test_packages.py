#!/usr/bin/env python3
"""Makes the small AOTInductor packages that plugin_strangers_test.cpp runs (10 s each, needs g++).

    python make_test_packages.py FOLDER
"""

import hashlib
import json
import pathlib
import sys

import torch


class Sum(torch.nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b


class Keywords(torch.nn.Module):
    def forward(self, x: torch.Tensor, *, shift: torch.Tensor, scale: torch.Tensor) -> dict:
        return {"scaled": x * scale, "shifted": x + shift}


def tensor(name: str, *shape) -> dict:
    return {"name": name, "dtype": "float32", "shape": [list(s) if isinstance(s, tuple) else s for s in shape]}


def write(folder, name, program, inputs, outputs) -> None:
    path = folder / f"{name}.pt2"
    with torch.no_grad():
        torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    manifest = {"format": 1, "name": name, "kind": "aot_inductor", "device": "cpu",
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "inputs": inputs, "outputs": outputs}
    pathlib.Path(f"{path}.manifest.json").write_text(json.dumps(manifest))


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    n = torch.export.Dim("n", min=1, max=64)
    two = (torch.zeros(8), torch.zeros(8))
    write(folder, "sum", torch.export.export(Sum(), two, dynamic_shapes={"a": {0: n}, "b": {0: n}}),
          [tensor("a", (1, 64)), tensor("b", (1, 64))], [tensor("y", (1, 64))])
    write(folder, "sum_fixed", torch.export.export(Sum(), two),
          [tensor("a", (8, 64)), tensor("b", (8, 64))], [tensor("y", (8, 64))])
    # Two tensors: the same one twice would be exported as one input.
    keywords = {"shift": torch.ones(1), "scale": torch.ones(1)}
    write(folder, "keywords", torch.export.export(Keywords(), (torch.zeros(2),), keywords),
          [tensor("scale", 1), tensor("x", 2), tensor("shift", 1)], [tensor("shifted", 2), tensor("scaled", 2)])


if __name__ == "__main__":
    main()
