#!/usr/bin/env python3
"""Makes the demo model: a 4x picture upscaler that needs no trained weights.

    python make_model.py [--out FOLDER] [--pt2]

Writes upscale4x.pt (TorchScript) and upscale4x.pt.manifest.json, and with --pt2 also the AOTInductor package
upscale4x.pt2 and its manifest (30-40 s, needs g++). It needs PyTorch; running the model with Tayfa does not need Python.

What it computes, on [N,3,H,W] pictures of 8-bit pixels:
  1. bicubic upscaling by 4 (Keys' kernel with a = -0.75, pixel centres aligned as in image editors, edges repeated);
  2. an unsharp mask: out = up + AMOUNT * (up - blur(up)), blur = Gaussian of sigma SIGMA over 7x7, edges repeated;
  3. rounding to the nearest level, cut to 0..255.
"""

import argparse
import hashlib
import json
import math
import os
import pathlib
import tempfile

import torch
import torch.nn.functional as F

SCALE = 4
SIGMA = 1.2
RADIUS = 3
AMOUNT = 0.6
BATCH = (1, 8)
SIDE = (16, 2048)


def gaussian(sigma: float, radius: int) -> torch.Tensor:
    weights = [math.exp(-(i * i) / (2.0 * sigma * sigma)) for i in range(-radius, radius + 1)]
    total = sum(weights)
    return torch.tensor([w / total for w in weights], dtype=torch.float32)


class Upscale4x(torch.nn.Module):
    __constants__ = ["scale", "radius", "amount"]

    def __init__(self) -> None:
        super().__init__()
        self.scale = float(SCALE)
        self.radius = RADIUS
        self.amount = AMOUNT
        kernel = gaussian(SIGMA, RADIUS)
        size = 2 * RADIUS + 1
        self.register_buffer("across", kernel.view(1, 1, 1, size).repeat(3, 1, 1, 1))
        self.register_buffer("down", kernel.view(1, 1, size, 1).repeat(3, 1, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        up = F.interpolate(
            image.to(torch.float32), scale_factor=self.scale, mode="bicubic",
            align_corners=False, recompute_scale_factor=False)
        r = self.radius
        blur = F.conv2d(F.pad(up, [r, r, 0, 0], mode="replicate"), self.across, groups=3)
        blur = F.conv2d(F.pad(blur, [0, 0, r, r], mode="replicate"), self.down, groups=3)
        sharp = up + self.amount * (up - blur)
        return sharp.round().clamp(0.0, 255.0).to(torch.uint8)


def manifest(name: str, kind: str, device: str, digest: str) -> dict:
    picture = {"dtype": "uint8", "batch_axis": 0, "form": "image", "scale": 1}
    side = list(SIDE)
    grown = [SCALE * SIDE[0], SCALE * SIDE[1]]
    return {
        "format": 1,
        "name": name,
        "kind": kind,
        "sha256": digest,
        "device": device,
        "inputs": [{"name": "image", "shape": [list(BATCH), 3, side, side], **picture}],
        "outputs": [{"name": "image", "shape": [list(BATCH), 3, grown, grown], **picture}],
    }


def write_manifest(path: pathlib.Path, name: str, kind: str, device: str) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    beside = path.with_name(path.name + ".manifest.json")
    beside.write_text(json.dumps(manifest(name, kind, device, digest), indent=2) + "\n")
    print(path, digest)


def replace(path: pathlib.Path, write) -> None:
    """Writes beside and renames, so that no process reads half a model. The archive's inner name is the file's."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        fresh = pathlib.Path(folder) / path.name
        write(fresh)
        os.replace(fresh, path)


def main() -> None:
    arguments = argparse.ArgumentParser(description="make the 4x upscaler that the demo and the tests run")
    arguments.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."))
    arguments.add_argument("--pt2", action="store_true", help="also make the AOTInductor package")
    options = arguments.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)

    model = Upscale4x().eval()
    script = options.out / "upscale4x.pt"
    replace(script, lambda fresh: torch.jit.script(model).save(str(fresh)))
    write_manifest(script, "upscale4x", "torchscript", "any")

    if options.pt2:
        batch = torch.export.Dim("batch", min=BATCH[0], max=BATCH[1])
        height = torch.export.Dim("height", min=SIDE[0], max=SIDE[1])
        width = torch.export.Dim("width", min=SIDE[0], max=SIDE[1])
        example = torch.zeros(2, 3, 24, 32, dtype=torch.uint8)
        program = torch.export.export(
            model, (example,), dynamic_shapes={"image": {0: batch, 2: height, 3: width}})
        package = options.out / "upscale4x.pt2"
        replace(package, lambda fresh: torch._inductor.aoti_compile_and_package(
            program, package_path=str(fresh)))
        write_manifest(package, "upscale4x-aot", "aot_inductor", "cpu")


if __name__ == "__main__":
    main()
