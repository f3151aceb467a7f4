"""Models as people have them, and every example of docs/models.md: made, served, asked. Skipped when libtorch was not
there to build with.
"""

import hashlib
import json
import os
import re
import subprocess
import textwrap
import unittest

import case
from case import Case, pods

TORCH = pods.has_torch(case.BUILD)
PAGE = case.ROOT / "docs/models.md"
SLOW = os.environ.get("TAYFA_E2E_SLOW") == "1"


def python(folder, text, timeout=180):
    """Runs a text as a script of PyTorch's Python in the folder."""
    script = folder / "make.py"
    script.write_text(text)
    return subprocess.run(
        [str(pods.dependencies() / "venv/bin/python"), "-B", str(script)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": str(case.ROOT / "runtime/demo")},
    )


def blocks():
    """The page's examples in their order: what the fence says, and the text."""
    return re.findall(r"^```(\w+) ([^\n]+)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)


@unittest.skipUnless(TORCH, "this build has no torch engine")
class models_page(Case):
    def test_each_example_does_what_the_page_says(self):
        folder = self.folder()
        kinds = ("make", "make-slowly") if SLOW else ("make",)
        done = python(folder, "".join(text for _, kind, text in blocks() if kind in kinds), 600)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.write_manifests(folder)
        asked = self.ask_all(folder)
        self.assertGreaterEqual(asked, 3, "the page has lost its examples")
        if SLOW:
            with self.ready("--model", folder / "scale.pt2", engine="") as pod:
                answer = pod.post("/runsync", {"input": {"x": [[1, 2, 3]], "by": [2]}}).body
                self.assertEqual(answer["output"], {"output": [[2, 4, 6]]}, answer)

    def write_manifests(self, folder):
        """Manifests that stand in the page, with the hash of the file; one that a tool made must agree."""
        for _, kind, text in blocks():
            if not kind.startswith("manifest "):
                continue
            model = folder / (kind.split()[1] + ".pt")
            manifest = json.loads(text)
            manifest["sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
            beside = folder / (model.name + ".manifest.json")
            if beside.exists():
                made = json.loads(beside.read_text())
                for part in ("axes", "inputs", "outputs"):
                    self.assertEqual(made[part], manifest[part])
            beside.write_text(json.dumps(manifest))

    def ask_all(self, folder):
        found = blocks()
        jobs = [
            (kind.split()[1], json.loads(text), json.loads(found[i + 1][2]))
            for i, (_, kind, text) in enumerate(found)
            if kind.startswith("job ")
        ]
        for model in sorted({job[0] for job in jobs}):
            with self.ready("--model", folder / model, engine="") as pod:
                for _, given, expected in (job for job in jobs if job[0] == model):
                    answer = pod.post("/runsync", {"input": given}).body
                    self.assertEqual(answer.get("output"), expected, answer)
                self.assertEqual(pod.stop(), 0)
        return len(jobs)


@unittest.skipUnless(TORCH, "this build has no torch engine")
class strangers_models(Case):
    MAKE = textwrap.dedent(
        """
        import torch
        from tayfa_manifest import script
        class M(torch.nn.Module):
            def __init__(self, add: float):
                super().__init__()
                self.add = add
                self.register_buffer("seen", torch.zeros(1))
            def forward(self, x):
                self.seen += 1
                return x + self.add + self.seen
        script(M(ADD), "m.pt", {"x": torch.zeros(1)}, name="hub/model-1")
        """
    )

    def make(self, folder, add):
        done = python(folder, self.MAKE.replace("ADD", str(add)))
        self.assertEqual(done.returncode, 0, done.stderr)
        return folder / "m.pt"

    def answer(self, pod, **more):
        return pod.post("/runsync", {"input": {"x": [0]}, **more}).body.get("output")

    def test_its_own_state_is_put_back_and_the_log_says_so(self):
        pod = self.ready("--model", self.make(self.folder(), 1.0), engine="")
        self.assertEqual([self.answer(pod) for _ in range(3)], [{"output": [2]}] * 3)
        said = [x["text"] for x in pod.lines if x.event == "engine_says"]
        self.assertTrue(any("own attributes (seen)" in text for text in said), said)

    def test_a_new_version_is_taken_over(self):
        folder = self.folder()
        model = self.make(folder, 1.0)
        pod = self.ready("--model", model, engine="")
        self.assertEqual(self.answer(pod), {"output": [2]})
        self.make(folder, 5.0)
        self.drained_and_back(pod)
        self.assertEqual(self.answer(pod), {"output": [6]})

    def drained_and_back(self, pod):
        at = len(pod.lines)
        pod.post("/slots/0/drain")
        pod.wait_for("state", 30, after=at, machine="engine", to="SHUTDOWN")
        pod.post("/slots/0/undrain")
        pod.wait_for("state", 60, after=at, machine="engine", to="READY")

    def test_a_link_in_a_cache_is_a_model(self):
        folder = self.folder()
        blobs, snapshot = folder / "blobs", folder / "snapshot"
        blobs.mkdir()
        snapshot.mkdir()
        model = self.make(folder, 1.0)
        os.replace(model, blobs / "0123")
        os.replace(f"{model}.manifest.json", blobs / "4567")
        (snapshot / "m.pt").symlink_to("../blobs/0123")
        (snapshot / "m.pt.manifest.json").symlink_to("../blobs/4567")
        pod = self.ready("--model", snapshot / "m.pt", engine="")
        self.assertEqual(self.answer(pod, model="hub/model-1"), {"output": [2]})
        self.assertEqual(pod.get("/jobs?model=hub/model-1").status, 200)


if __name__ == "__main__":
    case.main()
