"""What the tests of PostgreSQL clients share: a daemon with some counts, a way to publish a
batch, and the clients that are no part of the system (clients.sh fetches them)."""

import os
import subprocess
import sys

import harness

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = '{"time":1469501107,"action":"Open"}\n{"time":1469501107,"action":"Close"}\n'
MILLION = ("with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000000) "
           "select i, 'row ' || i as text from n")
ENDLESS = ("with recursive n(i) as (select 1 union all select i + 1 from n) "
           "select count(*) from n")


def clients(kind):
    """The directory with the clients of a kind; the test is skipped where they cannot be had."""
    done = subprocess.run([os.path.join(HERE, "clients.sh"), kind], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode == 77:
        raise harness.unittest.SkipTest(done.stderr.strip())
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout.strip()


def python_clients():
    """Makes the fetched Python drivers importable."""
    place = clients("python")
    library = os.path.join(place, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
    if not os.path.isdir(library):
        raise harness.unittest.SkipTest("%s is for another version of Python" % place)
    if library not in sys.path:
        sys.path.insert(0, library)


class PgCase(harness.Case):
    """self.d is a daemon whose counts are Open and Close, 1 each; self.dir has its socket."""

    def setUp(self):
        super().setUp()
        # A million rows take their time on a slow machine.
        self.d = self.daemon("--set", "tallyd.query_timeout=10 minutes").start()
        self.dir = self.d.directory
        self.path = os.path.join(self.dir, ".s.PGSQL.5432")
        self.n_batches = 0
        self.publish()

    def publish(self):
        """One more batch: each total grows by one."""
        self.n_batches += 1
        self.d.write("batch%d" % self.n_batches, BATCH)
        self.d.process_all()

    def resident_kb(self):
        with open("/proc/%d/status" % self.d.process.pid) as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

    def assert_flat(self, before_kb):
        """What it has ever held at most did not grow by more than pages of a few sessions."""
        if "valgrind" not in " ".join(self.d.under) and not os.environ.get("ASAN_OPTIONS"):
            self.assertLess(self.resident_kb() - before_kb, 16 * 1024)

    def wait_for_running(self, n=1):
        harness.wait_until(lambda: len(self.d.ask(
            "select 1 from sessions where state = 'running' and protocol = 'postgres'")) == n,
                           "%d PostgreSQL sessions run" % n)
