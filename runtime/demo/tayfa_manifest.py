"""Saves a PyTorch model with the manifest that Tayfa needs beside it (docs/models.md). One file; needs only torch.

    from tayfa_manifest import package, script

    package(torch.export.export(model, (x,), dynamic_shapes=...), "model.pt2")            # AOTInductor
    script(model, "model.pt", {"x": x}, axes={"batch": (1, 8)}, shapes={"x": ["batch", 3, 224, 224]})   # TorchScript

Both write the model and MODEL.manifest.json, and return the manifest. What they cannot know (pictures, texts, bounds of
values) is for you to add: `inputs={"x": {"form": "image", "scale": 1 / 255}}` goes into that tensor as it is.
"""

import hashlib
import json
import os
import pathlib
import re

import torch

ANY_SIZE = 2**31 - 1


def package(program, path, name=None, device="cpu", batch=None, example=None, inputs=None, outputs=None):
    """An ExportedProgram as an AOTInductor package: names, types, sizes and ranges are the program's. `batch` is the axis
    whose members jobs may share a pass by ("s0"; by default the first that every tensor has); False: none."""
    path = pathlib.Path(path).resolve()
    with torch.no_grad():
        torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    kinds = torch.export.graph_signature
    values = {n.name: n.meta["val"] for n in program.graph.nodes if hasattr(n.meta.get("val"), "shape")}
    ranges = {str(k): v for k, v in program.range_constraints.items()}
    taken = [s.arg.name for s in program.graph_signature.input_specs if s.kind == kinds.InputKind.USER_INPUT]
    given = [s.arg.name for s in program.graph_signature.output_specs if s.kind == kinds.OutputKind.USER_OUTPUT]
    taken = [n for n in taken if n in values]
    spec = program.call_spec.out_spec
    keys = [str(k) for k in spec.context] if spec.type is dict else []
    names = keys if len(keys) == len(given) else ["output"] if len(given) == 1 else [f"output{i}" for i in range(len(given))]
    axes = {}

    def ends(size):
        span = [ranges[str(s)] for s in size.node.expr.free_symbols]
        symbols = list(size.node.expr.free_symbols)
        both = []
        for side in ("lower", "upper"):
            found = size.node.expr.subs({s: min(float(getattr(r, side)), ANY_SIZE) for s, r in zip(symbols, span)})
            both.append(int(min(float(found), ANY_SIZE)))
        least, most = sorted(both)
        return [1 if least == 2 else least, most]  # torch writes 2 for every dynamic size that may be 1 as well

    def axis(size):
        if isinstance(size, int):
            return size
        if str(size) not in ranges:
            return ends(size)  # follows from others: 2*s0
        axes[str(size)] = ends(size)
        return str(size)

    def tensors(names, nodes, more):
        return [{"name": plain(n), "dtype": str(values[v].dtype)[6:], "shape": [axis(s) for s in values[v].shape],
                 **(more or {}).get(n, {})} for n, v in zip(names, nodes)]

    text = {"axes": axes, "inputs": tensors(taken, taken, inputs), "outputs": tensors(names, given, outputs)}
    return write(path, "aot_inductor", text, name, device, batch, example)


def script(model, path, inputs, axes=None, shapes=None, trace=False, name=None, device="any", batch="batch", example=None,
           outputs=None, more=None):
    """A module as TorchScript. `inputs`: forward()'s arguments by name, as examples. `axes`: the sizes that may change,
    {"n": (1, 128)}; `shapes`: where they are, {"x": ["batch", "n", 4]} (an input that is not named has a fixed shape). The
    outputs are found by running the model at two sizes of each axis; `outputs` names them, in order. `more`: what else a
    tensor of the manifest says, by its name."""
    path = pathlib.Path(path).resolve()
    model = model.eval()
    axes, shapes = axes or {}, shapes or {}
    with torch.no_grad():
        made = model if isinstance(model, torch.jit.ScriptModule) else (
            torch.jit.trace(model, tuple(inputs.values()), strict=False) if trace else torch.jit.script(model))
        fresh = path.with_name(path.name + ".new")
        made.save(str(fresh))
        os.replace(fresh, path)
        sizes = {a: next(t.shape[i] for n, t in inputs.items() for i, s in enumerate(shapes.get(n, [])) if s == a) for a in axes}

        def run(changed):
            def tensor(n, t):
                want = [changed.get(s, size) if isinstance(s, str) else size for s, size in zip(shapes.get(n, t.shape), t.shape)]
                for i, (now, then) in enumerate(zip(t.shape, want)):
                    t = t.index_select(i, torch.arange(then) % now)
                return t
            return flat(made(*[tensor(n, t) if torch.is_tensor(t) else t for n, t in inputs.items()]))

        first = run({})
        follows = [["?"] * t.dim() for _, t in first]
        for a in axes:
            low, high = axes[a]
            other = sizes[a] + 1 if sizes[a] < high else sizes[a] - 1
            if other < low or other < 1:
                continue
            for at, (_, t) in enumerate(run({a: other})):
                for i, size in enumerate(t.shape):
                    if size != first[at][1].shape[i]:
                        same = size == other and first[at][1].shape[i] == sizes[a] and follows[at][i] == "?"
                        follows[at][i] = a if same else -1
    found = [n for n, _ in first]
    names = outputs or (found if all(found) else ["output"] if len(first) == 1 else [f"output{i}" for i in range(len(first))])

    def entry(n, t, shape):
        t = t if torch.is_tensor(t) else torch.tensor(t)
        return {"name": plain(n), "dtype": str(t.dtype)[6:], "shape": shape, **(more or {}).get(n, {})}

    text = {"axes": {a: list(ends) for a, ends in axes.items()},
            "inputs": [entry(n, t, list(shapes.get(n, getattr(t, "shape", [])))) for n, t in inputs.items()],
            "outputs": [entry(n, t, [size if f == "?" else f for f, size in zip(follow, t.shape)])
                        for n, (_, t), follow in zip(names, first, follows)]}
    return write(path, "torchscript", text, name, device, batch, example)


def flat(value, name=""):
    """The values that forward() returned, with the names that they have there."""
    if isinstance(value, dict):
        return [pair for k, v in value.items() for pair in flat(v, str(k))]
    if isinstance(value, (tuple, list)):
        fields = getattr(value, "_fields", [""] * len(value))
        return [pair for k, v in zip(fields, value) for pair in flat(v, k)]
    return [] if value is None else [(name, value if torch.is_tensor(value) else torch.tensor(value))]


def plain(name):
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:64]


def write(path, kind, text, name, device, batch, example):
    every = [set(a for a in t["shape"] if isinstance(a, str)) for t in text["inputs"] + text["outputs"] if t["shape"]]
    shared = set.intersection(*every) if every else set()
    if batch is None or (batch and batch not in text["axes"]):
        batch = next((a for t in text["inputs"] for a in t["shape"] if a in shared), None)
    for t in text["inputs"] + text["outputs"]:
        if batch and batch in shared and batch in t["shape"]:
            t["batch_axis"] = t["shape"].index(batch)
    text = {"format": 1, "name": name or path.stem, "kind": kind, "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "device": device, **text}
    if example is not None:
        text["example"] = example
    path.with_name(path.name + ".manifest.json").write_text(json.dumps(text, indent=1) + "\n")
    return text
