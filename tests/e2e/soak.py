#!/usr/bin/env python3
"""A long time in the life of a service: files grow, rotate, arrive, are archived and deleted,
fifty clients poll, the configuration is read again and again, and the daemon is killed.

In the first third it is killed -9 every few seconds and started on the socket that the test holds,
as a service manager does. The last two thirds it lives: its resident memory and its open files
must stay flat, but for what tallyd(8) says a file that became known and a reject that is kept
need. At the end, after a last kill, every event has been counted once; and at no time did a
client see less than it or another had seen before.

TALLYD_SOAK_SECONDS says how long: 1800 with --long, else a few, which only shows that it works.
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import harness
import world

LONG = "--long" in sys.argv
SECONDS = float(os.environ.get("TALLYD_SOAK_SECONDS", 1800 if LONG else 9))
SEED = int(os.environ.get("TALLYD_SEED", random.randrange(1 << 32)))
N_POLLERS = 50
STEPS_PER_SECOND = 12
# What a straight line through the life without kills may rise over its length.
RSS_RISE_BYTES, FD_RISE = 2 << 20, 3
# What is remembered, as tallyd(8) has it; and the share of that life in which caches still fill.
FILE_BYTES, REJECT_BYTES, WARM_UP = 300, 400, 0.1
EXTRA = "[query extra]\nsource = growing\nwindow = 2 hours\n"


class SlowWorld(world.World):
    """Mostly lines; a file or two a second."""

    def step(self):
        chance = self.random.random()
        if chance < 0.84:
            self.append()
        elif chance < 0.87:
            self.rotate()
        elif chance < 0.95:
            self.arrive("arriving", "arrived", compress=self.random.random() < 0.3)
        else:
            self.arrive("passing", "passed")


class Pollers:
    """N_POLLERS connections, each asked about once a second; reconnected when the daemon dies."""

    SQL = "select sum(count) from grown"

    def __init__(self, daemon):
        self.daemon = daemon
        self.lock = threading.Lock()
        self.seen = 0          # the largest total that any answer gave
        self.n_answers = self.n_broken = 0
        self.wrong = []        # what must not be
        self.is_over = False
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(5)]
        for thread in self.threads:
            thread.start()

    def run(self, seed):
        source, clients = random.Random(seed), [None] * (N_POLLERS // 5)
        while not self.is_over:
            for number in range(len(clients)):
                clients[number] = self.poll(clients[number])
                time.sleep(source.uniform(0, 2) / len(clients))
                if self.is_over:
                    break
        for client in clients:
            if client is not None:
                client.close()

    def poll(self, client):
        before = self.seen
        try:
            if client is None:
                client = harness.Frames(self.daemon.socket, timeout=60)
            total = client.ask(self.SQL)[0][0] or 0
        except ConnectionRefusedError as error:
            self.wrong.append(repr(error))
            return None
        except (AssertionError, OSError) as error:
            # A death takes the session with it, and nothing else does.
            if isinstance(error, TimeoutError) or "closed within" not in str(error) and \
                    not isinstance(error, (ConnectionResetError, BrokenPipeError)):
                self.wrong.append(repr(error))
            self.n_broken += 1
            if client is not None:
                client.close()
            return None
        with self.lock:
            self.n_answers += 1
            self.seen = max(self.seen, total)
            if total < before:
                self.wrong.append("%d events were shown, then %d" % (before, total))
        return client

    def end(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()


def rise(samples):
    """How much the line through (time, value) rises from the first to the last."""
    n = len(samples)
    mean_t = sum(t for t, _ in samples) / n
    mean_v = sum(v for _, v in samples) / n
    square = sum((t - mean_t) ** 2 for t, _ in samples)
    slope = sum((t - mean_t) * (v - mean_v) for t, v in samples) / square if square else 0
    return slope * (samples[-1][0] - samples[0][0])


class Soak(harness.Case):

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.tallyd = self.daemon()
        self.world = SlowWorld(self.random, span=6 * world.HOUR).put_into(self.tallyd)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.tallyd.socket)
        self.listener.listen(128)
        self.pollers = None
        self.n_kills = self.n_reloads = 0

    def tearDown(self):
        if self.pollers is not None:
            self.pollers.end()
        if self.world.file is not None:
            self.world.file.close()
        self.listener.close()
        if self.has_failed():
            sys.stderr.write("TALLYD_SEED=%d\n" % SEED)
        super().tearDown()

    def activate(self):
        """Starts it with the listening socket as descriptor 3."""
        fd = self.listener.fileno()
        env = dict(self.tallyd.env, LISTEN_FDS="1", LISTEN_FDNAMES="sql")
        command = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"] + self.tallyd.command()

        def move():
            if fd == 3:
                os.set_inheritable(3, True)
            else:
                os.dup2(fd, 3, inheritable=True)
        with open(self.tallyd.log_path, "a") as log:
            self.log_size = log.tell()
            self.tallyd.process = subprocess.Popen(
                command, env=env, stdin=subprocess.DEVNULL, stderr=log, close_fds=False,
                preexec_fn=move)

    def kill(self):
        self.tallyd.process.kill()
        self.tallyd.process.wait()
        self.n_kills += 1
        self.activate()

    def reload(self):
        """As a service manager does it: not before it is ready."""
        harness.wait_until(lambda: "serving " in self.tallyd.log()[self.log_size:], "it is ready")
        self.n_reloads += 1
        if EXTRA in self.tallyd.config:
            self.tallyd.config = self.tallyd.config.replace(EXTRA, "")
        else:
            self.tallyd.config += EXTRA
        self.tallyd.command()  # writes the file
        self.tallyd.process.send_signal(signal.SIGHUP)

    def sample(self):
        pid = self.tallyd.process.pid
        with open("/proc/%d/statm" % pid) as statm:
            pages = int(statm.read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/%d/fd" % pid))

    def state_bytes(self):
        """What it has to remember, at the manual's price."""
        with contextlib.closing(self.tallyd.frames()) as frames:
            n_files, = frames.ask("select count(*) from files")[0]
            n_rejects, = frames.ask("select count(*) from rejects")[0]
        return n_files * FILE_BYTES + n_rejects * REJECT_BYTES

    def write_until(self, end, every_second):
        """The writer's steps, and once a second what the test does."""
        tick = time.monotonic()
        while time.monotonic() < end:
            self.world.step()
            self.assertIsNone(self.tallyd.process.poll(), self.tallyd.log()[-2000:])
            if time.monotonic() >= tick:
                tick += 1
                every_second()
            time.sleep(self.random.uniform(0, 2) / STEPS_PER_SECOND)

    def rough_second(self):
        if self.random.random() < 0.2:
            self.kill()
        elif self.random.random() < 0.1:
            self.reload()

    def calm_second(self):
        if self.random.random() < 0.05:
            self.reload()
        if time.monotonic() >= self.is_warm_at:
            self.take_sample()

    def take_sample(self):
        now = time.monotonic()
        rss, n_fds = self.sample()
        self.rss.append((now, rss))
        self.fds.append((now, n_fds))
        self.remembered.append((now, self.state_bytes()))

    def test_over_a_long_time_it_stays_exact_and_flat(self):
        begin = time.monotonic()
        self.activate()
        self.pollers = Pollers(self.tallyd)
        self.write_until(begin + SECONDS / 3, self.rough_second)
        self.world.check(self.tallyd)
        self.rss, self.fds, self.remembered = [], [], []
        now = time.monotonic()
        self.is_warm_at = now + (begin + SECONDS - now) * WARM_UP
        self.write_until(begin + SECONDS, self.calm_second)
        self.take_sample()
        self.world.check(self.tallyd)
        self.check_extra()
        self.kill()
        self.world.check(self.tallyd)
        self.world.check_cleaned(self.tallyd)
        self.pollers.end()
        self.report()
        self.assertEqual(self.pollers.wrong, [])
        self.assertGreater(self.pollers.n_answers, SECONDS)
        # Too short a life says nothing: in its first minutes all groups and files are new.
        if SECONDS >= 900:
            self.assertLess(rise(self.rss) - rise(self.remembered), RSS_RISE_BYTES)
            self.assertLess(rise(self.fds), FD_RISE)
        self.assertEqual(self.tallyd.stop(), 0)

    def check_extra(self):
        """A query that came and went with the reloads has counted the same events."""
        if EXTRA in self.tallyd.config:
            self.assertEqual(self.tallyd.ask("select sum(count) from extra"),
                             self.tallyd.ask("select sum(count) from grown"))

    def report(self):
        sys.stderr.write(
            "%.0f s, %d lines, %d kills, %d reloads, %d answers to %d pollers (%d broken off by "
            "kills): 0 lost, 0 doubled; resident %.1f MiB at first, %.1f at last, rise %.2f MiB, "
            "of which %.2f to be remembered; open files %d, %d, rise %.1f\n" % (
                SECONDS, self.world.serial, self.n_kills, self.n_reloads, self.pollers.n_answers,
                N_POLLERS, self.pollers.n_broken, self.rss[0][1] / 2 ** 20,
                self.rss[-1][1] / 2 ** 20, rise(self.rss) / 2 ** 20,
                rise(self.remembered) / 2 ** 20, self.fds[0][1], self.fds[-1][1],
                rise(self.fds)))


if __name__ == "__main__":
    if LONG:
        sys.argv.remove("--long")
    harness.main()
