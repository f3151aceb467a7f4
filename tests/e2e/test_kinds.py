"""Slots with engines of two kinds in one pod. None of them needs libtorch: where the torch engine's library would be, a
plugin of the unit tests answers each job with its input.
"""

import hashlib
import json
import pathlib
import shutil
import zipfile

import case
from case import BAD_CONFIG, Case, pods

PLUGIN = pathlib.Path(pods.program(case.BUILD, "tests/plugins/libecho_as_torch.so"))
TENSOR = [{"name": "x", "dtype": "float32", "shape": [1]}]


class mixed_pods(Case):
    def setUp(self):
        self.home = self.folder()
        shutil.copy(pods.program(case.BUILD, "tayfa-engine"), self.home)
        shutil.copy(PLUGIN, self.home / "libtayfa-engine-torch.so")

    def model(self, name="net"):
        """A file that looks like TorchScript, with its manifest. The plugin does not read it."""
        path = self.home / f"{name}.pt"
        with zipfile.ZipFile(path, "w") as archive:
            for member in ("data.pkl", "constants.pkl", "code/__torch__.py", "version"):
                archive.writestr(f"{name}/{member}", "x")
        manifest = {
            "format": 1,
            "name": name,
            "kind": "torchscript",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "device": "any",
            "inputs": TENSOR,
            "outputs": TENSOR,
        }
        (self.home / f"{name}.pt.manifest.json").write_text(json.dumps(manifest))
        return path

    def arguments(self, *more):
        program = ("--engine.program", self.home / "tayfa-engine")
        return (*program, "--engine.on_unfit", "go_on", "--engine.heartbeat", "50ms", *more)

    def ask(self, pod, number, **more):
        """The output of a job that the echo engine and the scripted one answer differently."""
        answer = pod.post("/runsync", {"input": {"mock_return": number}, **more}).body
        return answer.get("output"), answer.get("workerId")

    def test_each_job_runs_on_a_slot_whose_engine_runs_its_model(self):
        pod = self.ready(
            *self.arguments("--slots", 3, "--engine.slot_kinds", "1-2=scripted"),
            *("--model", self.model()),
            engine="torch",
        )
        created = pod.wait_for("created")
        self.assertEqual(created["engine"], "torch,scripted")
        shown = [line["engine"] for line in pod.get("/slots").body["slots"]]
        self.assertEqual(shown, ["torch", "scripted", "scripted"])
        seen = set()
        for number in range(8):
            self.assertEqual(
                self.ask(pod, number, model="net"), ({"mock_return": number}, "slot-0")
            )
            self.assertEqual(self.ask(pod, number)[1], "slot-0", "the first file is the default")
            output, worker = self.ask(pod, number, model="scripted")
            self.assertEqual(output, number)
            seen.add(worker)
        self.assertEqual(seen, {"slot-1", "slot-2"})
        refused = pod.post("/run", {"input": {}, "model": "unknown"})
        self.assertEqual(refused.body["error"]["code"], "model_not_found")
        self.assertEqual(pod.stop(), 0)

    def test_a_job_that_no_slot_can_run_says_so_and_runs_once_one_can(self):
        pod = self.ready(
            *self.arguments("--slots", 2, "--engine.slot_kinds", "1=scripted"),
            *("--model", self.model()),
            engine="torch",
        )
        pod.post("/slots/0/drain")
        pod.wait_for("slot_drained", slot="0")
        waiting = pod.run({"mock_return": 1}, model="net")
        self.assertEqual(pod.status(waiting)["waitReason"], "no_engine")
        self.assertEqual(self.ask(pod, 2, model="scripted"), (2, "slot-1"))
        self.assertEqual(pod.status(waiting)["status"], "IN_QUEUE")
        pod.post("/slots/0/undrain")
        pod.wait_job(waiting, "COMPLETED")
        # A slot beyond those that are named has the usual kind.
        pod.post("/slots/count/3")
        pod.wait_for("state", machine="engine", worker="2#1", to="READY")
        self.assertEqual(pod.get("/slots").body["slots"][2]["engine"], "torch")
        self.assertEqual(pod.stop(), 0)

    def test_a_pod_that_could_never_run_a_kind_is_refused(self):
        named = self.arguments("--engine.slot_kinds", "0=torch")
        pod = self.start(*named, engine="scripted")
        self.assertEqual(pod.wait_exit(), BAD_CONFIG)
        self.assertIn("engine.slot_kinds torch needs a file in engine.models", pod.tail())
        clash = self.arguments("--engine.slot_kinds", "0=torch", "--model", self.model("scripted"))
        pod = self.start(*clash, engine="scripted")
        self.assertEqual(pod.wait_exit(), BAD_CONFIG)
        self.assertIn("may not have the name of a kind of engines", pod.tail())


if __name__ == "__main__":
    case.main()
