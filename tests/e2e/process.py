#!/usr/bin/env python3
"""The process: signals, exit statuses, reloads, the service manager, what it costs at rest."""

import contextlib
import ctypes
import fcntl
import glob
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import unittest

import harness
import wire
from harness import TOTALS

PTRACE_ATTACH, PTRACE_DETACH, WALL = 16, 17, 0x40000000
FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
ONE = '{"time":1469501107,"action":"Open"}\n'
ENDLESS = ("with recursive n(i) as (select 1 union all select i+1 from n) "
           "select count(*) from n where i < 0;\n")


def status_of(pid, key):
    with open("/proc/%d/status" % pid) as status:
        return int(re.search(r"^%s:\s+(\d+)" % key, status.read(), re.M).group(1))


def wakeups_of(pid):
    total = 0
    for path in glob.glob("/proc/%d/task/*/status" % pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(path) as status:
            total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", status.read(), re.M).group(1))
    return total


class Life(harness.Case):

    def test_a_signal_ends_it_in_order_and_the_last_line_says_terminated(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.daemon().start()
            daemon.write("a", ONE)
            daemon.process_all()
            self.assertEqual(daemon.stop(number), 0)
            self.assertIn("query counts is TERMINATED after batch 0: 1 events of 1 files",
                          daemon.log().splitlines()[-1])
            self.assertFalse(os.path.exists(daemon.socket))

    def test_a_stop_ends_what_runs_and_says_so(self):
        daemon = self.daemon().start()
        client, idle = daemon.client(), daemon.client()
        client.send(ENDLESS)
        harness.wait_until(lambda: daemon.ask("select count(*) from sessions where state='running' "
                                              "and protocol='text'") == [[1]], "it runs")
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(client.all(), b"Error: tallyd is shutting down\n")
        self.assertEqual(idle.all(), b"")

    def poll_until_told(self, ask, told):
        """Asks without a pause until there is a last word and then the end, nothing else."""
        last = b""
        try:
            while last is not None and not told(last):
                last = ask()
            return last
        except OSError as error:
            return error

    def test_who_polls_without_a_pause_is_told_of_the_stop(self):
        # On a busy machine somebody may make a pause, and is at rest then.
        harness.wait_until(self.all_are_told_of_the_stop, "all are told")

    def all_are_told_of_the_stop(self):
        port = harness.free_port()
        daemon = self.daemon("--set", "http.listen=127.0.0.1:%d" % port).start()
        text, frames = daemon.client(), daemon.frames()
        postgres = wire.Wire(os.path.join(daemon.directory, ".s.PGSQL.5432"))
        web = http.client.HTTPConnection("127.0.0.1", port, timeout=harness.DEADLINE)

        def ask_text():
            text.send("select 1;\n")
            return text.line()

        def ask_frames():
            frames.request("select 1")
            return json.dumps(frames.answer()[1])

        def ask_postgres():
            postgres.send(wire.query("select 1"))
            while True:
                kind, body = postgres.read() or (b"E", b"the end")
                if kind in b"ZE":
                    return body.decode()

        def ask_web():
            web.request("GET", "/query?sql=select+1")
            answer = web.getresponse()
            answer.read()
            return str(answer.getheader("Connection"))
        asked = {"text": (ask_text, "Error: tallyd is shutting down"),
                 "frames": (ask_frames, "tallyd is shutting down"),
                 "postgres": (ask_postgres, "57P01"), "web": (ask_web, "close")}
        last, threads = {}, []
        for name, (ask, word) in asked.items():
            ask()

            def run(name=name, ask=ask, word=word):
                last[name] = self.poll_until_told(ask, lambda said: word in str(said))
            threads.append(threading.Thread(target=run))
            threads[-1].start()
        self.assertEqual(daemon.stop(), 0)
        for thread in threads:
            thread.join()
        if not all(word in str(last[name]) for name, (_, word) in asked.items()):
            sys.stderr.write("not told: %r\n" % last)
            return False
        # Behind the last word comes the end, in order.
        self.assertIsNone(text.line())
        self.assertIsNone(frames.line())
        self.assertFalse(postgres.more())
        return True

    def test_a_lock_that_a_stranger_holds_does_not_keep_it_from_starting(self):
        daemon = self.daemon()
        directory = os.open(daemon.directory, os.O_RDONLY)
        fcntl.flock(directory, fcntl.LOCK_EX)
        daemon.start()
        os.close(directory)

    def test_an_answer_at_the_end_of_a_count_can_be_broken_off(self):
        daemon = self.daemon()
        daemon.write("a", ONE)
        process = subprocess.Popen(daemon.command("--available-now", "--sql", ENDLESS),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        daemon.process = process
        harness.wait_until(lambda: harness.cpu_seconds(daemon) > 0.3, "it counts and counts")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=harness.DEADLINE)
        self.assertEqual(process.returncode, -signal.SIGINT)

    def test_a_stop_in_the_middle_of_counting_loses_nothing(self):
        files = harness.made_stream(seed=21, n_files=40, n_lines=500)
        daemon = self.daemon("--set", "events.max_files_per_trigger=1").start()
        for number, text in enumerate(files):
            daemon.write("f%02d" % number, text)
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        daemon.process_all()
        self.assertEqual(harness.counts_of(daemon), harness.recount(files))

    def test_ignored_signals_and_closed_descriptors_harm_nobody(self):
        daemon = self.daemon()
        with open(daemon.log_path, "w"):
            pass
        daemon.process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"] + daemon.command())
        harness.wait_until(daemon.answers, "the first answer")
        for number in (signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD):
            daemon.process.send_signal(number)
        daemon.write("a", ONE)
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 1})
        for fd in (0, 1, 2):
            self.assertEqual(os.readlink("/proc/%d/fd/%d" % (daemon.process.pid, fd)), "/dev/null")

    def test_a_log_that_nobody_reads_does_not_hold_it_up(self):
        daemon = self.daemon("-v")
        reader, writer = os.pipe()
        daemon.process = subprocess.Popen(daemon.command(), stderr=writer)
        os.close(writer)
        with open(daemon.log_path, "w"):
            pass
        harness.wait_until(daemon.answers, "the first answer")
        for number in range(600):
            daemon.write("f%d" % number, ONE)
            if number % 20 == 0:
                daemon.process_all()
        daemon.process_all()
        for _ in range(3000):
            daemon.process.send_signal(signal.SIGHUP)
        self.assertEqual(daemon.totals(), {"Open": 600})
        os.close(reader)
        self.assertTrue(daemon.answers())

    def test_exit_statuses_are_as_the_manual_says(self):
        daemon = self.daemon()
        self.assertEqual(daemon.run("--nonsense").returncode, 64)
        self.assertEqual(daemon.run("--set", "counts.window=0 seconds").returncode, 78)
        self.assertEqual(daemon.run("--check-config").returncode, 0)
        self.assertEqual(daemon.run("--print-config").returncode, 0)
        self.assertEqual(daemon.run("--version").returncode, 0)
        self.assertEqual(daemon.run("--help").returncode, 0)
        self.assertEqual(daemon.run("--forget", "nobody").returncode not in (0, 64), True)

    def test_a_state_directory_that_cannot_be_made_is_for_a_person_to_mend(self):
        """With 1 the service manager would try again for ever."""
        daemon = self.daemon()
        closed = os.path.join(daemon.directory, "closed")
        os.mkdir(closed, 0o555)
        os.chmod(daemon.directory, 0o755)
        daemon.state = os.path.join(closed, "a", "state")
        stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] \
            if os.geteuid() == 0 else []
        for option in ("--check-config", "--available-now"):
            done = subprocess.run(stranger + daemon.command(option), stderr=subprocess.PIPE,
                                  text=True, timeout=harness.DEADLINE)
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertRegex(done.stderr, r"%s: Permission denied; .*; %s is to be made in it"
                             % (closed, daemon.state))

    def test_a_directory_of_events_that_is_closed_to_us_says_to_whom(self):
        daemon = self.daemon()
        os.chmod(daemon.directory, 0o755)
        os.chmod(daemon.events, 0)
        stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] \
            if os.geteuid() == 0 else []
        done = subprocess.run(stranger + daemon.command("--check-config"), stderr=subprocess.PIPE,
                              text=True, timeout=harness.DEADLINE)
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertRegex(done.stderr, "--events: events.path: %s: Permission denied; this is uid "
                         r"\d+: namei -l with the path shows what stops it\n" % daemon.events)

    def test_from_exec_to_the_first_answer_is_no_matter_of_sleeping(self):
        daemon = self.daemon()
        for number, text in enumerate(harness.made_stream(seed=1)):
            daemon.write("f%d" % number, text)

        def starts_at_once():
            started = time.monotonic()
            daemon.start()
            self.assertEqual(sum(daemon.totals().values() if daemon.process_all() >= 0 else []), 100000)
            took = time.monotonic() - started
            daemon.stop()
            shutil.rmtree(daemon.state)
            return took < SECONDS_OF_START
        # The machine may be busy with something else for a while, not each time.
        harness.wait_until(starts_at_once, "a start at once", 10 * SECONDS_OF_START)


SECONDS_OF_START = 5.0


class AtRest(harness.Case):

    def test_it_sleeps_but_for_the_poll_interval(self):
        if os.environ.get("TALLYD_UNDER") or harness.SANITIZED:
            self.skipTest("something else is around it")
        daemon = self.daemon("--set", "events.poll_interval=10 minutes").start()
        for number in range(100):
            daemon.write("f%d" % number, ONE)
        daemon.process_all()
        pid = daemon.process.pid
        # The watch over sessions ends a quarter of a second after the last one.
        end = time.monotonic() + harness.DEADLINE
        while True:
            before = wakeups_of(pid)
            time.sleep(1)
            if wakeups_of(pid) == before:
                break
            self.assertLess(time.monotonic(), end, "it never comes to rest")

    def test_its_memory_is_small(self):
        if os.environ.get("TALLYD_UNDER") or harness.SANITIZED:
            self.skipTest("something else is around it")
        daemon = self.daemon().start()
        for number, text in enumerate(harness.made_stream(seed=1)):
            daemon.write("f%d" % number, text)
        daemon.process_all()
        pid = daemon.process.pid
        self.assertLess(status_of(pid, "VmRSS"), 8 * 1024 + 1024 * status_of(pid, "Threads"))


class Reload(harness.Case):

    CONFIG = "[tallyd]\npostgres = off\n[source events]\npath = @EVENTS@\n"

    def reload(self, daemon, config):
        n_lines = len(daemon.log().splitlines())
        with open(os.path.join(daemon.directory, "tallyd.conf"), "w") as out:
            out.write(config.replace("@EVENTS@", daemon.events))
        daemon.process.send_signal(signal.SIGHUP)

        def answered():
            lines = daemon.log().splitlines()[n_lines:]
            return [line for line in lines if "was read again" in line or "stays as it was" in line]
        return harness.wait_until(answered, "the reload is done")[0]

    def test_queries_come_and_go_and_limits_change(self):
        daemon = self.daemon(config=self.CONFIG + "[query counts]\n").start()
        daemon.write("a", ONE)
        daemon.process_all()
        self.assertIn("was read again", self.reload(
            daemon, self.CONFIG + "[query counts]\n[query daily]\nwindow = 1 day\n"))
        daemon.process_all()
        self.assertEqual(daemon.ask("select sum(count) from daily"), [[1]])
        self.assertEqual(daemon.totals(), {"Open": 1})
        self.assertIn("was read again", self.reload(daemon, self.CONFIG + "[query daily]\n"
                                                    "window = 1 day\n"))
        self.assertIn("no such table: counts", daemon.text("select * from counts"))
        daemon.write("b", ONE)
        daemon.process_all()
        self.assertEqual(daemon.ask("select sum(count) from daily"), [[2]])

    def test_a_query_that_is_alone_is_defined_anew_or_gives_way_to_another(self):
        daemon = self.daemon(config=self.CONFIG + "[query counts]\n").start()
        daemon.write("a", ONE)
        daemon.process_all()
        self.assertIn("was read again", self.reload(
            daemon, self.CONFIG + "[query counts]\nwindow = 2 hours\n"))
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 1})
        self.assertIn("was read again", self.reload(
            daemon, self.CONFIG + "[query daily]\nwindow = 1 day\n"))
        daemon.process_all()
        self.assertEqual(daemon.ask("select sum(count) from daily"), [[1]])

    def test_a_bad_file_is_refused_as_a_whole(self):
        daemon = self.daemon(config=self.CONFIG + "[query counts]\n").start()
        line = self.reload(daemon, self.CONFIG + "[query other]\nwindow = never\n")
        self.assertIn("tallyd.conf:6: other.window: ", line)
        daemon.write("a", ONE)
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 1})

    def test_what_waits_for_a_restart_is_named(self):
        daemon = self.daemon(config=self.CONFIG).start()
        self.reload(daemon, self.CONFIG.replace("[tallyd]", "[tallyd]\nthreads = 7"))
        daemon.wait_logged("reload: tallyd.threads: waiting for a restart")

    def test_a_stop_in_the_middle_of_a_reload_ends_in_order(self):
        config = self.CONFIG.replace("= off", "= on\nsnapshot_file = @EVENTS@/../snapshot\n"
                                     "snapshot_interval = 1 hour")
        for _ in range(3):
            daemon = self.daemon(config=config).start()
            daemon.process.send_signal(signal.SIGHUP)
            self.assertEqual(daemon.stop(), 0, daemon.log())
            self.assertEqual(daemon.log().count("TERMINATED"), 1)

    def test_a_reload_is_heard_from_the_first_moment_on(self):
        config = self.CONFIG + "[query counts]\n"
        for _ in range(10):
            daemon = self.daemon(config=config)
            with open(daemon.log_path, "w") as log:
                daemon.process = subprocess.Popen(daemon.command(), stderr=log)
            # It was configured by now, and has not begun to load.
            harness.wait_until(lambda: os.path.exists(daemon.socket), "its socket")
            daemon.config = config + "[query daily]\nwindow = 1 day\n"
            daemon.command()  # writes the file
            daemon.process.send_signal(signal.SIGHUP)
            harness.wait_until(lambda: daemon.process.poll() is not None or
                               "was read again" in daemon.log(), "it is read again")
            self.assertEqual(daemon.ask("select count(*) from daily"), [[0]])
            self.assertEqual(daemon.stop(), 0)

    def test_sockets_come_go_and_move(self):
        daemon = self.daemon(config=self.CONFIG).start()
        paths = [os.path.join(daemon.directory, "http%d" % number) for number in range(3)]
        os.mkdir(paths[2])
        for number, path in enumerate([*paths, paths[2], None]):
            if number == 3:
                os.rmdir(path)  # a name that was not to be had is tried again
            postgres = os.path.join(daemon.directory, "pg%d" % number)
            self.reload(daemon, self.CONFIG.replace("= off", "= " + postgres) +
                        "[query counts]\n[http]\nlisten = %s\n" % (path or ""))
            socket.socket(socket.AF_UNIX).connect(postgres)
            served = [other for other in paths if os.path.exists(other) and not os.path.isdir(other)]
            self.assertEqual(served, [path] if path and number != 2 else [])
            if served:
                peer = harness.Client(path)
                peer.send("GET /healthz HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n")
                self.assertTrue(peer.all().endswith(b"ok\n"))
        daemon.wait_logged("there is something else than a socket in this place")
        self.assertFalse(os.path.exists(os.path.join(daemon.directory, "pg0")))
        self.assertEqual(daemon.stop(), 0)

    def test_who_waits_for_all_to_be_counted_waits_through_reloads(self):
        config = self.CONFIG + "[query counts]\n"
        daemon = self.daemon(config=config).start()
        frames = daemon.frames()
        for number in range(60):
            daemon.config = config + ("[query extra]\nwindow = 1 day\n" if number % 2 == 0 else "")
            daemon.command()  # writes the file
            daemon.write("f%d" % number, ONE)
            daemon.process.send_signal(signal.SIGHUP)
            frames.ask("select process_all_available()")
            self.assertEqual(frames.ask("select sum(count) from counts"), [[number + 1]])

    def test_reloads_leave_no_memory_behind(self):
        if os.environ.get("TALLYD_UNDER") or harness.SANITIZED:
            self.skipTest("something else is around it")
        config = self.CONFIG + "[query counts]\n"
        daemon = self.daemon(config=config).start()
        for number, text in enumerate(harness.made_stream(seed=1)):
            daemon.write("f%d" % number, text)
        daemon.process_all()
        pid, extra = daemon.process.pid, "[query extra]\nwindow = 1 day\n"
        before = status_of(pid, "RssAnon")
        for _ in range(20):
            self.reload(daemon, config + extra)
            self.reload(daemon, config)
        # It is handed back when the next look finds nothing.
        harness.wait_until(lambda: status_of(pid, "RssAnon") < before + 1024, "the heap is back")

    def test_reloads_under_load_lose_nothing(self):
        config = self.CONFIG + "[query counts]\n[query daily]\nwindow = 1 day\n"
        daemon = self.daemon(config=config).start()
        files = harness.made_stream(seed=33, n_files=40, n_lines=200)
        for number, text in enumerate(files):
            daemon.write("f%d" % number, text)
            daemon.process.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: daemon.ask("select sum(count) from counts") == [[8000]],
                           "all is counted")
        self.assertEqual(harness.counts_of(daemon), harness.recount(files))
        harness.wait_until(lambda: daemon.ask("select sum(count) from daily") == [[8000]],
                           "all is counted by day")


class Queries(harness.Case):

    def test_stop_holds_and_start_goes_on(self):
        daemon = self.daemon().start()
        daemon.write("a", ONE)
        daemon.process_all()
        self.assertEqual(daemon.ask("select stop('counts')"), [["STOPPED"]])
        daemon.write("b", ONE)
        self.assertIn("is stopped", daemon.text("select process_all_available('counts')"))
        self.assertEqual(daemon.totals(), {"Open": 1})
        self.assertEqual(daemon.ask("select state from queries"), [["STOPPED"]])
        self.assertEqual(daemon.ask("select start('counts')"), [["ACTIVE"]])
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 2})
        self.assertIn("there is no query nobody", daemon.text("select stop('nobody')"))

    def test_process_all_available_may_be_cancelled_and_many_may_wait(self):
        daemon = self.daemon("--set", "events.on_malformed=keep").start()
        waiting = [daemon.frames() for _ in range(12)]
        for frames in waiting:
            frames.request("select process_all_available()")
        for frames in waiting:
            rows, end = frames.answer()
            if "error" in end:
                self.assertIn("process_all_available already", end["error"]["message"])
        self.assertEqual(daemon.ask("select 1"), [[1]])

    def test_a_trigger_runs_at_multiples_of_its_interval(self):
        daemon = self.daemon("--set", "events.trigger=200 milliseconds").start()
        for number in range(5):
            daemon.write("f%d" % number, ONE)
            harness.wait_until(lambda: daemon.totals() == {"Open": number + 1}, "the next trigger")
        rows = daemon.ask("select unix_timestamp(timestamp) from progress")
        self.assertGreaterEqual(len(rows), 2)


class ServiceManager(harness.Case):

    def notify_socket(self, directory):
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.settimeout(harness.DEADLINE)
        path = os.path.join(directory, "notify")
        receiver.bind(path)
        return receiver, path

    def until(self, receiver, word):
        seen, end = [], time.monotonic() + harness.DEADLINE
        while not any(word in message for message in seen):
            self.assertLess(time.monotonic(), end, "no %s in %s" % (word, seen[-20:]))
            seen.append(receiver.recv(4096).decode())
        return seen

    def test_it_tells_of_its_life_in_order(self):
        daemon = self.daemon(config="[source events]\npath = @EVENTS@\n")
        receiver, path = self.notify_socket(daemon.directory)
        daemon.env.update(NOTIFY_SOCKET=path, WATCHDOG_USEC="200000")
        # What it says is listened to from the first moment on: the queue holds a second of it.
        with open(daemon.log_path, "w") as log:
            daemon.process = subprocess.Popen(daemon.command(), stderr=log, env=daemon.env)
        self.assertIn("EXTEND_TIMEOUT_USEC=", "".join(self.until(receiver, "READY=1")))
        self.until(receiver, "WATCHDOG=1")
        self.until(receiver, "WATCHDOG=1")
        daemon.write("a", ONE)
        status = self.until(receiver, "STATUS=1 events of 1 files counted")[-1]
        self.assertRegex(status, "^STATUS=1 events of 1 files counted, 0 files behind, 0 rejects; "
                         r"newest event 2016-07-26 02:45:07, lag \d+ days$")
        daemon.process.send_signal(signal.SIGHUP)
        self.assertIn("MONOTONIC_USEC=", self.until(receiver, "RELOADING=1")[-1])
        self.until(receiver, "READY=1")
        daemon.process.send_signal(signal.SIGTERM)
        self.until(receiver, "STOPPING=1")
        self.assertEqual(daemon.process.wait(harness.DEADLINE), 0)
        receiver.close()

    def test_it_is_ready_for_a_manager_that_was_too_busy_to_listen(self):
        def is_told():
            """It waits for room, but for seconds only: the test itself may be held up for longer."""
            daemon = self.daemon()
            receiver, path = self.notify_socket(daemon.directory)
            receiver.settimeout(10)
            with receiver, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others:
                others.setblocking(False)
                with self.assertRaises(BlockingIOError):
                    while True:
                        others.sendto(b"STATUS=of another unit", path)
                with open(daemon.log_path, "w") as log:
                    daemon.process = subprocess.Popen(daemon.command(), stderr=log,
                                                      env=dict(daemon.env, NOTIFY_SOCKET=path))
                daemon.wait_logged("info: serving ")
                with contextlib.suppress(TimeoutError):
                    return self.until(receiver, "READY=1")
            daemon.stop()
            return None
        harness.wait_until(is_told, "READY=1")

    def test_the_watchdog_is_not_fed_while_a_batch_hangs(self):
        daemon = self.daemon("--set", "tallyd.postgres=off")
        receiver, path = self.notify_socket(daemon.directory)
        daemon.env.update(NOTIFY_SOCKET=path, WATCHDOG_USEC="400000")
        daemon.start()
        daemon.process_all()
        self.until(receiver, "WATCHDOG=1")
        pid = daemon.process.pid
        workers = [int(tid) for tid in os.listdir("/proc/%d/task" % pid) if int(tid) != pid]
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(PTRACE_ATTACH, workers[0], None, None) != 0:
            self.skipTest("no ptrace here: " + os.strerror(ctypes.get_errno()))
        for tid in workers[1:]:
            self.assertEqual(libc.ptrace(PTRACE_ATTACH, tid, None, None), 0)
        for tid in workers:
            os.waitpid(tid, WALL)
        # The loop turns and answers, but whatever job comes next does not move.
        before = len(daemon.log())
        daemon.write("a", ONE)
        daemon.wait_logged("a batch does not move", after=before)
        self.assertEqual(daemon.text("select 1;\n"), "1\n")
        receiver.setblocking(False)
        while self.received(receiver) is not None:
            pass
        receiver.settimeout(1)
        self.assertIsNone(self.received(receiver))
        for tid in workers:
            self.assertEqual(libc.ptrace(PTRACE_DETACH, tid, None, None), 0)
        receiver.settimeout(harness.DEADLINE)
        self.until(receiver, "WATCHDOG=1")
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 1})
        receiver.close()

    def received(self, receiver):
        try:
            return receiver.recv(4096)
        except (BlockingIOError, socket.timeout):
            return None

    def listener(self, path):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        return listener

    def test_a_socket_that_the_manager_opened_is_served_and_kept(self):
        daemon = self.daemon("--set", "tallyd.postgres=off")
        listener = self.listener(daemon.socket)
        early = daemon.client()
        early.send("select 42;\n")
        daemon.activate({"sql": listener})
        self.assertEqual(early.line(), "42")
        self.assertEqual(daemon.stop(), 0)
        self.assertTrue(os.path.exists(daemon.socket))
        # Clients of a restart wait instead of failing.
        waiting = daemon.client()
        waiting.send("select 43;\n")
        daemon.activate({"sql": listener})
        self.assertEqual(waiting.line(), "43")
        listener.close()

    def test_descriptors_that_are_meant_for_another_process_are_left_alone(self):
        daemon = self.daemon()
        elsewhere = os.path.join(daemon.directory, "elsewhere")
        listener = self.listener(elsewhere)
        daemon.env.update(LISTEN_FDS="1", LISTEN_FDNAMES="sql", LISTEN_PID="1")
        daemon.start()
        self.assertTrue(os.path.exists(daemon.socket))
        waiting = harness.Client(elsewhere)
        waiting.socket.settimeout(0.2)
        waiting.send("select 1;\n")
        self.assertRaises(socket.timeout, waiting.line)
        listener.close()

    def test_a_descriptor_of_no_known_name_is_said_and_closed(self):
        daemon = self.daemon("--set", "tallyd.postgres=off")
        sql, other = self.listener(daemon.socket), self.listener(daemon.socket + "2")
        daemon.activate({"sql": sql, "other": other})
        harness.wait_until(daemon.answers, "the first answer")
        daemon.wait_logged("1 sockets from the service manager are neither named sql nor pg")
        sql.close()
        other.close()

    def test_a_descriptor_that_is_no_listening_socket_is_refused(self):
        daemon = self.daemon()
        wrong, other = socket.socketpair()
        daemon.activate({"sql": wrong})
        self.assertEqual(daemon.process.wait(harness.DEADLINE), 78)
        daemon.wait_logged("no listening Unix stream socket")
        wrong.close()
        other.close()


class SnapshotFile(harness.Case):

    def test_at_any_moment_it_is_a_whole_database_through_kills_too(self):
        daemon = self.daemon()
        path = os.path.join(daemon.directory, "counts.db")
        daemon.options += ["--set", "tallyd.snapshot_file=" + path,
                           "--set", "tallyd.snapshot_interval=1 second"]
        seen, n_reads, written = 0, 0, 0
        for round_number in range(2):
            daemon.start(umask=0o077)
            for number in range(3):
                daemon.write("f%d-%d" % (round_number, number), ONE * 500)
                written += 500
                end = time.monotonic() + harness.DEADLINE
                # Some reads of each state, also where the file was there first.
                n_enough = n_reads + 4
                while seen < written or n_reads < n_enough:
                    self.assertLess(time.monotonic(), end, "the file follows")
                    if not os.path.exists(path):
                        continue
                    database = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
                    self.assertEqual(database.execute("pragma quick_check").fetchall(), [("ok",)])
                    self.assertEqual(database.execute("pragma journal_mode").fetchall(),
                                     [("delete",)])
                    total = database.execute("select ifnull(sum(count), 0) from counts").fetchone()[0]
                    database.close()
                    n_reads += 1
                    self.assertGreaterEqual(total, seen, "it never goes back")
                    seen = total
            daemon.stop(signal.SIGKILL if round_number < 1 else signal.SIGTERM)
        self.assertGreater(n_reads, 20)
        self.assertEqual([name for name in os.listdir(daemon.directory)
                          if name.startswith("counts.db")], ["counts.db"])
        # Under the unit's umask too, who may ask the socket (0660) may read it.
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o640)


class Log(harness.Case):

    def test_a_slow_statement_is_said_and_a_quick_one_is_not(self):
        daemon = self.daemon("--set", "tallyd.query_timeout=1500 milliseconds").start()
        daemon.text("select 'quick';\n" * 3 + ENDLESS.replace("count(*)", "count(*), 'a\n<0>b'"))
        said = [line for line in daemon.wait_logged(re.compile("a statement took.*with")).splitlines()
                if "a statement took" in line]
        slow = [line for line in said if "'quick'" not in line]
        self.assertEqual(len(slow), 1, said)
        # One may have had to wait for the machine.
        self.assertLess(len(said), 3, said)
        self.assertRegex(slow[0], r" info: session \d+: a statement took [1-9]\d*\.\d{3} seconds: "
                         r"with recursive .*'a\\x0a<0>b'")

    def test_slow_statements_are_said_five_times_a_minute(self):
        daemon = self.daemon("--set", "tallyd.query_timeout=1100 milliseconds",
                             "--set", "tallyd.max_running_queries=8").start()
        clients = [daemon.client() for _ in range(8)]
        for client in clients:
            client.send(ENDLESS)
        for client in clients:
            self.assertIn("Error", client.line())
        harness.wait_until(lambda: daemon.log().count("a statement took") >= 5, "the sentences")
        self.assertEqual(daemon.log().count("a statement took"), 5)

    @unittest.skipIf(not FAKETIME or harness.SANITIZED, "libfaketime is not installed, or a sanitizer")
    def test_a_summary_comes_once_a_minute_and_only_when_something_moved(self):
        # A second is two minutes here.
        daemon = self.daemon(env={"LD_PRELOAD": FAKETIME[0], "FAKETIME": "+0 x120"}).start()
        for count in (1, 2):
            for part in ("a", "b"):
                daemon.write("%s%d" % (part, count), ONE)
                daemon.process_all()
            harness.wait_until(lambda: sum(map(int, re.findall(r"counted (\d+) events in \d+ batch",
                                                              daemon.log()))) == 2 * count,
                               "the summary")
            lines = daemon.log().count("counted ")
            time.sleep(1.5)
            self.assertEqual(daemon.log().count("counted "), lines, daemon.log())

    def test_no_name_of_a_file_breaks_a_line(self):
        daemon = self.daemon("-v")
        os.mkfifo(os.path.join(daemon.events, "fifo\n2026-01-01 00:00:00.000 error: forged"))
        daemon.start()
        daemon.write("x\n<0>forged", ONE)
        daemon.process_all()
        for line in daemon.log().splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} "
                             r"(error|warning|info|debug): (?!forged)")
        daemon.wait_logged("fifo\\x0a2026-01-01")


class Valgrind(harness.Case):

    def test_nothing_leaks_over_start_work_and_stop(self):
        if shutil.which("valgrind") is None or os.environ.get("TALLYD_UNDER"):
            self.skipTest("valgrind is not installed, or something else is around it")
        if harness.SANITIZED:
            self.skipTest("built with a sanitizer")
        daemon = self.daemon(config="[tallyd]\nsocket_group =\n[source events]\npath = @EVENTS@\n",
                             under=["valgrind", "--error-exitcode=9", "--leak-check=full",
                                    "--show-leak-kinds=all", "--errors-for-leak-kinds=all", "-q"])
        # The libraries that glibc loads to look up a group stay loaded: none is looked up.
        harness.DEADLINE *= 3
        try:
            daemon.start()
            daemon.write("a", ONE + "garbage\n")
            daemon.process_all()
            frames = daemon.frames()
            frames.request("SUBSCRIBE " + TOTALS)
            frames.frame()
            self.assertEqual(daemon.text(TOTALS), "Open|1\n")
            self.assertIn("Error", daemon.text("selec"))
            daemon.process.send_signal(signal.SIGHUP)
            harness.wait_until(lambda: "was read again" in daemon.log(), "the reload")
            running = daemon.client()
            running.send(ENDLESS)
            self.assertEqual(daemon.stop(), 0, daemon.log())
        finally:
            harness.DEADLINE //= 3


if __name__ == "__main__":
    harness.main()
