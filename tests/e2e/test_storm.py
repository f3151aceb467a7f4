"""Many jobs while engines are killed at random: every accepted job ends with exactly one result,
its own, and nothing of the pod remains.
"""

import random
import signal

import case
from case import Case

JOBS = 400
STORMS = 25  # engines hit, one after each batch of finished jobs
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP)


class storm(Case):
    def test_every_job_has_one_result_of_its_own(self):
        chance = random.Random(20261121)
        pod = self.ready(
            "--slots", "4", "--engine.heartbeat", "100ms", "--queue.max_attempts", "20"
        )
        jobs = {}
        for i in range(JOBS):
            script = {"mock_return": f"result {i}", "mock_delay": chance.uniform(0, 0.06)}
            jobs[pod.run(script)] = f"result {i}"
        ended = case.EndedJobs()
        for batch in range(STORMS):
            wanted = batch * JOBS // (STORMS + 5)
            pod.wait_until(
                lambda lines, least=wanted: len(ended.read(lines)) >= least, f"{wanted} ends", 60
            )
            engines = pod.engines()
            if engines:
                victim = chance.choice(engines)
                try:
                    case.os.kill(victim, chance.choice(SIGNALS))
                except ProcessLookupError:
                    pass  # it has just been replaced
        pod.wait_until(lambda lines: len(ended.read(lines)) == JOBS, "every job ends", 120)
        for job, expected in jobs.items():
            status = pod.status(job)
            self.assertEqual((status["status"], status.get("output")), ("COMPLETED", expected))
        ends = [x["job"] for x in pod.moves("job") if x["to"] == "COMPLETED"]
        self.assertEqual(len(ends), len(set(ends)), "a job ended twice")
        self.assertEqual(set(ends), set(jobs))
        lost = [x for x in pod.moves("job") if x["cause"] == "attempt_lost"]
        self.assertGreater(len(lost), 0, "the storm hit nothing: the test proves nothing")
        self.assert_stops(pod)


if __name__ == "__main__":
    case.main()
