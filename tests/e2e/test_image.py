"""The Dockerfile's statements about a running pod, tried on a real one: settings, model file, health check."""

import json
import pathlib
import re
import subprocess

import case
from case import OK, ROOT, Case, pods

DOCKERFILE = (ROOT / "Dockerfile").read_text()
FINAL = DOCKERFILE.partition(" AS final\n")[2]


def settings():
    """The TAYFA_* variables of the final stage."""
    return dict(re.findall(r"\b(TAYFA_[A-Z_]+)=(\S+)", FINAL))


class image(Case):
    def test_its_settings_are_accepted(self):
        self.assertTrue(settings())
        done = self.tayfa("config", environment=settings())
        self.assertEqual(done.returncode, OK, done.stderr)
        for name in settings():
            self.assertIn(name, done.stdout)

    def test_a_pod_starts_with_them(self):
        folder = self.folder()
        file = folder / "tayfa.toml"
        file.write_text('[engine]\nkind = "scripted"\n')
        environment = {**settings(), "LD_PRELOAD": self.preloaded()}
        pod = self.ready("--config", file, engine="", environment=environment)
        self.assertEqual(pod.post("/runsync", {"input": {"mock_return": 1}}).body["output"], 1)
        self.assert_stops(pod)

    def health_of(self, environment):
        command = json.loads(re.search(r"HEALTHCHECK .*?CMD (\[.*?\])\n", FINAL, re.S).group(1))
        return subprocess.run(
            command, env=pods.clean_environment(environment), stderr=subprocess.DEVNULL
        ).returncode

    def preloaded(self):
        return re.search(r"LD_PRELOAD=(\S+)", FINAL).group(1)

    def test_its_allocator_is_used_where_it_is_installed(self):
        libraries = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
        if self.preloaded() not in libraries:
            self.skipTest(f"{self.preloaded()} is not installed")
        pod = self.ready(environment={"LD_PRELOAD": self.preloaded()})
        self.assertEqual(pod.wait_for("created")["allocator"], "tcmalloc")

    def test_its_health_check_tells_ready_from_starting_and_gone(self):
        pod = self.start(environment={"TAYFA_SCRIPTED": json.dumps({"load_delay": 1})})
        pod.wait_listening()

        def check():
            return self.health_of({"PORT": "1", "TAYFA_HTTP_LISTEN": f"0.0.0.0:{pod.port}"})

        pod.wait_for("state", machine="pod", to="LAUNCHING")
        self.assertEqual(check(), 1, "while it starts")
        pod.wait_ready()
        self.assertEqual(check(), 0, "when it is ready")
        pod.stop()
        self.assertEqual(check(), 1, "when it is gone")

    def test_it_listens_where_its_port_says(self):
        port = pods.steady_address().rpartition(":")[2]
        self.assertRegex(FINAL, r"\bPORT=8000\b")
        pod = self.ready(listen="", environment={**settings(), "PORT": port})
        self.assertEqual(pod.wait_for("listening")["address"], f"0.0.0.0:{port}")
        self.assertEqual(self.health_of({"PORT": port}), 0)
        self.assertEqual(pod.post("/purge-queue").status, 401, "nobody is let in without a key")
        key = re.findall(r"\btayfa_[A-Za-z0-9_-]{43}\b", pod.tail(1_000))
        self.assertEqual(len(key), 1, "which was printed, once")
        self.assertEqual(pod.post("/purge-queue", headers={"Authorization": key[0]}).status, 200)

    def test_on_an_endpoint_of_runpods_the_platform_asks_for_the_key(self):
        port = pods.steady_address().rpartition(":")[2]
        around = {**settings(), "PORT": port, "RUNPOD_ENDPOINT_ID": "e-1", "RUNPOD_POD_ID": "p-1"}
        pod = self.start(listen="", environment=around)
        pod.port = int(port)
        self.eventually(lambda: self.health_of({"PORT": port}) == 0, "it is ready")
        self.assertEqual(pod.get("/health").status, 200)
        self.assertNotRegex(pod.tail(1_000), r"\btayfa_[A-Za-z0-9_-]{43}\b")

    def test_a_worker_of_runpods_listens_on_the_loopback_and_needs_no_key(self):
        around = {
            **settings(),
            "TAYFA_HTTP_LISTEN": "127.0.0.1:0",
            "RUNPOD_WEBHOOK_GET_JOB": "http://127.0.0.1:9/take/$ID",
            "RUNPOD_WEBHOOK_POST_OUTPUT": "http://127.0.0.1:9/done/$ID",
        }
        pod = self.start("--engine.on_unfit", "go_on", listen="", environment=around)
        self.assertTrue(pod.wait_for("listening")["address"].startswith("127.0.0.1:"))
        self.assertNotRegex(pod.tail(1_000), r"\btayfa_[A-Za-z0-9_-]{43}\b")

    def test_its_entry_point_is_a_command_of_ours(self):
        words = json.loads(re.search(r"^ENTRYPOINT (\[.*\])$", FINAL, re.M).group(1))
        self.assertEqual(pathlib.Path(words[0]).name, "tayfa")
        done = self.tayfa(words[1], "--help")
        self.assertEqual(done.returncode, OK)
        self.assertIn(words[2], done.stdout)


if __name__ == "__main__":
    case.main()
