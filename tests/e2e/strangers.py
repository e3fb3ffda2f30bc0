#!/usr/bin/env python3
"""Strangers on the socket: what they may not reach, see, fill or hold up."""

import json
import os
import re
import subprocess
import tempfile
import threading
import time
import unittest

import harness

ONE = '{"time":1469501107,"action":"Open"}\n'
NOBODY = 65534


def status_kb(daemon, name):
    with open("/proc/%d/status" % daemon.process.pid, encoding="ascii") as status:
        return int(re.search(r"^%s:\s+(\d+)" % name, status.read(), re.M).group(1))


def cpu_seconds(daemon):
    with open("/proc/%d/stat" % daemon.process.pid, encoding="ascii") as stat:
        words = stat.read().rsplit(") ", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@unittest.skipUnless(os.geteuid() == 0, "becoming another user needs root")
class Users(harness.Case):

    def start(self, *options):
        daemon = self.daemon(*options).start()
        os.chmod(daemon.directory, 0o711)
        daemon.write("a", ONE)
        daemon.process_all()
        return daemon

    def ask_as_nobody(self, daemon, *statements):
        """Of each: its rows, or the error's sentence; or what refused the connection."""
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            try:
                client, answers = daemon.frames(), []
                for sql in statements:
                    client.request(sql)
                    rows, end = client.answer()
                    answers.append(end["error"]["message"] if "error" in end else rows)
            except Exception as failure:
                answers = repr(failure)
            os.write(theirs, json.dumps(answers).encode())
            os._exit(0)
        os.close(theirs)
        with open(ours, encoding="utf-8") as answers:
            text = answers.read()
        os.waitpid(child, 0)
        return json.loads(text)

    def test_the_socket_s_mode_keeps_others_out(self):
        daemon = self.start("--set", "tallyd.socket_mode=0600")
        self.assertIn("PermissionError", self.ask_as_nobody(daemon, "select 1"))
        self.assertEqual(daemon.totals(), {"Open": 1})

    def test_another_user_sees_and_controls_nothing_of_others(self):
        daemon = self.start("--set", "tallyd.socket_mode=0666")
        other = daemon.frames()
        other.ask("create temp table secret(a)")
        other.ask("insert into secret values ('hidden')")
        other.ask("begin")
        other.ask("select 'asked by somebody else', * from secret")
        other.request("select 'a wrong one' from")
        self.assertIn("error", other.answer()[1])
        answers = self.ask_as_nobody(
            daemon, harness.TOTALS,
            "select count(*), count(query) from sessions",
            "select query from sessions where query is not null",
            "select * from secret", "select * from temp.secret", "select count(*) from temp.sqlite_master",
            "select * from sqlite_stmt", "select start('counts')", "select stop('counts')",
            "select process_all_available()", "select last_insert_rowid() + changes() + total_changes()")
        self.assertEqual(answers[0], [["Open", 1]])
        self.assertEqual(answers[1], [[2, 1]])
        self.assertEqual(answers[2], [["select query from sessions where query is not null"]])
        self.assertEqual(answers[3], "no such table: secret")
        self.assertEqual(answers[4], "no such table: temp.secret")
        self.assertEqual(answers[5], [[0]])
        self.assertEqual(answers[6], "no such table: sqlite_stmt")
        for answer in answers[7:10]:
            self.assertIn("the daemon's own user", answer)
        self.assertIn(answers[10], ([[0]], "no such function: last_insert_rowid"))
        # The daemon's own user sees them all, and what was begun goes on.
        self.assertIn(["select 'a wrong one' from"], daemon.ask("select query from sessions where state='idle in transaction'"))
        self.assertEqual(other.ask("select a from secret"), [["hidden"]])


class Bombs(harness.Case):

    def test_common_tables_that_each_name_the_one_before_twice_end_in_flat_memory(self):
        daemon = self.daemon("--set", "tallyd.query_timeout=1 second", "--set", "tallyd.query_memory=16 MiB").start()
        daemon.write("a", ONE)
        daemon.process_all()
        before_kb = status_kb(daemon, "VmRSS")
        tables = ["c0 as (select 1 as x)"] + ["c%d as (select a.x from c%d a, c%d b)" % (i, i - 1, i - 1) for i in range(1, 25)]
        client = daemon.frames()
        client.request("with " + ", ".join(tables) + " select count(*) from c24")
        self.assertEqual(daemon.totals(), {"Open": 1})
        message = client.answer()[1]["error"]["message"]
        self.assertRegex(message, "too complex|query_memory|timeout|too many|more than")
        self.assertEqual(client.ask("select 1"), [[1]])
        if not harness.SANITIZED and not os.environ.get("TALLYD_UNDER"):
            self.assertLess(status_kb(daemon, "VmHWM") - before_kb, 64 * 1024)

    def test_a_sort_larger_than_its_memory_fails_and_leaves_no_file(self):
        with tempfile.TemporaryDirectory() as empty:
            daemon = self.daemon("--set", "tallyd.query_memory=8 MiB", "--set", "tallyd.query_timeout=1 minute",
                                 env={**os.environ, "TMPDIR": empty, "SQLITE_TMPDIR": empty}).start()
            daemon.write("a", ONE)
            daemon.process_all()
            opened, done = set(), threading.Event()

            def watch():
                directory = "/proc/%d/fd" % daemon.process.pid
                while not done.is_set():
                    for fd in os.listdir(directory):
                        try:
                            opened.add(os.readlink(os.path.join(directory, fd)))
                        except OSError:
                            pass
                    time.sleep(0.002)
            watcher = threading.Thread(target=watch)
            watcher.start()
            client = daemon.frames()
            for sql in ("select x from n order by x % 1009, hex(x)", "select distinct hex(x) || x from n",
                        "select count(*) from n group by hex(x), x", "select hex(x) from n union select x from n"):
                client.request("with recursive n(x) as (select 1 union all select x + 1 from n where x < 400000) " + sql)
                self.assertIn("the statement needs more memory than query_memory (8 MiB)", client.answer()[1]["error"]["message"], sql)
            client.request("create temp table t as with recursive n(x) as (select 1 union all select x + 1 from n) select hex(x) from n")
            self.assertIn("query_memory", client.answer()[1]["error"]["message"])
            done.set()
            watcher.join()
            self.assertEqual(os.listdir(empty), [])
            self.assertEqual([name for name in opened if name.startswith(empty) or "etilqs" in name], [])
            self.assertEqual(daemon.totals(), {"Open": 1})


class Moments(harness.Case):

    def test_whoever_asks_while_it_starts_gets_all_or_a_sentence(self):
        daemon = self.daemon().start()
        daemon.write("a", "".join('{"time":%d,"action":"a%d"}\n' % (1469501107 + i * 600, i % 50) for i in range(20000)))
        daemon.process_all()
        whole = daemon.totals()
        self.assertEqual(sum(whole.values()), 20000)
        for _ in range(3):
            self.assertEqual(daemon.stop(), 0)
            with open(daemon.log_path, "a", encoding="utf-8") as log:
                daemon.process = subprocess.Popen(daemon.under + daemon.command(), stderr=log, env=daemon.env)

            def first_answer():
                try:
                    return daemon.frames().ask(harness.TOTALS)
                except (FileNotFoundError, ConnectionRefusedError):
                    return None
            self.assertEqual(dict(harness.wait_until(first_answer, "it serves")), whole)

    def test_connections_that_are_too_many_cost_no_processor_while_they_wait(self):
        daemon = self.daemon()
        daemon.under = ["prlimit", "--nofile=64:64"]
        daemon.start()
        daemon.write("a", ONE)
        daemon.process_all()
        clients = [daemon.client() for _ in range(100)]
        for client in clients:
            client.try_send("select 1;\n")
            client.line()

        def rests():
            before = cpu_seconds(daemon)
            time.sleep(0.5)  # what is measured is what happens while nothing does
            return cpu_seconds(daemon) - before < 0.1
        harness.wait_until(rests, "it rests")
        daemon.write("b", ONE)
        harness.wait_until(lambda: "a" in os.listdir(daemon.events), "it lives")
        for client in clients:
            client.close()
        harness.wait_until(daemon.answers, "there is room again")
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 2})


if __name__ == "__main__":
    harness.main()
