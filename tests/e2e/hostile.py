#!/usr/bin/env python3
"""The corpus of hostile statements against the real daemon: from several strangers at once, while
somebody polls and events come in. Each ends with an answer or a sentence; the poller stays right
and fast; every event is counted. --long: 50 strangers, more time and memory for each statement."""

import glob
import os
import re
import sys
import threading
import time

import harness

IS_LONG = "--long" in sys.argv
N_STRANGERS = 50 if IS_LONG else 6
TIMEOUT_MS = 2000 if IS_LONG else 200
CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../fuzz/corpus-sql")
# What an answer may take on a machine with two processors that others use as well.
BOUND_S = 30 if harness.SANITIZED else 5


def statements():
    """As texts: what is no UTF-8 has tests of its own."""
    texts = []
    for path in sorted(glob.glob(os.path.join(CORPUS, "*"))):
        with open(path, "rb") as file:
            texts.append(file.read().decode("utf-8", "replace"))
    return texts


class Stranger(threading.Thread):
    """Sends all of the corpus, from another place in it on each time."""

    def __init__(self, daemon, texts, first):
        super().__init__()
        self.client = daemon.frames()
        self.client.socket.settimeout(300)
        self.texts = texts[first:] + texts[:first]
        self.unclear, self.ends, self.slowest, self.failure = [], {"ok": 0, "error": 0}, (0, ""), None

    def run(self):
        try:
            for text in self.texts:
                started = time.monotonic()
                self.client.request(text)
                _, end = self.client.answer()
                self.slowest = max(self.slowest, (time.monotonic() - started, text[:80]))
                self.ends["error" if "error" in end else "ok"] += 1
                if "error" in end and len(end["error"]["message"]) < 5:
                    self.unclear.append((text, end))
                self.client.request("rollback")
                self.client.answer()
        except Exception as failure:  # shown by the test, on its own thread
            self.failure = failure


class Hostile(harness.Case):

    def test_strangers_beside_a_poller(self):
        daemon = self.daemon("--set", "tallyd.query_timeout=%d milliseconds" % TIMEOUT_MS, "--set", "tallyd.query_memory=%d MiB"
                             % (64 if IS_LONG else 16), "--set", "tallyd.max_result_bytes=4 MiB").start()
        pid = daemon.process.pid
        # What the daemon opens with its first file belongs to it.
        daemon.write("f0", '{"time":1469501107,"action":"Open"}\n' * 7)
        daemon.process_all()
        n_fds = len(os.listdir("/proc/%d/fd" % pid))
        texts = statements()
        self.assertGreater(len(texts), 80)
        strangers = [Stranger(daemon, texts, i * len(texts) // N_STRANGERS) for i in range(N_STRANGERS)]
        for stranger in strangers:
            stranger.start()
        poller, times, n_files, last, n_late = daemon.frames(), [], 1, 0, 0
        while any(stranger.is_alive() for stranger in strangers):
            daemon.write("f%d" % n_files, '{"time":1469501107,"action":"Open"}\n' * 7)
            n_files += 1
            started = time.monotonic()
            poller.request(harness.TOTALS)
            rows, end = poller.answer()
            times.append(time.monotonic() - started)
            if "its timeout of" in end.get("error", {}).get("message", ""):
                n_late += 1
                continue
            self.assertIn("ok", end)
            totals = dict(rows).get("Open", 0)
            # Whole files, and no fewer than before.
            self.assertEqual(totals % 7, 0)
            self.assertGreaterEqual(totals, last)
            last = totals
            time.sleep(0.02)
        for stranger in strangers:
            stranger.join()
            self.assertIsNone(stranger.failure)
            self.assertEqual(stranger.unclear, [])
            stranger.client.close()
        daemon.ask("select start('counts')")  # the strangers are the daemon's own user, and have stopped it
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 7 * n_files})
        times.sort()
        print("%d polls, median %.1f ms, slowest %.0f ms; slowest statement %.1f s (%s); %s" % (
            len(times), times[len(times) // 2] * 1e3, times[-1] * 1e3, *max(s.slowest for s in strangers), strangers[0].ends))
        self.assertLess(n_late, N_STRANGERS)
        # The machine may hold up one poll; a statement that holds up others does so for each stranger.
        self.assertLess(times[-N_STRANGERS // 2], BOUND_S)
        poller.close()
        harness.wait_until(lambda: daemon.ask("select count(*) from sessions") == [[1]], "the sessions are gone")
        harness.wait_until(lambda: len(os.listdir("/proc/%d/fd" % pid)) <= n_fds, "descriptors are closed")
        if not harness.SANITIZED and not os.environ.get("TALLYD_UNDER"):
            with open("/proc/%d/status" % pid) as status:
                peak_kb = int(re.search(r"^VmHWM:\s+(\d+)", status.read(), re.M).group(1))
            self.assertLess(peak_kb, 1024 * N_STRANGERS * (2 * 64 if IS_LONG else 2 * 16) + 100000)


if __name__ == "__main__":
    if IS_LONG:
        sys.argv.remove("--long")
    harness.main()
