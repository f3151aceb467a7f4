"""A pod whose disk is full, damaged, read-only or failing loses nothing and says why.
"""

import contextlib
import hashlib
import http.client
import pathlib
import shutil
import sqlite3
import subprocess
import unittest

import case
from case import BAD_CONFIG, INTERNAL, OK, Case

TALE = "0123456789abcdef" * 8192  # 128 KiB: more than the store keeps in a row


class damage(Case):
    def stopped_store(self):
        pod = self.ready("--slots", "0")
        for i in range(30):
            pod.run({"mock_return": "a row of some length " * 20, "n": i})
        self.assert_stops(pod)
        return pod, pod.data / "store/jobs.sqlite"

    def assert_refused(self, pod, file, *words):
        def facts():
            found = {x: x.read_bytes() for x in file.parent.glob("*") if x.is_file()}
            return {x.name: hashlib.sha256(text).hexdigest() for x, text in found.items() if text}

        before = facts()
        second = self.again(pod)
        self.assert_exit(second, BAD_CONFIG)
        self.assertIn("store_corrupt", second.tail())
        for word in words:
            self.assertIn(word, second.tail())
        self.assertNotIn("READY", second.states())
        self.assertEqual(facts(), before, "what is damaged is left as it is")

    def test_of_every_page_but_the_first(self):
        pod, file = self.stopped_store()
        whole = file.read_bytes()
        file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
        self.assert_refused(pod, file)
        file.write_bytes(whole)
        pod = self.again(pod)
        self.assertEqual(pod.wait_for("store_opened")["waiting"], "30")

    def test_of_the_header(self):
        pod, file = self.stopped_store()
        file.write_bytes(b"not a database" + file.read_bytes()[14:])
        self.assert_refused(pod, file)

    def test_of_its_length(self):
        pod, file = self.stopped_store()
        file.write_bytes(file.read_bytes()[: 4096 * 2])
        self.assert_refused(pod, file)

    def test_nothing_is_left_of_it(self):
        pod, file = self.stopped_store()
        file.write_bytes(b"")
        self.assert_refused(pod, file)
        self.assertEqual(file.read_bytes(), b"")

    def test_a_file_of_another_program(self):
        pod, file = self.stopped_store()
        file.unlink()
        with contextlib.closing(sqlite3.connect(file)) as other:
            other.execute("CREATE TABLE recipes(name TEXT)")
            other.commit()
        self.assert_refused(pod, file, "another program")

    def test_a_newer_release_wrote_it(self):
        pod, file = self.stopped_store()
        with contextlib.closing(sqlite3.connect(file)) as ours:
            ours.execute("PRAGMA user_version=999")
            ours.commit()
        self.assert_refused(pod, file, "newer release")

    def test_the_log_without_its_file(self):
        pod = self.ready()
        pod.run({"mock_return": 1})
        pod.kill()
        file = pod.data / "store/jobs.sqlite"
        file.rename(pod.data / "elsewhere")
        self.assert_refused(pod, file)

    def flip(self, file, at, bit=2):
        with open(file, "r+b") as f:
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ (1 << bit)]))

    def killed_store(self):
        pod = self.ready("--slots", "0")
        jobs = [pod.run({"mock_return": i, "x": "y" * 500}) for i in range(12)]
        pod.kill()
        return pod, jobs, pod.data / "store/jobs.sqlite-wal"

    def test_one_bit_of_the_log(self):
        pod, _, log = self.killed_store()
        whole = log.read_bytes()
        frames = (len(whole) - 32) // 4120
        # The file's head, early, late, and in the very last commit, which only the mark distinguishes from an
        # interrupted write.
        for at in (20, 32 + 4120 + 300, len(whole) // 2, 32 + (frames - 1) * 4120 + 2000):
            log.write_bytes(whole)
            self.flip(log, at)
            self.assert_refused(pod, log)
        log.write_bytes(whole)
        pod = self.again(pod)
        self.assertEqual(pod.wait_for("store_opened")["waiting"], "12")

    def test_a_log_that_was_cut_or_taken_away(self):
        pod, _, log = self.killed_store()
        whole = log.read_bytes()
        log.write_bytes(whole[: len(whole) - 4120])
        self.assert_refused(pod, log, "jobs.mark")
        log.unlink()
        self.assert_refused(pod, log, "jobs.mark")
        (log.parent / "jobs.mark").unlink()  # as the message says: go on without it
        pod = self.again(pod)
        self.assertEqual(pod.wait_for("store_opened")["waiting"], "0")

    def test_one_bit_of_a_result_fails_that_job_alone(self):
        pod = self.ready()
        mark = "THE-RESULT-" + "0123456789" * 20
        jobs = [pod.run({"mock_return": mark}), pod.run({"mock_return": "other"}), pod.run({"mock_return": TALE})]
        for job in jobs:
            pod.wait_job(job, "COMPLETED")
        self.assert_stops(pod)
        file = pod.data / "store/jobs.sqlite"
        data = file.read_bytes()
        # The input holds it as well, and is released: it is the last one written that counts.
        for at in (i for i in range(len(data)) if data.startswith(mark.encode(), i)):
            self.flip(file, at + 15)
        for blob in (pod.data / "store/blobs").rglob("*"):
            if blob.is_file():
                self.flip(blob, 1000)
        pod = self.again(pod)
        pod.wait_listening()
        self.assertEqual(pod.wait_for("job_damaged")["job"], jobs[0])
        self.assertEqual(pod.status(jobs[1])["output"], "other")
        for job in (jobs[0], jobs[2]):
            answer = pod.status(job)
            self.assertEqual(answer["status"], "FAILED", answer)
            self.assertIn("store_corrupt", str(answer))
            self.assertNotIn("output", answer)
        self.assertEqual(pod.post(f"/retry/{jobs[0]}").status, 409)
        pod.kill()  # what was left of it is durable, and is not found damaged again
        pod = self.again(pod)
        pod.wait_listening()
        self.assertEqual(pod.status(jobs[0])["status"], "FAILED")
        self.assertNotIn("job_damaged", pod.tail())

    def test_a_torn_log_costs_nothing_that_was_accepted_before_it(self):
        pod = self.ready("--slots", "0")
        jobs = [pod.run({"mock_return": i}) for i in range(5)]
        pod.kill()
        log = pod.data / "store/jobs.sqlite-wal"
        with open(log, "ab") as file:
            file.write(b"\x00torn" * 1000)  # of a write that was under way
        pod = self.again(pod)
        pod.wait_listening()
        self.assertEqual({pod.status(x)["status"] for x in jobs}, {"IN_QUEUE"})


class moved_away(Case):
    """The name and the promise go together."""

    def assert_ends(self, change):
        pod = self.ready("--slots", "0")
        job = pod.run({"mock_return": 1})
        change(pod)
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            answer = pod.post("/run", {"input": {"mock_return": 2}})
            self.assertNotEqual(answer.status, 200, "accepted under a name that nobody will find")
        self.assertEqual(pod.wait_exit(), INTERNAL, pod.tail())
        self.assertIn("store_failed", pod.tail())
        return pod, job

    def test_the_folder_is_renamed(self):
        self.assert_ends(lambda pod: (pod.data / "store").rename(pod.data / "elsewhere"))

    def test_the_file_is_removed(self):
        self.assert_ends(lambda pod: (pod.data / "store/jobs.sqlite").unlink())

    def test_a_copy_takes_the_place_of_the_file(self):
        def copy(pod):
            file = pod.data / "store/jobs.sqlite"
            shutil.copy(file, file.with_name("copy"))
            file.with_name("copy").rename(file)

        self.assert_ends(copy)

    def test_the_log_is_removed(self):
        self.assert_ends(lambda pod: (pod.data / "store/jobs.sqlite-wal").unlink())

    def test_the_lock_is_replaced(self):
        def replace(pod):
            (pod.data / "lock").unlink()
            (pod.data / "lock").touch()

        self.assert_ends(replace)

    def test_a_pod_without_work_notices_as_well(self):
        pod = self.ready("--slots", "0")
        (pod.data / "store").rename(pod.data / "elsewhere")
        self.assertEqual(pod.wait_exit(), INTERNAL, pod.tail())
        self.assertIn("store_failed", pod.tail())


def small_disk(folder, size, options="rw"):
    """The words in front of a command that give it a disk of its own, of this size, in the folder.
    The test sees it through the process's root.
    """
    script = f'mount -t tmpfs -o size={size},{options} tayfa "$0"; exec "$@"'
    return ["unshare", "-rm", "sh", "-ec", script, str(folder)]


def can_mount():
    if not shutil.which("unshare"):
        return False
    words = small_disk("/mnt", "64k")
    return subprocess.run([*words, "true"], capture_output=True, timeout=30).returncode == 0


@unittest.skipUnless(can_mount(), "no user namespace here in which a tmpfs can be mounted")
class full_disk(Case):
    def pod_on(self, size, *arguments, options="rw"):
        folder = self.folder() / "disk"
        folder.mkdir()
        return self.start(*arguments, data=folder, wrapper=small_disk(folder, size, options))

    def disk_of(self, pod):
        return pathlib.Path(f"/proc/{pod.pid}/root{pod.data}")

    def fill(self, pod):
        """Until not a byte is left."""
        filler = self.disk_of(pod) / "filler"
        with open(filler, "wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"x" * size)
        return filler

    def assert_full(self, answer, pod):
        self.assertEqual((answer.status, answer.body["error"]["code"]), (503, "storage_full"))
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertNotIn(str(pod.data), answer.body["error"]["message"])

    def submit_until_full(self, pod, text):
        """Jobs accepted before the disk was full go on; pages that exist already are still used."""
        accepted = []
        for i in range(2000):
            answer = pod.post("/run", {"input": {"mock_return": i, "mock_logs": [], "x": text}})
            if answer.status != 200:
                self.assert_full(answer, pod)
                return accepted
            accepted.append(answer.body["id"])
        self.fail("the disk is never full")

    def test_it_refuses_with_503_and_goes_on_when_there_is_room(self):
        pod = self.pod_on("8m", "--slots", "1").wait_ready()
        running = pod.run({"mock_return": "first", "mock_delay": 1})
        pod.wait_job(running, "IN_PROGRESS")
        waiting = pod.run({"mock_return": "second"})
        filler = self.fill(pod)
        self.assert_full(pod.post("/run", {"input": {"text": TALE}}), pod)
        accepted = self.submit_until_full(pod, "y" * 3000)
        accepted += self.submit_until_full(pod, "")
        self.assert_full(pod.get("/ready"), pod)
        # The job ends meanwhile. The last free byte decides whether its end can be written. An end that
        # cannot be written is not answered, and no client waits for it.
        while (answer := pod.get(f"/status/{running}")).status == 200:
            if answer.body["status"] == "COMPLETED":
                break
        else:
            self.assert_full(answer, pod)
        victim = pod.post(f"/cancel/{accepted[-1]}") if accepted else None
        if victim and victim.status != 200:
            self.assert_full(victim, pod)
        self.assertEqual(pod.get("/ping").status, 200)
        known = {x["id"] for x in pod.get("/jobs?limit=1000").body["jobs"]}
        self.assertEqual(known, {running, waiting, *accepted}, "nothing half-written")
        filler.unlink()
        if victim:
            pod.wait_job(accepted[-1], "CANCELLED", 60)
        for job in (running, waiting, *accepted[:-1]):
            pod.wait_job(job, "COMPLETED", 60)
        self.assertEqual(pod.status(running)["output"], "first")
        self.assertEqual(pod.status(waiting)["output"], "second")
        pod.wait_for("storage_again")
        self.assertEqual(pod.get("/ready").status, 200)
        self.assertEqual(pod.post("/runsync", {"input": {"text": TALE}}).body["output"]["text"], TALE)
        self.assertEqual(pod.states().count("READY"), pod.states().count("RUNNING") + 1)
        self.assertNotIn("STOPPING", pod.states())
        leftovers = [x.name for x in (self.disk_of(pod) / "store").rglob("*.new")]
        self.assertEqual(leftovers, [])
        self.assert_stops(pod)

    def test_it_can_be_stopped_while_the_disk_is_full(self):
        pod = self.pod_on("8m", "--slots", "1", "--pod.drain_budget", "1s").wait_ready()
        self.fill(pod)
        self.submit_until_full(pod, "z" * 3000)
        self.assertEqual(pod.stop(), OK)

    def test_what_was_accepted_can_be_ended_on_a_full_disk(self):
        pod = self.pod_on("16m", "--slots", "0")
        pod.wait_listening()
        first = pod.run({"mock_return": "kept"})
        self.assertEqual(pod.post(f"/cancel/{first}").status, 200)
        accepted = self.submit_until_full(pod, "x" * 50_000)
        filler = self.fill(pod)
        self.assertGreater(len(accepted), 20)
        for job in accepted[:10]:
            self.assertEqual(pod.post(f"/cancel/{job}").status, 200)
        self.assertEqual(pod.get(f"/status/{accepted[0]}?ttl=3600000").status, 200)
        self.assertEqual(pod.post(f"/drop/{first}").status, 200)
        self.assert_full(pod.post("/run", {"input": {}}), pod)
        purged = pod.post("/purge-queue")
        self.assertEqual((purged.status, purged.body["removed"]), (200, len(accepted) - 10))
        self.assertEqual({pod.status(x)["status"] for x in accepted}, {"CANCELLED"})
        # The filler stays: what the purge has freed is given back by itself.
        self.eventually(lambda: pod.post("/run", {"input": {}}).status == 200, "there is room")
        filler.unlink()
        self.assert_stops(pod)

    def test_what_is_refused_does_not_happen_later(self):
        pod = self.pod_on("16m", "--slots", "0")
        pod.wait_listening()
        accepted = self.submit_until_full(pod, "x" * 50_000)
        # Somebody takes every byte that the store gives up.
        (self.disk_of(pod) / "store/reserve").write_bytes(b"")
        filler = self.fill(pod)
        fates = {}
        for job in accepted:
            answer = pod.post(f"/cancel/{job}")
            if answer.status != 200:
                self.assert_full(answer, pod)
            fates[job] = "CANCELLED" if answer.status == 200 else "IN_QUEUE"
            self.assertEqual(pod.status(job)["status"], fates[job])
        filler.unlink()
        self.eventually(lambda: pod.post("/run", {"input": {}}).status == 200, "there is room")
        self.assertEqual({x: pod.status(x)["status"] for x in accepted}, fates)
        self.assert_stops(pod)

    def test_a_disk_that_is_full_at_the_start(self):
        pod = self.pod_on("4k")
        self.assertIn(pod.wait_exit(), (INTERNAL, BAD_CONFIG), pod.tail())
        self.assertIn("the disk is full", pod.tail())

    def test_a_read_only_folder_is_named(self):
        pod = self.pod_on("64k", options="ro")
        self.assertIn(pod.wait_exit(), (INTERNAL, BAD_CONFIG), pod.tail())
        self.assertIn(str(pod.data), pod.tail())
        self.assertIn("Read-only", pod.tail())


@unittest.skipUnless(shutil.which("fiu-run"), "libfiu (fiu-utils) is not installed")
class failing_calls(Case):
    def pod_with_faults(self):
        folder = self.folder()
        self.faults = folder / "fiu"
        pod = self.start(
            *["--slots", "0"],
            data=self.folder(),
            wrapper=["fiu-run", "-x", "-f", str(self.faults)],
        )
        pod.wait_listening()
        return pod

    def fault(self, pod, words):
        command = ["fiu-ctrl", "-f", str(self.faults), "-c", words, str(pod.pid)]
        subprocess.run(command, check=True, timeout=30, capture_output=True)

    def assert_fatal(self, words):
        """The pod stops acknowledging and ends; the next pod has everything that was acknowledged."""
        pod = self.pod_with_faults()
        jobs = [pod.run({"mock_return": i}) for i in range(10)]
        self.fault(pod, words)
        with contextlib.suppress(ConnectionError, http.client.HTTPException):
            answer = pod.post("/run", {"input": {"mock_return": "unknown"}})
            self.assertEqual(answer.status, 503, answer.body)
        self.assertEqual(pod.wait_exit(), INTERNAL, pod.tail())
        self.assertIn("store_failed", pod.tail())
        pod = self.start("--slots", "0", data=pod.data)
        pod.wait_listening()
        self.assertEqual({pod.status(x)["status"] for x in jobs}, {"IN_QUEUE"})
        self.assert_stops(pod)
        self.assert_sound_store(pod.data)

    def test_a_flush_that_fails_ends_it_with_70(self):
        self.assert_fatal("enable name=posix/io/sync/fdatasync,failinfo=5")

    def test_a_write_that_fails_ends_it_with_70(self):
        self.assert_fatal("enable name=posix/io/rw/pwrite,failinfo=5")

    def test_a_write_without_space_does_not(self):
        pod = self.pod_with_faults()
        first = pod.run({"mock_return": 1})
        self.fault(pod, "enable name=posix/io/rw/pwrite,failinfo=28")
        answer = pod.post("/run", {"input": {"mock_return": 2}})
        self.assertEqual((answer.status, answer.body["error"]["code"]), (503, "storage_full"))
        self.fault(pod, "disable name=posix/io/rw/pwrite")
        self.eventually(
            lambda: pod.post("/run", {"input": {"mock_return": 3}}).status == 200, "there is room"
        )
        self.assertEqual(pod.status(first)["status"], "IN_QUEUE")
        self.assertEqual(len(pod.get("/jobs").body["jobs"]), 2)
        pod.kill()  # a thread of libfiu's takes SIGTERM, and ends the process
        self.assert_sound_store(pod.data)


if __name__ == "__main__":
    case.main()
