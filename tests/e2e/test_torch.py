"""The torch engine with the demo's real model on the demo's real photo. Skipped when libtorch was
not there to build with.
"""

import base64
import os
import pathlib
import shutil
import signal
import struct
import unittest

import case
from case import BAD_CONFIG, Case, pods


def picture_size(encoded):
    """Width and height of a base64 PNG, with or without a data URI's head."""
    data = base64.b64decode(encoded.rpartition(",")[2])
    assert data[:8] == b"\x89PNG\r\n\x1a\n", data[:8]
    return struct.unpack(">II", data[16:24])


@unittest.skipUnless(pods.has_torch(case.BUILD), "this build has no torch engine")
class torch_engine(Case):
    PHOTO = base64.b64encode(pods.PHOTO.read_bytes()).decode() if pods.PHOTO.is_file() else ""

    def model(self):
        return pods.demo_model(case.BUILD)

    def ready_with_model(self, *arguments, **options):
        return self.ready("--model", self.model(), *arguments, engine="", **options)

    def output(self, answer):
        self.assertEqual(answer["status"], "COMPLETED", str(answer)[:500])
        return answer["output"]["image"]

    def test_the_photo_becomes_four_times_as_large(self):
        pod = self.ready_with_model()
        before = picture_size(self.PHOTO)
        answer = pod.post("/runsync", {"input": {"image": self.PHOTO}}).body
        self.assertEqual(picture_size(self.output(answer)), (before[0] * 4, before[1] * 4))
        self.assert_stops(pod)

    def test_the_same_input_gives_the_same_output(self):
        pod = self.ready_with_model()
        first, second = (
            self.output(pod.post("/runsync", {"input": {"image": self.PHOTO}}).body)
            for _ in range(2)
        )
        self.assertEqual(first, second)

    def test_inputs_that_do_not_fit_are_errors_of_the_job(self):
        pod = self.ready_with_model()
        (engine,) = pod.engines()
        for given in (
            {},
            {"image": ""},
            {"image": 7},
            {"image": "no base64!"},
            {"image": "aGVsbG8="},
            {"image": self.PHOTO[: len(self.PHOTO) // 2]},
            {"picture": self.PHOTO},
        ):
            answer = pod.post("/runsync", {"input": given}).body
            self.assertEqual(answer.get("status"), "FAILED", str(given)[:80])
            self.assertTrue(answer["error"])
        self.output(pod.post("/runsync", {"input": {"image": self.PHOTO}}).body)
        self.assertEqual(pod.engines(), [engine], "a bad input must not cost the engine")

    def test_killed_in_a_job_it_finishes_on_the_next_engine(self):
        pod = self.ready_with_model()
        (engine,) = pod.engines()
        job = pod.run({"image": self.PHOTO})
        os.kill(engine, signal.SIGKILL)
        pod.wait_job(job, "COMPLETED", 60)
        self.output(pod.status(job))

    def test_a_file_that_differs_from_its_manifest_is_refused(self):
        folder = self.folder()
        model = self.model()
        broken = folder / model.name
        shutil.copy(model, broken)
        shutil.copy(f"{model}.manifest.json", folder)
        with open(broken, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last[0] ^ 1]))
        pod = self.start("--model", broken, engine="")
        self.assert_exit(pod, BAD_CONFIG)
        self.assertIn("model_invalid", pod.tail())
        self.assertNotIn("READY", pod.states())

    def test_a_file_without_a_manifest_is_refused(self):
        folder = self.folder()
        shutil.copy(self.model(), folder)
        pod = self.start("--model", folder / self.model().name, engine="")
        self.assert_exit(pod, BAD_CONFIG)
        self.assertIn("manifest", pod.tail())

    def test_no_libtorch_in_the_runtime_itself(self):
        pod = self.ready_with_model()
        loaded = pathlib.Path(f"/proc/{pod.pid}/maps").read_text()
        self.assertNotIn("libtorch", loaded)
        (engine,) = pod.engines()
        self.assertIn("libtorch", pathlib.Path(f"/proc/{engine}/maps").read_text())

    def test_submit_saves_the_picture(self):
        pod = self.ready_with_model()
        folder = self.folder()
        done = self.tayfa("submit", "--url", pod.url, "--image", pods.PHOTO, "--output-dir", folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        (saved,) = folder.glob("*.png")
        width, height = struct.unpack(">II", pods.PHOTO.read_bytes()[16:24])
        self.assertEqual(struct.unpack(">II", saved.read_bytes()[16:24]), (width * 4, height * 4))


if __name__ == "__main__":
    case.main()
