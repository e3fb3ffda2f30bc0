#!/usr/bin/env python3
"""psql and pgbench, as they come, against tallyd."""

import json
import os
import re
import shutil
import subprocess

import harness
import pg_case

COUNTS = "select action, count from counts order by action"


class Psql(pg_case.PgCase):

    def setUp(self):
        if shutil.which("psql") is None:
            self.skipTest("psql is not installed")
        super().setUp()

    def psql(self, *options, text=None, status=0):
        env = dict(os.environ, PGHOST=self.dir, PGUSER="tester", PGDATABASE="tally", LC_ALL="C.UTF-8")
        done = subprocess.run(["psql", "-X", *options], input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=env, timeout=harness.DEADLINE * 3)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def test_plain_questions_in_its_forms(self):
        self.assertEqual(self.psql("-Atc", COUNTS), "Close|1\nOpen|1\n")
        self.assertEqual(self.psql("--csv", "-c", COUNTS), "action,count\nClose,1\nOpen,1\n")
        self.assertEqual(self.psql("-c", COUNTS),
                         " action | count \n--------+-------\n Close  |     1\n Open   |     1\n(2 rows)\n\n")
        self.assertEqual(self.psql("-Atc", "select null, '', 1.5, x'00ff', window_start from counts limit 1",
                                   "-P", "null=~"),
                         "~||1.5|\\x00ff|2016-07-26 02:00:00\n")

    def test_several_statements_and_errors_between(self):
        self.assertEqual(self.psql("-Atc", "select 1; select 2", "-c", "select 3"), "1\n2\n3\n")
        self.assertEqual(self.psql("-At", text="select 1;\nselect * from nowhere;\nselect 2;\n"),
                         "1\nERROR:  no such table: nowhere\n2\n")
        self.assertEqual(self.psql("-At", "-v", "VERBOSITY=verbose", text="select absent from counts;\n"),
                         "ERROR:  42703: no such column: absent\n"
                         "LINE 1: select absent from counts;\n               ^\n")
        self.assertIn("ERROR:  tallyd is read-only",
                      self.psql("-v", "ON_ERROR_STOP=1", text="delete from counts;\n", status=3))

    def test_backslash_commands(self):
        out = self.psql("-c", r"\d")
        self.assertRegex(out, r" public +\| counts +\| (table|view) +\| tester")
        self.assertIn("| counts", self.psql("-c", r"\dt"))
        self.assertIn("Did not find any relations.", self.psql("-c", r"\dv"))
        out = self.psql("-c", r"\d counts")
        for line in ('Table "public.counts"', r" action +\| text ", r" count +\| bigint ",
                     r" window_start +\| timestamp without time zone "):
            self.assertRegex(out, line)
        self.assertIn('Did not find any relation named "nowhere"', self.psql("-c", r"\d nowhere", status=1))
        self.assertRegex(self.psql("-c", r"\d+ counts"), r" count +\| bigint ")
        self.assertRegex(self.psql("-c", r"\dt c*"), r"\| counts ")
        self.assertRegex(self.psql("-c", r"\l"), r" tally +\| tester +\| UTF8")
        self.assertRegex(self.psql("-c", r"\df"), r" public +\| date_format ")
        self.assertRegex(self.psql("-c", r"\df unix*"), r"unix_timestamp")
        self.assertRegex(self.psql("-c", r"\dn"), r" public +\| tester")
        self.assertRegex(self.psql("-c", r"\du"), r" tester +\| +\| *\n")
        self.assertIn('connected to database "tally" as user "tester" via socket in "%s"' % self.dir,
                      self.psql("-c", r"\conninfo"))
        self.assertEqual(self.psql("-c", r"\encoding"), "UTF8\n")

    def test_grafana_s_statements_and_the_example_dashboard(self):
        between = "window_start BETWEEN '2016-07-26T00:00:00Z' AND '2016-07-27T00:00:00Z'"
        with open(os.path.join(harness.TREE, "examples", "grafana-dashboard.json")) as dashboard:
            panels = json.load(dashboard)["panels"]
        series, totals = [panel["targets"][0]["rawSql"] for panel in panels]
        self.assertIn("$__timeFilter(window_start)", series)
        out = self.psql("-At", "-c", series.replace("$__timeFilter(window_start)", between))
        self.assertEqual(sorted(out.splitlines()),
                         ["2016-07-26 02:00:00|Close|1", "2016-07-26 02:00:00|Open|1"])
        self.assertEqual(self.psql("-At", "-c", totals), "Close|1\nOpen|1\n")
        self.assertEqual(self.psql("-At", "-c", "SELECT current_setting('server_version_num')::int/100 as version",
                                   "-c", "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"),
                         "1500\n")
        self.assertEqual(self.psql("-At", "-c", "select unix_timestamp(window_start) as time, count from counts "
                                   "where unix_timestamp(window_start) >= 1469491200 and "
                                   "unix_timestamp(window_start) <= 1469577600 limit 1"),
                         "1469498400|1\n")

    def test_views_and_tables_of_the_session_are_listed(self):
        out = self.psql("-q", text="create temp view mine as select count as n from counts;\n"
                        "\\dv\n\\d mine\n")
        self.assertRegex(out, r"\| mine +\| view ")
        self.assertRegex(out, r'View "[a-z_0-9.]*mine"')
        self.assertRegex(out, r" n +\| bigint")

    def test_a_cursor_of_psqls_own_and_copy(self):
        before = self.resident_kb()
        out = self.psql("-At", "-v", "FETCH_COUNT=1000", "-c", "select * from (%s)" % pg_case.MILLION)
        lines = out.splitlines()
        self.assertEqual((len(lines), lines[-1]), (1000000, "1000000|row 1000000"))
        out = self.psql("-c", "copy (%s) to stdout (format csv, header)" % pg_case.MILLION)
        self.assertEqual((out.count("\n"), out[:7]), (1000001, "i,text\n"))
        self.assert_flat(before)
        out = self.psql("-c", r"""copy (select 1, null, E'a\tb\\', 'x,"y') to stdout""",
                        "-c", r"""copy (select 1, null, '', 'x,"y') to stdout with csv""",
                        "-c", r"\copy counts to stdout csv")
        self.assertEqual(out.splitlines()[:2], ["1\t\\N\ta\\tb\\\\\tx,\"y", '1,,"","x,""y"'])
        self.assertIn("Open,2016-07-26 02:00:00,", out)

    def test_settings_and_transactions_as_it_sends_them(self):
        out = self.psql("-At", text="""
            set timezone = 'Europe/Berlin'; show timezone; reset timezone; show timezone;
            begin; savepoint a; select 1; rollback to a; release a; commit;
            begin; select * from nowhere; select 2; rollback; select 3;
            show server_version_num; select current_setting('server_version_num')::int / 10000;
            discard all; deallocate all; listen counts; notify counts; unlisten *;
            set nonsense = 1;
            copy counts from stdin;
            """)
        self.assertEqual([line for line in out.splitlines() if not line.startswith("LINE")], [
            "SET", "Europe/Berlin", "RESET", "UTC", "BEGIN", "SAVEPOINT", "1", "ROLLBACK", "RELEASE",
            "COMMIT", "BEGIN", "ERROR:  no such table: nowhere",
            "ERROR:  current transaction is aborted, commands ignored until end of transaction block",
            "ROLLBACK", "3", "150000", "15", "DISCARD ALL", "DEALLOCATE ALL", "LISTEN", "NOTIFY",
            "UNLISTEN", 'WARNING:  parameter "nonsense" is kept for this session and has no effect',
            "SET", "ERROR:  tallyd does not support COPY other than TO STDOUT"])

    def test_a_transaction_sees_one_snapshot_while_batches_come(self):
        process = subprocess.Popen(
            ["psql", "-X", "-At", "-h", self.dir], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1)
        ask = "select sum(count) from counts;\n"
        process.stdin.write("begin;\n" + ask)
        self.assertEqual([process.stdout.readline() for _ in range(2)], ["BEGIN\n", "2\n"])
        self.publish()
        process.stdin.write(ask + "commit;\n" + ask)
        self.assertEqual([process.stdout.readline() for _ in range(3)], ["2\n", "COMMIT\n", "4\n"])
        process.stdin.write("\\q\n")
        process.communicate()


class Pgbench(pg_case.PgCase):

    def setUp(self):
        # Debian's wrapper of this name stands in for a program that may be missing.
        if shutil.which("pgbench") is None or subprocess.run(
                ["pgbench", "--version"], capture_output=True).returncode != 0:
            self.skipTest("pgbench is not installed")
        super().setUp()
        self.script = os.path.join(self.dir, "totals.sql")
        with open(self.script, "w") as out:
            out.write("\\set n random(0, 1)\n"
                      "select action, sum(count) from counts where count > :n - 1 group by action;\n")

    def pgbench(self, *options):
        env = dict(os.environ, PGHOST=self.dir, PGUSER="tester", PGDATABASE="tally")
        done = subprocess.run(["pgbench", "-n", "-f", self.script, *options], env=env, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=harness.DEADLINE * 3)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"number of failed transactions: 0 ")
        return int(re.search(r"processed: (\d+)", done.stdout).group(1))

    def test_every_way_of_asking_with_one_and_many_clients(self):
        for mode in ("simple", "extended", "prepared"):
            for clients in (1, 8, 32):
                done = self.pgbench("-M", mode, "-c", str(clients), "-j", "2", "-t", "20")
                self.assertEqual(done, 20 * clients)
            self.assertEqual(self.pgbench("-C", "-M", mode, "-c", "4", "-t", "10"), 40)


if __name__ == "__main__":
    harness.main()
