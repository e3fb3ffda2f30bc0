#!/usr/bin/env python3
"""Disks that fill up, and file systems that become read-only, under the real tallyd.

The file systems are small tmpfs in a mount namespace of this test's own; that needs root and is
skipped without. The rule each time: what cannot be made durable is not shown, queries.message
says why, readers go on with the last version, and when there is room again all is exact.
"""

import ctypes
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import unittest

import harness
import world

ONE = '{"time":1469501107,"action":"Open"}\n'
FAULTS = world.has_faults()


def own_namespace():
    """Mounts made from here on are seen by this process and its children alone. The reason where
    that cannot be, else None."""
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newns, ms_rec, ms_private = 0x20000, 0x4000, 1 << 18
    if os.geteuid() != 0:
        return "mounting needs root"
    if libc.unshare(clone_newns) != 0 or \
            libc.mount(b"none", b"/", None, ctypes.c_ulong(ms_rec | ms_private), None) != 0:
        return "no mount namespace: " + os.strerror(ctypes.get_errno())
    return None


REFUSED = own_namespace()


class Small:
    """A tmpfs of `size` bytes at `path`."""

    def __init__(self, path, size="2m"):
        self.path = path
        os.makedirs(path, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755,size=" + size, "tmpfs", path],
                              stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise unittest.SkipTest("no tmpfs can be mounted: " + done.stderr.strip())

    def fill(self):
        """Not a byte is left."""
        with open(os.path.join(self.path, "ballast"), "ab", buffering=0) as out:
            for size in (65536, 4096, 1):
                try:
                    while out.write(b"x" * size) == size:
                        pass
                except OSError:
                    pass

    def fill_inodes(self):
        """Not a file can be made."""
        ballast = os.path.join(self.path, "ballast")
        os.mkdir(ballast)
        try:
            for number in range(1 << 20):
                open(os.path.join(ballast, str(number)), "w").close()
        except OSError:
            pass

    def empty(self):
        ballast = os.path.join(self.path, "ballast")
        if os.path.isdir(ballast):
            shutil.rmtree(ballast)
        else:
            os.unlink(ballast)

    def remount(self, how):
        subprocess.run(["mount", "-o", "remount," + how, self.path], check=True)

    def clean(self):
        subprocess.run(["umount", "-l", self.path])


class Disk(harness.Case):

    def setUp(self):
        super().setUp()
        self.mounted = []

    def tearDown(self):
        super().tearDown()
        for small in self.mounted:
            small.clean()

    def small(self, path, size="2m"):
        small = Small(path, size)
        self.mounted.append(small)
        return small

    def message(self, daemon, text):
        """Waits until the query says so."""
        return harness.wait_until(
            lambda: [row for row in daemon.ask("select message from queries") if text in row[0]],
            "queries.message with %r" % text)

    def exact(self, daemon, files):
        self.assertEqual(harness.counts_of(daemon), harness.recount(files))


@unittest.skipIf(REFUSED is not None, REFUSED)
class State(Disk):
    """The file system of state_dir."""

    def started(self, files, **kwargs):
        daemon = self.daemon(**kwargs)
        small = self.small(daemon.state)
        daemon.start()
        for number, text in enumerate(files):
            daemon.write("a%d" % number, text)
        daemon.process_all()
        return daemon, small

    def check_trouble(self, daemon, text, before, more):
        """While it lasts: not visible, said, read on, tried again with growing pauses."""
        for number, file in enumerate(more):
            daemon.write("b%d" % number, file)
        self.message(daemon, text)
        self.exact(daemon, before)
        self.assertEqual(daemon.ask("select count(*) from files where path like 'b%'"), [[0]])
        harness.wait_until(lambda: daemon.log().count("trying again in") >= 1 and
                           text in daemon.log(), "the log says so too")
        self.exact(daemon, before)

    def check_end(self, daemon, files):
        """Once it is over, and after a restart, all is counted once."""
        harness.wait_until(lambda: harness.counts_of(daemon) == harness.recount(files),
                           "what waited is counted")
        daemon.process_all()
        self.exact(daemon, files)
        self.assertEqual(daemon.ask("select message from queries"), [["Waiting for data to arrive"]])
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        self.exact(daemon, files)
        daemon.process_all()
        self.exact(daemon, files)

    def test_a_full_disk_keeps_the_batch_back_until_there_is_room(self):
        files = harness.made_stream(seed=41, n_files=6, n_lines=300)
        daemon, small = self.started(files[:2])
        small.fill()
        self.check_trouble(daemon, "No space left on device", files[:2], files[2:])
        small.empty()
        self.check_end(daemon, files)

    def test_started_on_a_full_disk_it_serves_the_last_version(self):
        files = harness.made_stream(seed=42, n_files=4, n_lines=300)
        daemon, small = self.started(files[:2])
        small.fill()
        self.check_trouble(daemon, "No space left on device", files[:2], files[2:])
        daemon.stop(signal.SIGKILL)
        daemon.start()
        self.exact(daemon, files[:2])
        self.message(daemon, "No space left on device")
        self.exact(daemon, files[:2])
        # Its end in order finds no room either; that is said and no failure of the next start.
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        self.exact(daemon, files[:2])
        small.empty()
        self.check_end(daemon, files)

    @unittest.skipIf(shutil.which("strace") is None, "strace is not installed")
    def test_a_file_system_that_turns_read_only_does_the_same(self):
        """A kernel refuses to remount what is open for writing; one that does it by itself, after
        an error, answers each write like this."""
        files = harness.made_stream(seed=43, n_files=6, n_lines=300)
        daemon, _ = self.started(files[:2])
        with open(os.path.join(daemon.directory, "strace"), "w+") as said:
            strace = subprocess.Popen(
                ["strace", "-f", "-p", str(daemon.process.pid), "-o", "/dev/null",
                 "-e", "trace=pwrite64", "-e", "inject=pwrite64:error=EROFS"], stderr=said)

            def is_attached():
                said.seek(0)
                return "attached" in said.read() or strace.poll() is not None
            harness.wait_until(is_attached, "strace is attached")
            if strace.poll() is not None:
                self.skipTest("strace cannot attach here")
        try:
            self.check_trouble(daemon, "Read-only file system", files[:2], files[2:])
        finally:
            strace.terminate()
            strace.wait()
        self.check_end(daemon, files)

    def test_on_a_read_only_file_system_it_does_not_start_and_says_why(self):
        files = harness.made_stream(seed=47, n_files=2, n_lines=300)
        daemon, small = self.started(files[:1])
        daemon.stop(signal.SIGKILL)
        daemon.write("b", files[1])
        small.remount("ro")
        done = daemon.run()
        self.assertEqual(done.returncode, 78)
        self.assertIn("Read-only file system", done.stderr)
        small.remount("rw")
        daemon.start()
        daemon.process_all()
        self.exact(daemon, files)

    def test_nothing_is_archived_before_the_checkpoint_that_covers_it(self):
        files = harness.made_stream(seed=44, n_files=6, n_lines=300)
        daemon = self.daemon("--set", "events.clean_source=archive")
        archive = os.path.join(daemon.directory, "archive")
        os.mkdir(archive)
        daemon.options += ["--set", "events.archive_dir=" + archive]
        small = self.small(daemon.state)
        daemon.start()
        for number, text in enumerate(files[:2]):
            daemon.write("a%d" % number, text)
        daemon.process_all()
        harness.wait_until(lambda: len(os.listdir(archive)) == 2, "the first are archived")
        small.fill()
        for number, text in enumerate(files[2:]):
            daemon.write("b%d" % number, text)
        self.message(daemon, "No space left on device")
        self.assertEqual(len(os.listdir(archive)), 2)
        self.exact(daemon, files[:2])
        small.empty()
        harness.wait_until(lambda: len(os.listdir(archive)) == 6, "the others are archived too")
        daemon.process_all()
        self.exact(daemon, files)
        daemon.stop(signal.SIGKILL)
        daemon.start()
        daemon.process_all()
        self.exact(daemon, files)

    def test_on_a_disk_too_small_to_begin_it_says_so_and_ends(self):
        daemon = self.daemon()
        small = self.small(daemon.state, "4m")
        small.fill()
        done = daemon.run()
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left on device", done.stderr)
        small.empty()
        daemon.start()
        daemon.write("a", ONE)
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 1})


@unittest.skipIf(REFUSED is not None, REFUSED)
class Beside(Disk):
    """Other places that fill up: the archive and the snapshot file."""

    def test_where_the_archive_is_full_files_stay_until_there_is_room(self):
        daemon = self.daemon("--set", "events.clean_source=archive", "--set", "events.recursive=yes")
        # An archive is on the file system of its source; it needs room for its directories.
        small = self.small(daemon.events, "4m,nr_inodes=64")
        source, archive = os.path.join(daemon.events, "in"), os.path.join(daemon.events, "done")
        os.mkdir(source)
        os.mkdir(archive)
        daemon.options += ["--set", "events.archive_dir=" + archive]
        daemon.events = source
        files = harness.made_stream(seed=45, n_files=3, n_lines=200)
        for number, text in enumerate(files[:2]):
            os.mkdir(os.path.join(source, "day-%d" % number))
            daemon.write("day-%d/a" % number, text)
        small.fill_inodes()
        daemon.start()
        daemon.process_all()
        self.exact(daemon, files[:2])
        harness.wait_until(lambda: "No space left on device" in daemon.log(), "the log says so")
        for number in range(2):
            self.assertTrue(os.path.exists(os.path.join(source, "day-%d/a" % number)))
        small.empty()
        daemon.write("b", files[2])
        harness.wait_until(lambda: sorted(os.listdir(archive)) == ["b", "day-0", "day-1"] and
                           os.path.exists(os.path.join(archive, "day-1/a")),
                           "they are archived once they can be")
        daemon.process_all()
        self.exact(daemon, files)
        # What stayed for so long is not counted again by the next start.
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        daemon.process_all()
        self.exact(daemon, files)

    def test_where_the_snapshot_file_has_no_room_the_old_one_stays_whole(self):
        daemon = self.daemon("--set", "tallyd.snapshot_interval=1 second")
        place = os.path.join(daemon.directory, "snapshots")
        small = self.small(place, "512k")
        path = os.path.join(place, "counts.sqlite")
        daemon.options += ["--set", "tallyd.snapshot_file=" + path]
        daemon.start()
        daemon.write("a", ONE)
        daemon.process_all()
        harness.wait_until(lambda: self.saved(path) == 1, "the first is saved")
        small.fill()
        daemon.write("b", ONE)
        daemon.process_all()
        harness.wait_until(lambda: "snapshot_file is not written" in daemon.log() and
                           "No space left on device" in daemon.log(), "the log says so")
        self.assertEqual(self.saved(path), 1)
        self.assertEqual(sorted(os.listdir(place)), ["ballast", "counts.sqlite"])
        self.assertEqual(daemon.totals(), {"Open": 2})
        small.empty()
        harness.wait_until(lambda: self.saved(path) == 2, "the next one is saved")

    @staticmethod
    def saved(path):
        """The count in the file, which is whole whenever it is looked at."""
        if not os.path.exists(path):
            return None
        db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
        try:
            assert db.execute("pragma integrity_check").fetchone() == ("ok",)
            return db.execute("select coalesce(sum(count), 0) from counts").fetchone()[0]
        finally:
            db.close()


@unittest.skipIf(shutil.which("strace") is None, "strace is not installed")
@unittest.skipIf(harness.SANITIZED, "strace and the leak checker do not go together")
class Reading(Disk):
    """Errors in reading the files of events, injected by strace."""

    def check_under(self, inject, deadline=harness.DEADLINE):
        files = harness.made_stream(seed=48, n_files=8, n_lines=300)
        daemon = self.daemon()
        trace = os.path.join(daemon.directory, "trace")
        daemon.under = ["strace", "-D", "-f", "-o", trace, "-e", "trace=" + inject.split(":")[0],
                        "-e", "inject=" + inject, "-P", daemon.events]
        for number in range(4):
            for name in "fg":
                daemon.under += ["-P", os.path.join(daemon.events, "%s%d" % (name, number))]
        for number, text in enumerate(files[:4]):
            daemon.write("f%d" % number, text)
        daemon.start()
        for number, text in enumerate(files[4:]):
            daemon.write("g%d" % number, text[:1000])
            daemon.append("g%d" % number, text[1000:])
        harness.wait_until(lambda: harness.counts_of(daemon) == harness.recount(files),
                           "all is counted in spite of " + inject, deadline)
        with open(trace) as lines:
            self.assertTrue("(INJECTED)" in lines.read(), "an error was injected")
        daemon.stop(signal.SIGKILL)
        daemon.under = []
        daemon.start()
        daemon.process_all()
        self.exact(daemon, files)
        self.assertEqual(daemon.ask("select count(*) from rejects"), [[0]])

    def test_a_read_that_fails_now_and_then_loses_nothing(self):
        for error in ("EIO", "ESTALE", "EINTR"):
            with self.subTest(error):
                self.check_under("pread64:error=%s:when=2+3" % error)

    def test_a_file_that_cannot_be_opened_now_and_then_waits(self):
        # That no descriptor is left is no fault of one file: file_faults.py has it.
        for error in ("EACCES", "EIO"):
            with self.subTest(error):
                self.check_under("openat:error=%s:when=2+3" % error)


@unittest.skipUnless(FAULTS, "built without --enable-faults")
class Errors(Disk):
    """I/O errors, from the hooks of the build."""

    def test_an_input_output_error_keeps_the_batch_back_until_it_is_over(self):
        files = harness.made_stream(seed=46, n_files=4, n_lines=300)
        for point in ("wal-write", "wal-sync", "checkpoint-write", "checkpoint-sync", "ledger-write"):
            with self.subTest(point):
                daemon = self.daemon("--set", "events.clean_source=archive")
                archive = os.path.join(daemon.directory, "archive")
                os.mkdir(archive)
                daemon.options += ["--set", "events.archive_dir=" + archive]
                daemon.start()
                daemon.write("a", files[0])
                daemon.process_all()
                harness.wait_until(lambda: len(os.listdir(archive)) == 1, "it is archived")
                self.assertEqual(daemon.stop(), 0)
                daemon.env["TALLYD_FAULT"] = point + ":1+:EIO"
                daemon.start()
                for number, text in enumerate(files[1:]):
                    daemon.write("b%d" % number, text)
                harness.wait_until(lambda: "Input/output error" in daemon.log() or
                                   "disk I/O error" in daemon.log(), "the log says so")
                self.assertEqual(len(os.listdir(archive)), 1)
                daemon.stop(signal.SIGKILL)
                del daemon.env["TALLYD_FAULT"]
                daemon.start()
                daemon.process_all()
                self.exact(daemon, files)
                harness.wait_until(lambda: len(os.listdir(archive)) == 4, "all are archived")


if __name__ == "__main__":
    if "--long" in sys.argv:
        sys.argv.remove("--long")
    harness.main()
