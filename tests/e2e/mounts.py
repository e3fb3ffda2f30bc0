#!/usr/bin/env python3
"""File systems that go, come back, turn read-only, lose power or are seen twice, under the real
tallyd.

They are ext4 in small files, mounted by loop devices in a mount namespace of this test's own;
that needs root and is skipped without. --long cuts the power a hundred times.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import unittest

import disk
import harness

LONG = "--long" in sys.argv
CUTS = 100 if LONG else 4
SEED = int(os.environ.get("TALLYD_SEED", random.randrange(1 << 32)))
POLLED = "[source events]\npath = @EVENTS@\npoll_interval = 50 milliseconds\n"


def call(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@unittest.skipIf(disk.REFUSED is not None, disk.REFUSED)
@unittest.skipIf(shutil.which("mkfs.ext4") is None, "mkfs.ext4 is not installed")
class Mounts(disk.Disk):

    def setUp(self):
        super().setUp()
        self.places = []

    def tearDown(self):
        super().tearDown()
        for place in reversed(self.places):
            call("umount", "-l", place)

    def mount(self, what, place, *options):
        os.makedirs(place, exist_ok=True)
        done = call("mount", *options, what, place)
        if done.returncode != 0:
            self.skipTest("cannot be mounted here: " + done.stderr.strip())
        self.places.append(place)

    def image(self, path, place):
        """An ext4 of 32 MB in a file, mounted."""
        with open(path, "wb") as out:
            out.truncate(32 << 20)
        done = call("mkfs.ext4", "-q", "-F", "-m", "0", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.mount(path, place, "-o", "loop")

    def test_an_unmounted_directory_is_said_and_read_on_when_it_is_mounted_again(self):
        files = harness.made_stream(seed=81, n_files=5, n_lines=100)
        daemon = self.daemon(config=POLLED)
        image = os.path.join(daemon.directory, "image")
        self.image(image, daemon.events)
        daemon.start()
        for number in range(2):
            daemon.write("f%d" % number, files[number])
        daemon.process_all()
        # The daemon holds the directory open, so it is detached and lives on unseen.
        self.assertEqual(call("umount", "-l", daemon.events).returncode, 0)
        harness.wait_until(lambda: "is another directory now" in daemon.log(), "the log says so")
        daemon.process_all()
        self.exact(daemon, files[:2])
        self.mount(image, daemon.events, "-o", "loop")
        daemon.write("f2", files[2])
        daemon.append("f0", "\n" + files[3])
        harness.wait_until(lambda: harness.counts_of(daemon) == harness.recount(files[:4]),
                           "what came since is counted, and nothing twice")
        # And while nobody runs.
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(call("umount", "-l", daemon.events).returncode, 0)
        daemon.start()
        daemon.process_all()
        self.exact(daemon, files[:4])
        self.mount(image, daemon.events, "-o", "loop")
        daemon.write("f4", files[4])
        harness.wait_until(lambda: harness.counts_of(daemon) == harness.recount(files),
                           "it goes on from there")

    def test_a_power_cut_at_any_moment_takes_back_whole_batches_that_are_counted_again(self):
        """The copy of the image holds what was sent down by then, and its journal replays."""
        source = random.Random(SEED)
        files = harness.made_stream(seed=SEED, n_files=CUTS * 6, n_lines=100)
        daemon = self.daemon("--set", "events.max_files_per_trigger=1")
        image, copy = (os.path.join(daemon.directory, name) for name in ("image", "copy"))
        self.image(image, os.path.join(daemon.directory, "disk"))
        daemon.state = os.path.join(daemon.directory, "disk", "state")
        daemon.start()
        for cut in range(CUTS):
            for number in range(cut * 6, cut * 6 + 6):
                daemon.write("f%04d" % number, files[number])
                time.sleep(source.uniform(0, 0.003))
            if cut % 2 == 1:
                daemon.process_all()
                self.assertEqual(daemon.stop(), 0)
                daemon.start()
            daemon.process.send_signal(signal.SIGSTOP)
            done = call("cp", "--sparse=always", image, copy)
            daemon.process.send_signal(signal.SIGCONT)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check_copy(daemon, copy, files[:cut * 6 + 6], is_all_synced=cut % 2 == 1)
            daemon.process_all()
            self.exact(daemon, files[:cut * 6 + 6])
        sys.stderr.write("%d power cuts: 0 lost, 0 doubled\n" % CUTS)

    def check_copy(self, daemon, copy, files, is_all_synced):
        """Another daemon on what the disk had. Of an end in order nothing was taken back."""
        other = self.daemon(*daemon.options, events=daemon.events)
        place = os.path.join(other.directory, "disk")
        self.mount(copy, place, "-o", "loop")
        other.state = os.path.join(place, "state")
        try:
            other.start()
            if is_all_synced:
                self.exact(other, files)
            self.assertEqual(*other.ask("select (select total(count) from counts),"
                                        " (select total(events) from files)")[0])
            other.process_all()
            self.exact(other, files)
            self.assertNotIn("damaged", other.log())
        finally:
            other.stop(signal.SIGKILL)
            call("umount", place)

    def test_a_file_system_that_the_kernel_turns_read_only_keeps_the_batch_back(self):
        """ext4 aborts on demand, as it does after an error; only a new mount writes again."""
        files = harness.made_stream(seed=82, n_files=4, n_lines=200)
        daemon = self.daemon()
        image, place = (os.path.join(daemon.directory, name) for name in ("image", "disk"))
        self.image(image, place)
        daemon.state = os.path.join(place, "state")
        daemon.start()
        for number in range(2):
            daemon.write("a%d" % number, files[number])
        daemon.process_all()
        if call("mount", "-o", "remount,abort", place).returncode != 0:
            self.skipTest("this ext4 does not abort on demand")
        for number in range(2, 4):
            daemon.write("b%d" % number, files[number])
        row = harness.wait_until(
            lambda: [row for row in daemon.ask("select message from queries")
                     if "Read-only file system" in row[0] or "Input/output error" in row[0]],
            "queries.message says why")
        daemon.wait_logged("trying again in")
        self.exact(daemon, files[:2])
        daemon.process.send_signal(signal.SIGTERM)
        self.assertIn(daemon.process.wait(harness.DEADLINE), (0, 1), row)
        daemon.process = None
        self.assertEqual(call("umount", place).returncode, 0)
        self.mount(image, place, "-o", "loop")
        daemon.start()
        daemon.process_all()
        self.exact(daemon, files)

    def test_where_a_source_is_mounted_read_only_files_stay_until_it_is_not(self):
        files = harness.made_stream(seed=83, n_files=3, n_lines=100)
        daemon = self.daemon("--set", "events.clean_source=delete")
        self.mount(daemon.events, daemon.events, "--bind")
        daemon.start()
        self.assertEqual(call("mount", "-o", "remount,ro,bind", daemon.events).returncode, 0)
        # Written where the same directory is not read-only.
        beside = os.path.join(daemon.directory, "beside")
        self.mount(daemon.directory, beside, "--bind")
        daemon.events, shown = os.path.join(beside, "events"), daemon.events
        for number, text in enumerate(files):
            daemon.write("f%d" % number, text)
        daemon.process_all()
        self.exact(daemon, files)
        harness.wait_until(lambda: "Read-only file system" in daemon.log(), "the log says why")
        self.assertEqual(len(os.listdir(shown)), 3)
        self.assertEqual(call("mount", "-o", "remount,rw,bind", shown).returncode, 0)
        harness.wait_until(lambda: os.listdir(shown) == [], "they are deleted once they can be")
        daemon.events = shown
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        daemon.process_all()
        self.exact(daemon, files)

    def test_a_second_daemon_is_refused_through_a_bind_mount_too_and_harms_nobody(self):
        daemon = self.daemon().start()
        daemon.write("a", disk.ONE)
        daemon.process_all()
        elsewhere = os.path.join(daemon.directory, "elsewhere")
        self.mount(daemon.state, elsewhere, "--bind")
        for state in (daemon.state, elsewhere):
            second = self.daemon(events=daemon.events)
            second.state = state
            for more in ([], ["--available-now"]):
                done = second.run(*more)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn("the state directory is in use", done.stderr)
                self.assertIn("process %d" % daemon.process.pid, done.stderr)
        daemon.write("b", disk.ONE)
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 2})
        # Who was killed holds nothing.
        daemon.stop(signal.SIGKILL)
        daemon.state = elsewhere
        daemon.start()
        self.assertEqual(daemon.totals(), {"Open": 2})


if __name__ == "__main__":
    if LONG:
        sys.argv.remove("--long")
    harness.main()
