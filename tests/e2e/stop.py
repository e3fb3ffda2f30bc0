#!/usr/bin/env python3
"""Ends in order: a SIGTERM in the middle of a large batch, or at any other moment.

--long takes a file of 2 GiB and many more rounds.
"""

import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time

import harness

LONG = "--long" in sys.argv
BYTES = 1 << (31 if LONG else 28)
ROUNDS = 200 if LONG else 12
SEED = int(os.environ.get("TALLYD_SEED", random.randrange(1 << 32)))
# A name written like this is nothing for the fast path: the batch takes its time.
LINE = '{"t\\u0069me":%d,"n":%d,"action":"%s"}\n'


class Stop(harness.Case):

    def large_file(self, path):
        """BYTES of lines of one length, and how many they are."""
        block = "".join(LINE % (1469501107 + n % 50000, 10 ** 8 + n, "Open" if n % 3 else "Shut")
                        for n in range(30000)).encode()
        n_blocks = BYTES // len(block)
        with open(path + ".tmp", "wb") as out:
            for _ in range(n_blocks):
                out.write(block)
        os.rename(path + ".tmp", path)
        return n_blocks * 30000

    @staticmethod
    def cpu_seconds(daemon):
        with open("/proc/%d/stat" % daemon.process.pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def checkpointed(daemon):
        """Offset of the file and events counted, as they lie on disk when nobody runs."""
        db = sqlite3.connect("file:%s/checkpoint?mode=ro" % daemon.state, uri=True)
        # Ours compares by time; the canonical texts sort by it anyway.
        db.create_collation("TS", lambda one, other: (one > other) - (one < other))
        try:
            offset = db.execute("select coalesce(max(offset), 0) from files").fetchone()[0]
            n = db.execute("select coalesce(sum(count), 0) from counts").fetchone()[0]
        finally:
            db.close()
        return offset, n

    def test_in_a_large_batch_it_ends_with_the_slice_and_goes_on_from_there(self):
        memory = tempfile.mkdtemp(prefix="tallyd-e2e-", dir="/dev/shm")
        self.addCleanup(shutil.rmtree, memory)
        daemon = self.daemon("--set", "events.max_bytes_per_trigger=8 GiB", events=memory)
        n_lines = self.large_file(os.path.join(memory, "large"))
        size = os.path.getsize(os.path.join(memory, "large"))

        def stopped_within():
            """Offset and events, or None: the test was held up until all was counted."""
            shutil.rmtree(daemon.state, ignore_errors=True)
            daemon.start()
            harness.wait_until(lambda: self.cpu_seconds(daemon) > 0.1, "it counts")
            took = time.monotonic()
            self.assertEqual(daemon.stop(), 0)
            took = time.monotonic() - took
            offset, n = self.checkpointed(daemon)
            sys.stderr.write("stopped after %.3f s at byte %d of %d\n" % (took, offset, size))
            return (offset, n) if offset < size else None
        offset, n = harness.wait_until(stopped_within, "a stop in the middle of the batch")
        # What is counted is what lies before the offset, to the line.
        self.assertEqual(offset, n * size // n_lines)
        daemon.start()
        # Longer than other tests wait for an answer.
        frames = harness.Frames(daemon.socket, timeout=600)
        frames.ask("select process_all_available()")
        frames.close()
        self.assertEqual(sum(daemon.totals().values()), n_lines)
        # No byte was read twice: the batches before and after add up to the file.
        self.assertEqual(daemon.ask("select sum(bytes), sum(num_input_rows) from progress"),
                         [[size, n_lines]])

    def test_at_any_moment_it_ends_in_order_and_the_next_start_is_exact(self):
        source = random.Random(SEED)
        files = harness.made_stream(seed=SEED, n_files=ROUNDS * 3, n_lines=200)
        daemon = self.daemon("--set", "events.max_files_per_trigger=1")
        written = 0
        for _ in range(ROUNDS):
            daemon.start()
            busy = daemon.client()
            busy.send("select count(*) from events;\n")
            for _ in range(3):
                daemon.write("f%d" % written, files[written])
                written += 1
                time.sleep(source.uniform(0, 0.003))
            self.assertEqual(daemon.stop(), 0, "seed %d" % SEED)
            self.assertFalse(os.path.exists(daemon.socket))
            busy.close()
        daemon.start()
        daemon.process_all()
        self.assertEqual(harness.counts_of(daemon), harness.recount(files), "seed %d" % SEED)

    def test_a_second_signal_waits_for_nobody_and_loses_nothing(self):
        files = harness.made_stream(seed=52, n_files=4, n_lines=500)
        daemon = self.daemon().start()
        # A client that does not read would have two seconds.
        stuck = daemon.client()
        stuck.send("with recursive n(i) as (select 1 union all select i+1 from n limit 2000000)"
                   " select i from n;\n")
        stuck.socket.recv(1)
        for number, text in enumerate(files):
            daemon.write("f%d" % number, text)
        process = daemon.process
        process.send_signal(signal.SIGTERM)
        harness.wait_until(lambda: "SIGTERM" in daemon.log(), "it is heard")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        daemon.process_all()
        self.assertEqual(harness.counts_of(daemon), harness.recount(files))


if __name__ == "__main__":
    if LONG:
        sys.argv.remove("--long")
    harness.main()
