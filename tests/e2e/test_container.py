"""The surroundings that a container's platform makes: limits in control groups, variables of services, mounted files; and
what engines leave behind. The control groups are shown in a mount namespace, so those need root.
"""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import unittest

import case
import test_models
from case import BAD_CONFIG, BUSY, UNFIT, Case, main, pods

GIB = 1 << 30
CPUS = len(os.sched_getaffinity(0))
ROOT_USER = os.geteuid() == 0
TORCH = pods.has_torch(case.BUILD)
PACKAGE = pathlib.Path(case.BUILD) / "tests/torch_models/sum.pt2"


def shown(files):
    """A wrapper in whose namespace /sys/fs/cgroup holds these files."""
    script = "mount --make-rprivate / && mount -t tmpfs tmpfs /sys/fs/cgroup && cd /sys/fs/cgroup"
    for name, text in files.items():
        script += f" && mkdir -p ./$(dirname {name}) && printf '%s\\n' '{text}' >{name}"
    return ("unshare", "-m", "sh", "-c", script + ' && cd "$OLDPWD" && exec "$@"', "sh")


def mounted(place, options):
    """A wrapper in whose namespace `place` is a tmpfs with these options."""
    script = f'mount --make-rprivate / && mount -t tmpfs -o {options} tmpfs {place} && exec "$@"'
    return ("unshare", "-m", "sh", "-c", script, "sh")


def variable(pid, name):
    text = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    found = [x for x in text.split(b"\0") if x.startswith(name.encode() + b"=")]
    return found[0].partition(b"=")[2].decode() if found else None


def tasks(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


@unittest.skipUnless(ROOT_USER, "needs root, to show control groups in a mount namespace")
class cpu_quota(Case):
    """Threads that compute in each engine."""

    def threads(self, *arguments, files=None, **options):
        wrapper = shown(files) if files is not None else ()
        pod = self.ready(*arguments, wrapper=wrapper, **options)
        found = {line["threads"] for line in pod.lines if line.event == "engine_started"}
        for engine in pod.engines():
            self.assertEqual({variable(engine, "OMP_NUM_THREADS")}, found)
        self.assertEqual(len(found), 1, "engines of one pod have the same share")
        pod.close()
        return int(found.pop())

    def test_a_quota_of_either_version_and_of_any_group_above_counts(self):
        v2 = {"cpu.max": "100000 100000"}
        v1 = {"cpu/cpu.cfs_quota_us": "70000", "cpu/cpu.cfs_period_us": "50000"}
        together = {"cpu,cpuacct/cpu.cfs_quota_us": "190000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}
        none = {"cpu.max": "max 100000", "cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}
        for files, expected in ((v2, 1), (v1, 1), (together, 1), (none, CPUS), ({}, CPUS)):
            with self.subTest(files=files):
                self.assertEqual(self.threads(files=files), expected)

    def test_slots_divide_the_cpus(self):
        self.assertEqual(self.threads("--slots", CPUS, "--engine.pin", "off"), 1)
        self.assertEqual(self.threads("--slots", 1, "--engine.pin", "off"), CPUS)

    def test_what_the_owner_asks_for_counts(self):
        files = {"cpu.max": "100000 100000"}
        self.assertEqual(self.threads("--threads", 3, files=files), 3)
        self.assertEqual(self.threads(files=files, environment={"TAYFA_ENGINE_THREADS": "4"}), 4)
        self.assertEqual(self.threads(files=files, environment={"TAYFA_TORCH_THREADS": "5"}), 5)
        self.assertEqual(self.threads(environment={"OMP_NUM_THREADS": "1"}), 1)
        self.assertEqual(self.threads(environment={"OMP_NUM_THREADS": "999"}), CPUS)

    def test_affinity_counts(self):
        one = str(min(os.sched_getaffinity(0)))
        pod = self.ready(wrapper=("taskset", "-c", one))
        self.assertEqual(pod.wait_for("engine_started")["threads"], "1")

    @unittest.skipIf(CPUS < 2, "one CPU has nothing to divide")
    def test_engines_that_run_hear_of_another_number_of_slots(self):
        pod = self.ready("--engine.pin", "off")
        self.assertEqual(pod.wait_for("engine_started")["threads"], str(CPUS))
        pod.post(f"/slots/count/{CPUS}")
        self.assertEqual(pod.wait_for("engine_threads")["threads"], "1")
        pod.post("/slots/count/1")
        pod.wait_for("engine_threads", threads=str(CPUS))


@unittest.skipUnless(TORCH and ROOT_USER, "needs a torch engine, and root")
class torch_threads(Case):
    """An engine has three threads beside those that compute: its session and ZeroMQ's two."""

    SERVICE = 3

    def model(self):
        folder = self.folder()
        source = (
            "import torch, sys\n"
            "class Square(torch.nn.Module):\n"
            "    def forward(self, x: torch.Tensor) -> torch.Tensor:\n"
            "        a = torch.jit.fork(torch.tanh, x @ x)\n"
            "        for i in range(4):\n"
            "            x = torch.tanh(x @ x)\n"
            "        return (x + torch.jit.wait(a)).mean().reshape(1)\n"
            "class Plain(torch.nn.Module):\n"
            "    def forward(self, x: torch.Tensor) -> torch.Tensor:\n"
            "        for i in range(4):\n"
            "            x = torch.tanh(x @ x)\n"
            "        return x.mean().reshape(1)\n"
            "torch.jit.script(Square().eval()).save('forks.pt')\n"
            "torch.jit.script(Plain().eval()).save('plain.pt')\n"
        )
        made = test_models.python(folder, source)
        self.assertEqual(made.returncode, 0, made.stderr)
        for name in ("forks", "plain"):
            self.describe(folder / f"{name}.pt", name)
        return folder

    def describe(self, path, name):
        side = [256, 1024]
        manifest = {
            "format": 1,
            "name": name,
            "kind": "torchscript",
            "device": "cpu",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "inputs": [{"name": "x", "dtype": "float32", "shape": [side, side]}],
            "outputs": [{"name": "y", "dtype": "float32", "shape": [1]}],
        }
        pathlib.Path(f"{path}.manifest.json").write_text(json.dumps(manifest))

    def test_no_more_than_the_share(self):
        folder = self.model()
        quota = {"cpu.max": "100000 100000"}
        for arguments, files, share in (((), quota, 1), ((), {}, CPUS), (("--slots", CPUS), {}, 1)):
            for name, more in (("plain", 0), ("forks", 1)):
                with self.subTest(share=share, name=name):
                    pod = self.ready("--model", folder / f"{name}.pt", *arguments, engine="", wrapper=shown(files))
                    rows = [[0.01] * 256] * 256
                    self.assertEqual(pod.post("/runsync", {"input": {"x": rows}}).body["status"], "COMPLETED")
                    for engine in pod.engines():
                        self.assertLessEqual(tasks(engine), self.SERVICE + share + more)
                    pod.close()


@unittest.skipUnless(ROOT_USER, "needs root, to show control groups in a mount namespace")
class memory_of_a_container(Case):
    def row(self, files, *arguments):
        pod = self.ready("--engine.on_unfit", "go_on", *arguments, wrapper=shown(files))
        return next(x for x in pod.lines if x.event == "machine" and x["check"] == "memory")

    def test_pages_of_files_are_available(self):
        stat = f"anon {GIB // 4}\ninactive_file {6 * GIB}\nactive_file {GIB}\nfile_dirty 0"
        v2 = {"memory.max": 8 * GIB, "memory.current": 8 * GIB - (40 << 20), "memory.stat": stat}
        total = f"total_inactive_file {6 * GIB}\ntotal_active_file {GIB}"
        v1 = {
            "memory/memory.limit_in_bytes": 8 * GIB,
            "memory/memory.usage_in_bytes": 8 * GIB - (40 << 20),
            "memory/memory.stat": total,
        }
        for files in (v2, v1):
            with self.subTest(files=list(files)):
                self.assertEqual(self.row(files)["verdict"], "fit")

    def test_pages_that_must_be_written_first_are_not(self):
        stat = f"inactive_file {6 * GIB}\nactive_file {GIB}\nfile_dirty {7 * GIB}"
        files = {"memory.max": 8 * GIB, "memory.current": 8 * GIB - (40 << 20), "memory.stat": stat}
        row = self.row(files)
        self.assertEqual(row["verdict"], "unfit")
        self.assertIn("40 MiB available", row["value"])


class variables_of_services(Case):
    def links(self, name, address="10.96.0.7", port=8000):
        one = f"{name}_PORT_{port}_TCP"
        return {
            f"{name}_SERVICE_HOST": address,
            f"{name}_SERVICE_PORT": str(port),
            f"{name}_SERVICE_PORT_WEB": str(port),
            f"{name}_PORT": f"tcp://{address}:{port}",
            one: f"tcp://{address}:{port}",
            f"{one}_PROTO": "tcp",
            f"{one}_PORT": str(port),
            f"{one}_ADDR": address,
        }

    def test_they_keep_no_pod_from_starting(self):
        given = {}
        for name in ("TAYFA", "TAYFA_HTTP", "TAYFA_ENGINE", "TAYFA_HTTP_LISTEN", "RUNPOD_REALTIME"):
            given.update(self.links(name, "fd00::7" if name == "TAYFA_ENGINE" else "10.96.0.7"))
        pod = self.ready(environment=given)
        self.assertTrue(pod.wait_for("listening")["address"].startswith("127.0.0.1"))

    def test_an_owners_slip_does(self):
        for name, text in (("TAYFA_QUEUE_MAXX", "1"), ("TAYFA_HTTP_PORT", "8000")):
            with self.subTest(name=name):
                pod = self.start(environment={name: text})
                self.assert_exit(pod, BAD_CONFIG)
                self.assertIn(f"{name}: no such setting", pod.tail())


class what_engines_leave(Case):
    def place(self, pod):
        (engine,) = pod.engines()
        return pathlib.Path(variable(engine, "TMPDIR"))

    def fill(self, place):
        (place / "unpacked").mkdir()
        (place / "unpacked/model.so").write_bytes(b"x" * 100_000)
        (place / "link").symlink_to(self.kept.parent)

    def setUp(self):
        self.kept = self.folder() / "kept"
        self.kept.write_text("x")
        self.addCleanup(lambda: self.assertTrue(self.kept.exists(), "a link was followed"))

    def test_goes_with_the_engine_whatever_ends_it(self):
        pod = self.ready()
        for ended in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV):
            place = self.place(pod)
            self.assertTrue(place.is_relative_to(pod.data), place)
            self.assertEqual(place.stat().st_mode & 0o777, 0o700)
            self.fill(place)
            before = len([x for x in pod.lines if x.event == "engine_exited"])
            os.kill(pod.engines()[0], ended)
            self.eventually(
                lambda: len([x for x in pod.lines if x.event == "engine_exited"]) > before, "its end"
            )
            self.assertFalse(place.exists(), ended)
            self.eventually(lambda: pod.get("/ping").status == 200, "the next engine")
        self.fill(self.place(pod))
        self.assert_stops(pod)
        self.assertEqual(list((pod.data / "run").iterdir()), [])

    def test_goes_at_the_next_start_when_the_pod_was_killed(self):
        pod = self.ready()
        place = self.place(pod)
        self.fill(place)
        pod.kill()
        self.assertTrue(place.exists())
        fresh = self.again(pod).wait_ready()
        self.assertFalse(place.exists())
        self.assert_stops(fresh)

    def test_another_place_is_cleared_in_the_same_ways(self):
        elsewhere = self.folder()
        pod = self.ready("--engine.temporary", elsewhere)
        place = self.place(pod)
        self.assertTrue(place.is_relative_to(elsewhere))
        self.fill(place)
        pod.kill()
        fresh = self.again(pod).wait_ready()
        self.assertFalse(place.exists())
        self.assert_stops(fresh)
        self.assertEqual(list(elsewhere.iterdir()), [])


class run_folder_removed(Case):
    """By whatever clears old files away."""

    def test_it_is_made_again(self):
        pod = self.ready()
        shutil.rmtree(pod.data / "run")
        os.kill(pod.engines()[0], signal.SIGKILL)
        pod.wait_for("run_folder_restored")
        self.eventually(lambda: pod.get("/ping").status == 200, "the next engine")
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 1}}).body["output"], 1)
        self.assert_stops(pod)

    def test_or_the_pod_ends_with_a_sentence(self):
        pod = self.ready("--engine.restart_intensity", 2)
        shutil.rmtree(pod.data / "run")
        (pod.data / "run").write_text("a file in its place")
        os.kill(pod.engines()[0], signal.SIGKILL)
        self.assert_exit(pod, UNFIT)
        self.assertIn("the run folder is gone", pod.tail())


@unittest.skipUnless(TORCH and ROOT_USER and PACKAGE.exists(), "needs root and tests/torch_models/sum.pt2")
class no_place_to_unpack(Case):
    """The place's fault is not the package's."""

    def start_in(self, options):
        place = self.folder()
        return self.start(
            "--model", PACKAGE, "--engine.temporary", place, engine="", wrapper=mounted(place, options)
        )

    def end(self, options, code, words):
        pod = self.start_in(options)
        self.assert_exit(pod, code)
        failed = next(x for x in pod.lines if x.event == "pod_failed")
        self.assertNotEqual(failed["code"], "model_invalid")
        self.assertRegex(failed["text"], words)

    def test_no_room_may_pass(self):
        self.end("size=512k", BUSY, "no room to unpack the package: .* MiB are needed")

    def test_a_place_without_programs_does_not(self):
        self.end("noexec", UNFIT, "noexec")

    def test_room_that_comes_later_is_used(self):
        place = self.folder()
        pod = self.start(
            "--model", PACKAGE, "--engine.temporary", place, "--engine.restart_intensity", 10_000,
            engine="", wrapper=mounted(place, "size=512k"),
        )
        pod.wait_for("model_refused", code="unavailable")
        done = self.enter(pod, f"mount -o remount,size=64m {place}")
        self.assertEqual(done.returncode, 0, done.stderr)
        pod.wait_ready()

    def enter(self, pod, script):
        return subprocess.run(
            ["nsenter", "-t", str(pod.pid), "-m", "sh", "-c", script], capture_output=True, text=True
        )


class mounted_files(Case):
    """A ConfigMap and a Secret, as Kubernetes mounts them, with what Windows' programs put before a text."""

    def volume(self, **files):
        folder = self.folder()
        (folder / "..2026").mkdir()
        for name, content in files.items():
            (folder / "..2026" / name).write_bytes(content)
            (folder / "..2026" / name).chmod(0o644)
            (folder / name).symlink_to(f"..data/{name}")
        (folder / "..data").symlink_to("..2026")
        return folder

    def test_settings_and_keys_through_links_with_marks(self):
        digest = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"  # of test2
        keys = b"\xef\xbb\xbf# keys\r\nname=a scope=client sha256=" + digest.encode() + b"\r\n"
        folder = self.volume(settings=b"\xef\xbb\xbf[queue]\r\nmax = 7\r\n", keys=keys)
        pod = self.ready("--config", folder / "settings", "--keys", folder / "keys")
        pod.wait_for("keys_readable")
        self.assertEqual(pod.post("/run", {"input": {}}).status, 401)
        headers = {"Authorization": "Bearer test2"}
        self.assertEqual(pod.post("/run", {"input": {}}, headers=headers).status, 200)

    def test_what_others_may_write_is_refused(self):
        folder = self.volume(keys=b"")
        (folder / "..2026/keys").chmod(0o666)
        pod = self.start("--keys", folder / "keys")
        self.assert_exit(pod, BAD_CONFIG)

    def test_utf16_is_named(self):
        settings = self.folder() / "settings.toml"
        for text in ("[queue]\r\nmax = 7\r\n".encode("utf-16"), "[queue]\r\n".encode("utf-16-le")):
            settings.write_bytes(text)
            pod = self.start("--config", settings)
            self.assert_exit(pod, BAD_CONFIG)
            self.assertIn("it is UTF-16; save it as UTF-8", pod.tail())

    def test_a_job_may_begin_with_a_mark(self):
        pod = self.ready()
        body = b"\xef\xbb\xbf" + json.dumps({"input": {"mock_return": "hi"}}).encode()
        self.assertEqual(pod.post("/runsync", body).body["output"], "hi")
        wide = pod.post("/run", json.dumps({"input": {}}).encode("utf-16"))
        self.assertEqual(wide.status, 400)
        self.assertIn("UTF-16", str(wide.body))


if __name__ == "__main__":
    main()
