#!/usr/bin/env python3
"""The plain-text protocol, as people and scripts with nothing but a socket use it."""

import os
import shutil
import subprocess

import harness
from harness import TOTALS

TWO = '{"time":1469501107,"action":"Open"}\n{"time":1469501107,"action":"Close"}\n'


class Text(harness.Case):

    def setUp(self):
        super().setUp()
        self.d = self.daemon().start()
        self.d.write("a", TWO)
        self.d.process_all()

    def test_a_last_statement_without_semicolon_runs_at_the_half_close(self):
        self.assertEqual(self.d.text(TOTALS), "Close|1\nOpen|1\n")
        self.assertEqual(self.d.text("select 1;\nselect 2"), "1\n2\n")
        self.assertEqual(self.d.text("select 'x"), 'Error: unrecognized token: "\'x"\n')
        self.assertEqual(self.d.text(""), "")
        self.assertEqual(self.d.text("   \n-- nothing\n/* at all */"), "")

    def test_a_byte_at_a_time_gives_the_same_answers(self):
        script = "select 1,\n 'ä;\n';\r\n.mode csv\nselect 'a,b' as x; select 2;\n.quit\n".encode()
        whole = self.d.client()
        whole.send(script)
        expected = whole.all()
        self.assertEqual(expected, '1|ä;\n\n"a,b"\r\n2\r\n'.encode())
        slow = self.d.client()
        for byte in script:
            slow.send(bytes([byte]))
        self.assertEqual(slow.all(), expected)

    def test_answers_to_what_comes_together_leave_together(self):
        client = self.d.client()

        def together():
            client.send("select 1;\nselect 2;\nselect 3;\n")
            self.assertEqual(client.line(), "1")
            rest = client.rest
            self.assertEqual([client.line(), client.line()], ["2", "3"])
            return rest == b"2\n3\n"
        # A statement that is held up by others on the machine goes on in a thread of its own.
        harness.wait_until(together, "they leave together")

    def test_an_error_is_one_line_and_the_session_goes_on(self):
        self.assertEqual(self.d.text("select * from nowhere; select 1;\nselect 2;\n"),
                         "Error: no such table: nowhere\n2\n")
        self.assertEqual(self.d.text(".bail on\nselect * from nowhere;\nselect 2;\n"),
                         "Error: no such table: nowhere\n")

    def test_what_would_change_something_is_refused_by_name(self):
        for sql in ("delete from counts", "create table t(x)", "attach 'x' as y", "vacuum",
                    "pragma journal_mode=off", "insert into files values(1)", "drop table counts"):
            self.assertIn("Error: tallyd is read-only", self.d.text(sql), sql)
        self.assertEqual(self.d.totals(), {"Close": 1, "Open": 1})

    def test_modes_headers_and_separators_work_as_in_sqlite3(self):
        query = "select action, null as n, count from counts;\n"
        if shutil.which("sqlite3") is None:
            self.skipTest("sqlite3 is not installed")
        rows = "create table counts(action, count); insert into counts values('Close',1),('Open',1);\n"
        for commands in (".mode csv\n.headers on\n", ".mode tabs\n", ".mode json\n", ".mode line\n",
                         ".mode quote\n", ".mode list\n.separator , ;\n", ".nullvalue <none>\n",
                         ".headers on\n.separator '\\t'\n", ".mode csv\n.mode list\n"):
            ours = self.d.text(commands + query).encode()
            theirs = subprocess.run(["sqlite3", "-batch", ":memory:"], stdout=subprocess.PIPE,
                                    input=(rows + commands + query).encode()).stdout
            self.assertEqual(ours, theirs, commands)

    def test_commands_that_are_wrong_say_so(self):
        self.assertEqual(self.d.text(".mode nonsense\n"),
                         "Error: mode should be one of: csv json line list quote tabs\n")
        self.assertEqual(self.d.text(".foo\n"), 'Error: unknown command or invalid arguments:  '
                                                '"foo". Enter ".help" for help\n')
        self.assertEqual(self.d.text(".headers\n"), "Usage: .headers on|off\n")
        self.assertIn(".separator COL", self.d.text(".help\n"))
        self.assertEqual(self.d.text(".bail on\n.mode x\nselect 1;\n"),
                         "Error: mode should be one of: csv json line list quote tabs\n")

    def test_end_marks_each_statement_for_a_reader_that_stays(self):
        client = self.d.client()
        client.send(".end --\nselect 1 where 0;\nselect 1; select 2;\nselekt;\n")
        lines = [client.line() for _ in range(7)]
        self.assertEqual(lines, ["--", "1", "--", "2", "--",
                                 'Error: near "selekt": syntax error', "--"])

    def test_a_nul_and_invalid_utf8_end_the_statement_alone(self):
        self.assertEqual(self.d.text(b"select '\0';\nselect 1;\n"),
                         "Error: a NUL byte in a statement\n1\n")
        self.assertEqual(self.d.text(b"select '\xff';\nselect 1;\n"),
                         "Error: the statement is not valid UTF-8 (byte 8)\n1\n")

    def test_a_long_answer_is_whole(self):
        sql = ("with recursive n(i) as (select 1 union all select i+1 from n where i<200000) "
               "select i, 'some text' from n")
        answer = self.d.text(sql)
        self.assertEqual(answer, "".join("%d|some text\n" % i for i in range(1, 200001)))

    def test_the_same_question_is_answered_anew_after_each_batch(self):
        client = self.d.client()
        for number in range(2, 30):
            client.send(TOTALS + ";\n")
            self.assertEqual([client.line(), client.line()],
                             ["Close|%d" % (number - 1), "Open|%d" % (number - 1)])
            self.d.write("f%d" % number, TWO)
            self.d.process_all()

    def test_a_transaction_sees_one_snapshot(self):
        client = self.d.client()
        client.send("begin;\n" + TOTALS + ";\n")
        before = [client.line(), client.line()]
        self.d.write("b", TWO)
        self.d.process_all()
        client.send(TOTALS + ";\ncommit;\n" + TOTALS + ";\n")
        self.assertEqual([client.line(), client.line()], before)
        self.assertEqual([client.line(), client.line()], ["Close|2", "Open|2"])

    def test_a_statement_that_moves_to_a_worker_leaves_its_transaction_alone(self):
        long = ("select count(*) from (with recursive n(i) as (select 1 union all select i+1 from n "
                "where i < 300000) select * from n)")
        client = self.d.client()
        client.send("begin;\n%s;\n%s;\n" % (long, TOTALS))
        self.assertEqual(client.line(), "300000")
        before = [client.line(), client.line()]
        self.d.write("b", TWO)
        self.d.process_all()
        client.send(TOTALS + ";\n" + long + ";\n" + TOTALS + ";\ncommit;\n" + TOTALS + ";\n")
        self.assertEqual([client.line(), client.line()], before)
        self.assertEqual(client.line(), "300000")
        self.assertEqual([client.line(), client.line()], before)
        self.assertEqual([client.line(), client.line()], ["Close|2", "Open|2"])

    def test_a_transaction_that_is_lost_with_a_statement_is_said_to_be(self):
        daemon = self.daemon("--set", "tallyd.query_timeout=400 milliseconds").start()
        answer = daemon.text("begin;\nwith recursive n(i) as (select 1 union all select i+1 from n) "
                             "select count(*) from n;\ncommit;\n")
        self.assertIn("timeout of 0.4 seconds", answer.splitlines()[0])
        # A COMMIT that finds no transaction is an error of its own.
        self.assertEqual("rolled back" in answer, "no transaction is active" in answer)

    def test_temp_objects_belong_to_their_session(self):
        client = self.d.client()
        client.send("create temp table counts(action, count);\ninsert into counts values('x', 7);\n" +
                    TOTALS + ";\n")
        self.assertEqual(client.line(), "x|7")
        self.assertEqual(self.d.text(TOTALS), "Close|1\nOpen|1\n")

    def test_the_usual_tools_get_the_answer(self):
        script = TOTALS + ";\n.quit\n"
        for tool in (["nc", "-U"], ["nc", "-N", "-U"], ["socat", "-t", "30", "-"]):
            if shutil.which(tool[0]) is None:
                continue
            where = "UNIX-CONNECT:" + self.d.socket if tool[0] == "socat" else self.d.socket
            done = subprocess.run(tool + [where], input=script, text=True, stdout=subprocess.PIPE,
                                  timeout=harness.DEADLINE)
            self.assertEqual(done.stdout, "Close|1\nOpen|1\n", tool)


if __name__ == "__main__":
    harness.main()
