#!/usr/bin/env python3
"""What was counted stays counted: when inputs are gone or a backup comes back, on a slow disk, at
failing system calls, and when a file or the want of memory kills the daemon again and again.
"""

import contextlib
import ctypes
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

import harness

LONG = "--long" in sys.argv
ONE = '{"time":1469501107,"action":"Open"}\n'
MEMORY = "/sys/fs/cgroup/memory"
# A name written like this is nothing for the fast path: the batch takes its time.
SLOW = '{"t\\u0069me":1469501107,"action":"Slow"}\n'


class Gone(harness.Case):

    def exact(self, daemon, files):
        self.assertEqual(harness.counts_of(daemon), harness.recount(files))

    def test_inputs_that_are_gone_at_a_restart_stay_counted(self):
        files = harness.made_stream(seed=91, n_files=4, n_lines=50)
        daemon = self.daemon().start()
        for number, text in enumerate(files[:3]):
            daemon.write("f%d" % number, text)
        daemon.process_all()
        for stop in (signal.SIGKILL, signal.SIGTERM):
            daemon.stop(stop)
            for name in os.listdir(daemon.events):
                os.unlink(os.path.join(daemon.events, name))
            daemon.start()
            self.exact(daemon, files[:3])
            daemon.process_all()
            self.exact(daemon, files[:3])
        self.assertEqual(daemon.ask("select state, reason, count(*) from files group by 1"),
                         [["missing", "deleted or moved away", 3]])
        daemon.write("f3", files[3])
        daemon.process_all()
        self.exact(daemon, files)

    def test_a_backup_older_than_a_rotation_says_which_bytes_are_missing(self):
        daemon = self.daemon("--set", "events.max_bytes_per_trigger=2000",
                             "--set", "events.trigger=100 milliseconds").start()
        daemon.write("a", ONE * 1000)
        harness.wait_until(lambda: daemon.totals().get("Open", 0) > 0, "a part is counted")
        self.assertEqual(daemon.stop(), 0)
        backup = daemon.state + ".backup"
        shutil.copytree(daemon.state, backup)
        daemon.options = []
        daemon.start()
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 1000})
        self.assertEqual(daemon.stop(), 0)
        # Rotated away and out of reach, and the state as it was before.
        os.unlink(os.path.join(daemon.events, "a"))
        daemon.write("b", ONE)
        shutil.rmtree(daemon.state)
        os.rename(backup, daemon.state)
        daemon.start()
        daemon.process_all()
        rows = daemon.ask("select path, state, events, offset, size, reason from files order by path")
        (_, state, n, offset, size, reason), other = rows
        self.assertEqual((state, size), ("missing", 1000 * len(ONE)))
        self.assertEqual(offset, n * len(ONE))
        gap = "gone before it was read to its end: bytes %d to %d are not counted" % (offset, size)
        self.assertEqual(reason, gap)
        daemon.wait_logged("a: %s; what was counted stays" % gap)
        self.assertEqual(other[:3], ["b", "done", 1])
        self.assertEqual(daemon.totals(), {"Open": n + 1})

    def test_its_own_files_are_not_taken_for_events(self):
        """The state inside the events is refused, a socket and a snapshot there are no events."""
        for place in ("", "state", "deep/state"):
            daemon = self.daemon("--set", "events.recursive=yes")
            daemon.state = os.path.join(daemon.events, place)
            done = daemon.run()
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertIn("inside the directory of events", done.stderr)
            self.assertEqual(os.listdir(daemon.events), [])
        daemon = self.daemon("--set", "events.recursive=yes")
        daemon.socket = os.path.join(daemon.events, "sock")
        daemon.start()
        daemon.write("a", ONE)
        daemon.process_all()
        self.assertEqual(daemon.ask("select path, state from files"), [["a", "done"]])
        self.assertEqual(daemon.ask("select count(*) from rejects"), [[0]])
        self.assertNotIn("warning", daemon.log())


@unittest.skipIf(harness.SANITIZED or os.environ.get("TALLYD_UNDER"), "something else is around it")
class Deaths(harness.Case):

    @staticmethod
    def busiest_thread(pid):
        """The one that has used most time of its own."""
        def ticks(thread):
            with open("/proc/%d/task/%s/stat" % (pid, thread)) as stat:
                return int(stat.read().rsplit(")", 1)[1].split()[11])
        return int(max(os.listdir("/proc/%d/task" % pid), key=ticks))

    @staticmethod
    def has_open(daemon, name):
        directory = "/proc/%d/fd" % daemon.process.pid
        for fd in os.listdir(directory):
            with contextlib.suppress(FileNotFoundError):
                if os.readlink(os.path.join(directory, fd)).endswith(name):
                    return True
        return False

    def test_the_log_names_the_file_that_was_read_when_a_signal_killed_it(self):
        """What kills it at each start is seen in the log of each start."""
        daemon = self.daemon()
        name = "bad\nfile\udcff"
        daemon.write(name, SLOW * 1000000)
        for number, what in ((signal.SIGSEGV, "SIGSEGV"), (signal.SIGABRT, "SIGABRT")):
            last_words = re.compile(
                r"^error: killed by %s while it read bad\?file\? from byte \d+(, .*)?$" % what, re.M)

            def was_reading():
                """Counts anew each time: a test that is held up finds all of it read."""
                shutil.rmtree(daemon.state, ignore_errors=True)
                before = len(daemon.log()) if os.path.exists(daemon.log_path) else 0
                daemon.start()
                harness.wait_until(lambda: self.has_open(daemon, name) or daemon.totals() != {}, "it reads")
                # As the kernel does it to the thread at fault.
                libc = ctypes.CDLL(None)
                thread = self.busiest_thread(daemon.process.pid)
                self.assertEqual(libc.syscall(234, daemon.process.pid, thread, int(number)), 0)
                self.assertEqual(daemon.process.wait(harness.DEADLINE), -number)
                daemon.process = None
                self.assertIn("error: killed by " + what, daemon.log()[before:])
                return last_words.search(daemon.log()[before:])
            harness.wait_until(was_reading, "the file in the log")
        daemon.start()
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Slow": 1000000})

    def test_a_log_that_nobody_reads_keeps_no_dead_process_alive(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        daemon = self.daemon()
        daemon.process = subprocess.Popen(daemon.command(), env=daemon.env,
                                          stdin=subprocess.DEVNULL, stderr=writer)
        harness.wait_until(daemon.answers, "the first answer")
        # Its own opening of the pipe: the daemon's stays as it is.
        filler = os.open("/proc/self/fd/%d" % writer, os.O_WRONLY | os.O_NONBLOCK)
        os.close(writer)
        with self.assertRaises(BlockingIOError):
            while True:
                os.write(filler, b"x" * 4096)
        os.close(filler)
        daemon.process.send_signal(signal.SIGSEGV)
        self.assertEqual(daemon.process.wait(harness.DEADLINE), -signal.SIGSEGV)
        daemon.process = None

    @unittest.skipUnless(os.access(MEMORY, os.W_OK), "no memory cgroup can be made here")
    def test_killed_for_want_of_memory_it_goes_on_where_it_was(self):
        group = os.path.join(MEMORY, "tallyd-%d" % os.getpid())
        os.mkdir(group)
        self.addCleanup(os.rmdir, group)

        def limit(megabytes):
            with open(os.path.join(group, "memory.limit_in_bytes"), "w") as out:
                out.write(str(megabytes << 20))

        def join():
            with open(os.path.join(group, "cgroup.procs"), "w") as out:
                out.write(str(os.getpid()))

        limit(32)
        daemon = self.daemon("--set", "events.max_files_per_trigger=1",
                             "--set", "tallyd.query_memory=8 MiB").start(preexec_fn=join)
        daemon.write("a", ONE * 1000)
        daemon.process_all()
        # A statement that wants more than its share fails alone.
        _, end = self.ask_for(daemon, "with recursive n(i) as (select 1 union all select i+1 from n"
                              " limit 1000000) select max(x) from (select i, random() as x from n order by 2)")
        self.assertIn("query_memory", end["error"]["message"])
        self.assertEqual(daemon.totals(), {"Open": 1000})
        # And more groups than there is room for kill it, wherever it is.
        lines = "".join('{"time":1469501107,"action":"group %060d"}\n' % n for n in range(200000))
        daemon.write("b", lines)
        self.assertEqual(daemon.process.wait(120), -signal.SIGKILL)
        limit(2000)
        daemon.start(preexec_fn=join)
        self.assertEqual(daemon.totals().get("Open"), 1000)
        daemon.process_all()
        self.assertEqual(daemon.ask("select count(*), sum(count) from counts"), [[200001, 201000]])
        daemon.stop()

    @staticmethod
    def ask_for(daemon, sql):
        frames = daemon.frames()
        frames.request(sql, None)
        answer = frames.answer()
        frames.close()
        return answer


@unittest.skipIf(shutil.which("strace") is None, "strace is not installed")
@unittest.skipIf(harness.SANITIZED or os.environ.get("TALLYD_UNDER"), "something else is around it")
class Disk(harness.Case):

    def under(self, daemon, calls, inject):
        trace = os.path.join(daemon.directory, "trace")
        daemon.under = ["strace", "-D", "-f", "-ttt", "-T", "-o", trace, "-e", "trace=" + calls,
                        "-e", "inject=%s:%s" % (calls, inject)]
        return trace

    def test_on_a_slow_disk_questions_are_answered_and_no_sync_begins_before_the_last_has_ended(self):
        files = harness.made_stream(seed=92, n_files=6, n_lines=100)
        daemon = self.daemon("--set", "events.clean_source=delete",
                             "--set", "events.max_files_per_trigger=1")
        daemon.start()
        daemon.stop()
        trace = self.under(daemon, "fsync,fdatasync", "delay_enter=150000")
        daemon.start()
        # The daemon itself says when there is something new, however slowly this reads.
        feed = daemon.frames()
        feed.request("SUBSCRIBE select total(count) from counts")
        self.assertIn("columns", feed.frame())
        for number, text in enumerate(files):
            daemon.write("f%d" % number, text)
        answers = []
        end = time.monotonic() + 120
        while os.listdir(daemon.events) != [] and time.monotonic() < end:
            begin = time.time()
            daemon.ask("select total(count) from counts")
            answers.append((begin, time.time()))
        daemon.process_all()
        self.assertEqual(harness.counts_of(daemon), harness.recount(files))
        # Counting went on between the syncs, and what was counted was seen before the next one.
        n_seen, total = 0, 0
        while total < 600:
            frame = feed.frame()
            for row in frame.get("rows", []) + frame.get("changes", []):
                n_seen, total = n_seen + 1, row[-1]
        self.assertGreater(n_seen, 3)
        self.assertEqual(daemon.stop(), 0)
        syncs = []
        with open(trace) as lines:
            for line in lines:
                found = re.match(r"\d+\s+([\d.]+) f(?:data)?sync\(.* <([\d.]+)>$", line)
                if found:
                    syncs.append((float(found[1]), float(found[1]) + float(found[2])))
        self.assertGreater(len(syncs), 6)
        for (_, ended), (began, _) in zip(syncs, syncs[1:]):
            self.assertGreaterEqual(began, ended)
        within = [began for began, ended in syncs
                  if any(began < asked and answered < ended for asked, answered in answers)]
        self.assertGreater(len(within), 0, "no question was answered within a sync")
        sys.stderr.write("%d questions beside %d slow syncs, answered within %d of them\n"
                         % (len(answers), len(syncs), len(within)))

    def test_no_file_is_deleted_before_what_was_counted_of_it_is_synced(self):
        """Between the last byte that went into the WAL and the deletion stands a sync of it."""
        daemon = self.daemon("--set", "events.clean_source=delete")
        trace = os.path.join(daemon.directory, "trace")
        daemon.under = ["strace", "-D", "-f", "-y", "-o", trace,
                        "-e", "trace=pwrite64,fsync,fdatasync,renameat2,unlinkat"]
        daemon.start()
        for number in range(3):
            daemon.write("f%d" % number, ONE)
            harness.wait_until(lambda: os.listdir(daemon.events) == [], "it is deleted")
        self.assertEqual(daemon.stop(), 0)
        n_deleted, is_synced = 0, False
        with open(trace) as lines:
            for line in lines:
                if "/checkpoint-wal>" in line:
                    is_synced = "sync(" in line
                elif re.search(r' renameat2\(.*"f\d", .*tallyd-delete', line):
                    self.assertTrue(is_synced, line)
                elif re.search(r' unlinkat\(.*tallyd-delete', line):
                    self.assertTrue(is_synced, line)
                    n_deleted += 1
        self.assertEqual(n_deleted, 3)

    def test_a_directory_that_cannot_be_synced_is_said_and_nothing_is_shown(self):
        daemon = self.daemon()
        daemon.write("a", ONE)
        self.under(daemon, "fsync", "error=EIO")
        done = subprocess.run(daemon.under[:2] + ["-P", daemon.state] + daemon.under[2:]
                              + daemon.command("--available-now", "--sql", "select * from counts"),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=harness.DEADLINE)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertIn("%s: cannot sync the directory: Input/output error" % daemon.state, done.stderr)
        done = daemon.run("--available-now", "--sql", "select total(count) from counts")
        self.assertEqual(done.stderr + done.stdout, "1.0\n")

    def test_a_failing_call_of_any_kind_is_a_failed_checkpoint_and_no_lost_count(self):
        """fsync of a file or of the directory, close, rename: the k-th of them, k = 1, 2, …"""
        source = self.daemon("--set", "events.clean_source=delete")
        number, n_failed = 0, 0
        n_lines = 0
        for calls, errors in (("fsync", ("EIO",)), ("fdatasync", ("EIO",)), ("close", ("EIO",)),
                              ("/^rename", ("EXDEV", "EACCES", "EROFS")), ("ftruncate", ("EIO",)),
                              ("/^unlink", ("EROFS",))):
            k, was_hit = 1, True
            while was_hit and k < (1000 if LONG else 60):
                error = errors[k % len(errors)]
                # What is wrong at the first start leaves no checkpoint that must be rewritten.
                if k == 1:
                    shutil.rmtree(source.state, ignore_errors=True)
                    n_lines = 0
                number += 1
                source.write("f%d" % number, ONE * 3)
                n_lines += 3
                trace = self.under(source, calls, "error=%s:when=%d" % (error, k))
                done = subprocess.run(source.under + source.command("--available-now"),
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True, timeout=harness.DEADLINE)
                with open(trace) as lines:
                    was_hit = "(INJECTED)" in lines.read()
                # The loader of programs closes files too.
                if done.returncode == 127 and "shared libraries" in done.stderr:
                    done.returncode = 0
                self.assertIn(done.returncode, (0, 1, 78), done.stderr)
                if done.returncode != 0:
                    n_failed += 1
                    self.assertRegex(done.stderr, r"error: .*" + os.strerror(
                        getattr(errno, error)))
                source.under = []
                done = source.run("--available-now", "--sql", "select total(count) from counts")
                self.assertEqual(done.stdout.strip().splitlines()[-1:], ["%d.0" % n_lines],
                                 "%s %s at %d: %s" % (calls, error, k, done.stderr))
                k += 1
        self.assertGreater(n_failed, 5)
        sys.stderr.write("%d failing calls, %d of them told by the exit status: 0 lost, 0 doubled\n"
                         % (number, n_failed))


if __name__ == "__main__":
    if LONG:
        sys.argv.remove("--long")
    harness.main()
