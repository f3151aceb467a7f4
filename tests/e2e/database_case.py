"""A case with a PostgreSQL of its own, which can be ended and started; skipped where Debian's server is
not installed.
"""

import signal
import sys
import unittest

import case
from case import Case

sys.path.insert(0, str(case.ROOT / "tests/bench/peers"))
import peers  # noqa: E402

SECRET = "open-sesame"


def missing():
    try:
        peers.program("initdb", "postgresql-15", *peers.postgresql_programs())
        return ""
    except peers.PeerError as why:
        return f"PostgreSQL's server is {why}"


@unittest.skipIf(missing(), missing())
class DatabaseCase(Case):
    def setUp(self):
        self.home = self.folder()
        self.home.chmod(0o755)
        self.port = peers.free_port()
        homes = peers.postgresql_programs()
        data = self.home / "data"
        data.mkdir(mode=0o700)
        peers.give(data)
        initdb = peers.program("initdb", "postgresql-15", *homes)
        make = [initdb, "-D", data, "-U", "tayfa", "-A", "trust", "-E", "UTF8", "--no-sync"]
        peers.said_by(*make, cwd=self.home, **peers.unprivileged())
        postgres = peers.program("postgres", "postgresql-15", *homes)
        self.command = [postgres, "-D", data, "-c", f"port={self.port}", "-c"]
        self.command += ["unix_socket_directories=", "-c", "listen_addresses=127.0.0.1"]
        self.server = None
        self.start_database()
        self.addCleanup(self.stop_database)

    def start_database(self):
        self.server = peers.Instance(
            self.command, self.home, self.port, signal.SIGQUIT, peers.READY
        )
        self.server.__enter__()

    def stop_database(self):
        """SIGQUIT: it ends at once, as after a crash, and recovers when it starts."""
        if self.server:
            self.server.__exit__()
            self.server = None

    def url(self):
        return f"postgresql://tayfa:{SECRET}@127.0.0.1:{self.port}/postgres"

    def surroundings(self):
        return {"TAYFA_STORE_URL": self.url()}

    def pod(self, *arguments, **options):
        return self.start(
            "--store", "postgres", *arguments, environment=self.surroundings(), **options
        )

    def query(self, sql):
        """What psql says, in the schema of the pods."""
        psql = peers.program("psql", "postgresql-client-15", *peers.postgresql_programs())
        options = ["-XAtq", "-h", "127.0.0.1", "-p", self.port, "-U", "tayfa", "-d", "postgres"]
        return peers.said_by(psql, *options, "-c", f"SET search_path = tayfa; {sql}")

    def output(self, pod, job):
        pod.wait_job(job, "COMPLETED")
        return pod.status(job)["output"]
