#!/usr/bin/env python3
"""Exactly once through deaths: the real tallyd is killed while files grow, rotate, arrive, are
archived and deleted; started again, it shows what a naive recount of all that was written shows.

An ordinary build is killed at random moments. One with --enable-faults is also killed, and meets
errors, at each point that has a hook. --long does many more of both: 500 random rounds at least
(TALLYD_CRASH_ROUNDS says how many), and every pass of every point.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import unittest

import harness
import world

LONG = "--long" in sys.argv
ROUNDS = int(os.environ.get("TALLYD_CRASH_ROUNDS", 500 if LONG else 50))
SEED = int(os.environ.get("TALLYD_SEED", random.randrange(1 << 32)))
# The short run ends here, wherever it is.
SECONDS = 6 * 3600 if LONG else 20
# And not before it has seen so many deaths, however slow the machine is.
N_ENOUGH = 10
ERRORS = ("EIO", "ENOSPC", "short")


def spread(n, most):
    """At most so many of the numbers 1 to n, the first and the last among them."""
    if n <= most:
        return list(range(1, n + 1))
    return sorted({1 + i * (n - 1) // (most - 1) for i in range(most)})


class Crash(harness.Case):

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        self.world = world.World(self.random)
        self.tallyd = self.daemon()
        self.world.put_into(self.tallyd)
        self.end = time.monotonic() + SECONDS

    def tearDown(self):
        if self.has_failed():
            sys.stderr.write("TALLYD_SEED=%d\n" % SEED)
        if self.world.file is not None:
            self.world.file.close()
        super().tearDown()

    def launch(self, **env):
        with open(self.tallyd.log_path, "a") as log:
            self.tallyd.process = subprocess.Popen(
                self.tallyd.command(), env=dict(self.tallyd.env, **env), stdin=subprocess.DEVNULL,
                stderr=log)

    def has_ended(self):
        return self.tallyd.process.poll() is not None

    def reap(self):
        status = self.tallyd.process.wait(harness.DEADLINE)
        self.tallyd.process = None
        return status

    def check(self):
        """A life in which nothing happens to it."""
        self.tallyd.start()
        self.world.check(self.tallyd)

    def kill_somewhere(self):
        """At a moment of its start, or between what the writer does."""
        if self.random.random() < 0.3:
            self.launch()
            time.sleep(self.random.uniform(0, 0.03))
        else:
            self.check()
            for _ in range(self.random.randrange(1, 25)):
                self.world.step()
                time.sleep(self.random.choice([0, 0, 0.001, 0.004]))
            time.sleep(self.random.uniform(0, 0.02))
        number = signal.SIGTERM if self.random.random() < 0.1 else signal.SIGKILL
        if not self.has_ended():
            self.tallyd.process.send_signal(number)
        # A SIGTERM before it is handled kills; one that is handled ends it in order.
        self.assertIn(self.reap(), (-signal.SIGKILL, -signal.SIGTERM, 0), self.tallyd.log()[-2000:])

    def test_killed_at_random_moments_it_loses_nothing_and_doubles_nothing(self):
        n = 0
        while n < ROUNDS and (time.monotonic() < self.end or n <= N_ENOUGH):
            self.kill_somewhere()
            n += 1
            if LONG and n % 50 == 0:
                sys.stderr.write("%d kills, %d lines, all counted once\n" % (n, self.world.serial))
        self.check()
        self.world.check_cleaned(self.tallyd)
        self.world.check(self.tallyd)
        self.assertEqual(self.tallyd.stop(), 0)
        sys.stderr.write("%d kills at random moments, %d lines: 0 lost, 0 doubled\n"
                         % (n, self.world.serial))
        self.assertGreater(n, N_ENOUGH)


@unittest.skipIf(shutil.which("strace") is None, "strace is not installed")
@unittest.skipIf(harness.SANITIZED or os.environ.get("TALLYD_UNDER"), "something else is around it")
class SystemCalls(Crash):
    """Killed by strace as the k-th call of a kind begins, in any build."""

    test_killed_at_random_moments_it_loses_nothing_and_doubles_nothing = None
    # What changes something on disk, under each name that the library may use for it.
    CALLS = ("pwrite64", "write", "fdatasync", "fsync", "ftruncate", "/^rename", "/^unlink", "close")

    def live(self, call, number):
        """Deaths at the start are part of it; true when it died."""
        for _ in range(2):
            self.world.arrive("arriving", "arrived")
        self.world.arrive("passing", "passed")
        self.world.append()
        process = subprocess.Popen(
            ["strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=" + call, "-e",
             "inject=%s:signal=KILL:when=%d" % (call, number)] +
            self.tallyd.command("--available-now"), stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        said = process.communicate(timeout=harness.DEADLINE)[1]
        self.assertIn(process.returncode, (0, -signal.SIGKILL), said)
        return process.returncode != 0

    def test_killed_at_each_system_call_it_loses_nothing_and_doubles_nothing(self):
        self.check()
        self.assertEqual(self.tallyd.stop(), 0)
        n_deaths = 0
        for call in self.CALLS:
            end = time.monotonic() + (SECONDS / len(self.CALLS))
            number = 1
            while (time.monotonic() < end or number <= 2) and self.live(call, number):
                n_deaths += 1
                number += 1 if LONG else 1 + number // 3
                if self.random.random() < 0.5:
                    self.check()
                    self.assertEqual(self.tallyd.stop(), 0)
        self.check()
        self.world.check_cleaned(self.tallyd)
        sys.stderr.write("%d deaths in %d kinds of system calls: 0 lost, 0 doubled\n"
                         % (n_deaths, len(self.CALLS)))
        self.assertGreater(n_deaths, len(self.CALLS))


@unittest.skipUnless(world.has_faults(), "built without --enable-faults")
class Points(Crash):
    """Each hook in turn, in a life that goes through all of them."""

    test_killed_at_random_moments_it_loses_nothing_and_doubles_nothing = None

    def live(self, plan, log=None):
        """Starts with the plan while files lie there, and goes on writing until it dies or all
        is counted."""
        env = {"TALLYD_FAULT": plan}
        if log is not None:
            env["TALLYD_FAULT_LOG"] = log
        for _ in range(3):
            self.world.arrive("arriving", "arrived")
        self.world.arrive("passing", "passed")
        self.launch(**env)
        harness.wait_until(lambda: self.has_ended() or self.is_up(), "it answers or ends")
        for _ in range(8):
            self.world.step()
        if not self.has_ended():
            self.catch_up()
        if not self.has_ended():
            self.tallyd.process.send_signal(signal.SIGTERM)
        return self.reap()

    def is_up(self):
        try:
            return self.tallyd.answers()
        except (AssertionError, OSError):
            return False

    def catch_up(self):
        """Errors are tried again, so this ends but for a death. A statement may lack memory once."""
        last = None
        for _ in range(3):
            try:
                frames = self.tallyd.frames()
                frames.ask("select process_all_available()")
                frames.close()
                return
            except (OSError, AssertionError) as error:
                last = error
            if isinstance(last, OSError) or "closed within" in str(last):
                # A session ends with the daemon, or for want of memory.
                try:
                    self.tallyd.process.wait(1)
                    return
                except subprocess.TimeoutExpired:
                    pass
        self.fail("it neither answers nor ends: %r" % last)

    def points(self):
        """What a life passes, and how often; the first makes the state directory."""
        log = os.path.join(self.tallyd.directory, "points")
        self.live("", log)
        found = world.fault_points(log)
        os.unlink(log)
        self.live("", log)
        for point, n in world.fault_points(log).items():
            found[point] = max(found[point], n)
        return found

    def go_through(self, actions, statuses, most):
        points = self.points()
        for point in ("before-commit", "wal-write", "checkpoint-write", "wal-sync", "clean-rename",
                      "clean-unlink", "ledger-write", "checkpoint-sync"):
            self.assertIn(point, points)
        plans = [(point, number, action) for point, n in points.items()
                 for number in spread(n, most) for action in actions if point != "alloc"]
        self.random.shuffle(plans)
        n = n_hit = 0
        for point, number, action in plans:
            if time.monotonic() > self.end:
                break
            status = self.live("%s:%d:%s" % (point, number, action))
            self.assertIn(status, statuses, "%s:%d:%s: %s" % (
                point, number, action, self.tallyd.log()[-2000:]))
            n_hit += status != 0
            n += 1
            self.check()
            self.assertEqual(self.tallyd.stop(), 0)
            if LONG and n % 50 == 0:
                sys.stderr.write("%d of %d plans\n" % (n, len(plans)))
        self.tallyd.start()
        self.world.check_cleaned(self.tallyd)
        sys.stderr.write("%d of %d plans of %s at %d points, %d of them deadly: 0 lost, 0 doubled\n"
                         % (n, len(plans), "/".join(actions), len(points), n_hit))

    def test_killed_at_each_point_it_loses_nothing_and_doubles_nothing(self):
        self.go_through(("kill",), (-signal.SIGKILL, 0), 1000 if LONG else 3)

    def test_errors_at_each_point_lose_nothing_and_double_nothing(self):
        self.go_through(ERRORS, (0, 1, 78), 100 if LONG else 2)

    def test_without_memory_at_any_growth_it_loses_nothing_and_doubles_nothing(self):
        """Each in turn of the allocations whose size comes from outside."""
        log = os.path.join(self.tallyd.directory, "points")
        self.live("", log)
        n_passed = world.fault_points(log)["alloc"]
        self.assertGreater(n_passed, 100)
        n = 0
        for number in spread(n_passed, 400 if LONG else 15):
            if time.monotonic() > self.end:
                break
            self.assertIn(self.live("alloc:%d:ENOMEM" % number), (0, 1, -signal.SIGABRT),
                          self.tallyd.log()[-2000:])
            n += 1
            self.check()
            self.assertEqual(self.tallyd.stop(), 0)
        sys.stderr.write("%d allocations of %d denied: 0 lost, 0 doubled\n" % (n, n_passed))


if __name__ == "__main__":
    if LONG:
        sys.argv.remove("--long")
    harness.main()
