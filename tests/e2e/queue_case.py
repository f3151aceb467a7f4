"""Shared parts of the tests of the queue: a held slot, reasons to wait, refusals."""


from case import Case


def began(pod):
    """The jobs in the order in which they were given out."""
    return [x["job"] for x in pod.moves("job") if x["to"] == "IN_PROGRESS"]


class QueueCase(Case):
    def held(self, *arguments, **options):
        """A pod with one slot, and the job that holds it until release()."""
        pod = self.ready("--slots", "1", *arguments, **options)
        self.holder = pod.run({"mock_hang": True}, policy={"priority": 9})
        pod.wait_job(self.holder, "IN_PROGRESS")
        return pod

    def release(self, pod):
        pod.post(f"/cancel/{self.holder}")

    def finish(self, pod, jobs, state="COMPLETED"):
        for job in jobs:
            pod.wait_job(job, state, 90)

    def reason(self, pod, job):
        status = pod.status(job)
        self.assertEqual(status["status"], "IN_QUEUE", status)
        detail = pod.detail(job)
        self.assertEqual(detail.get("waitReason"), status.get("waitReason"))
        self.assertTrue(detail["waitText"])
        return status["waitReason"]

    def assert_refused(self, pod, answer, status, code):
        self.assertEqual((answer.status, answer.body["error"]["code"]), (status, code))
        if status in (429, 503):
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)

    def known(self, pod):
        return {x["id"] for x in pod.get("/jobs?limit=1000").body["jobs"]}
