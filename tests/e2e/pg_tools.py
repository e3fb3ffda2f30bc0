#!/usr/bin/env python3
"""psql and pgbench, as they come, against tallyd."""

import json
import os
import pty
import re
import select
import shutil
import signal
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
                         "1\nERROR:  no such table: nowhere\nLINE 1: select * from nowhere;\n"
                         "                      ^\n2\n")
        self.assertEqual(self.psql("-At", "-v", "VERBOSITY=verbose", text="select absent from counts;\n"),
                         "ERROR:  42703: no such column: absent\n"
                         "LINE 1: select absent from counts;\n               ^\n")
        self.assertIn("ERROR:  tallyd is read-only",
                      self.psql("-v", "ON_ERROR_STOP=1", text="delete from counts;\n", status=3))

    def test_backslash_commands(self):
        out = self.psql("-c", r"\d")
        self.assertRegex(out, r" public +\| counts +\| (table|view) +\| tester")
        self.assertIn("| counts", self.psql("-c", r"\dt"))
        out = self.psql("-c", r"\dv")
        for name in ("sessions", "events", "static_counts"):
            self.assertIn("| %s " % name, out)
            self.assertIn('View "public.%s"' % name, self.psql("-c", r"\d " + name))
        for name in ("queries", "progress", "files", "rejects", "reject_totals", "settings"):
            self.assertIn('Table "public.%s"' % name, self.psql("-c", r"\d " + name))
        self.assertIn("Did not find any relations.", self.psql("-c", r"\di"))
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
        self.assertRegex(self.psql("-c", r"\l+"), r" tally +\| .*\| pg_default \|")
        self.assertRegex(self.psql("-c", r"\df"), r" date_trunc +\| timestamp +\| unit text, timestamp +\| func")
        self.assertRegex(self.psql("-c", r"\df+ date_trunc"), r"\| internal +\| date_trunc +\| a timestamp cut")
        self.assertRegex(self.psql("-c", r"\dt+ files"), r"\| the files of each source")
        self.assertIn("public", self.psql("-c", r"\dn+"))

    def test_no_backslash_command_is_an_error(self):
        """Lists of what tallyd has none of are empty, under their own headings."""
        for command in ("a b b+ c C d D db db+ dd dD ddp dE des det deu dew dF dFd dFp dFt dg+ di di+ dl dL dm dn "
                        "do dO dp dP drds dRp dRs ds dT dT+ dTS du+ dv+ dx dX dy l sv@events sf@date_format "
                        "lo_list z dconfig dA dAc dAf dAo dAp dS+ dfS daS dD+ dc dC+ dL+ dO+ dy+").split():
            if not command.startswith(("d", "l", "s", "z")):
                command = "d" + command
            self.psql("-v", "ON_ERROR_STOP=1", "-c", "\\" + command.replace("@", " "))
        self.assertRegex(self.psql("-c", r"\dp"), r" Schema \| Name \| Type \| Access privileges ")
        self.assertRegex(self.psql("-c", r"\dC"), r" Source type \| Target type \| Function \| Implicit\? ")

    def test_what_it_does_with_a_query(self):
        out = self.psql(text="select count > 0 as b, floor(1.5::float8) as f, action, count, window_start "
                             "from counts \\gdesc\n")
        for line in (r" b +\| boolean", r" f +\| double precision", r" action +\| text", r" count +\| bigint",
                     r" window_start +\| timestamp without time zone"):
            self.assertRegex(out, line)
        self.assertRegex(self.psql(text="\\timing on\nselect 1;\n"), r"Time: [0-9.]+ ms")
        self.assertRegex(self.psql("-x", "-c", COUNTS), r"RECORD 2 \]-*\naction \| Open\ncount  \| 1\n")
        self.assertEqual(self.psql("-A", text="select action, window_start, count from counts \\crosstabview\n"),
                         "action|2016-07-26 02:00:00\nClose|1\nOpen|1\n(2 rows)\n")
        self.assertEqual(self.psql("-At", text="select 7 as one \\gset\nselect :one, :'one';\n"), "7|7\n")
        self.assertEqual(self.psql("-At", text="select 1, 'a,b' \\g (format=csv)\n"), '1,"a,b"\n')
        self.assertEqual(self.psql("-At", text="select 'select ' || count from counts \\gexec\n"), "1\n1\n")
        self.assertEqual(self.psql("-c", r"\copy (%s) to stdout csv header" % COUNTS),
                         "action,count\nClose,1\nOpen,1\n")
        self.assertEqual(self.psql("-At", text="select $1::int8 + 1, $2 \\bind 4 x \\g\n")
                         if self.version() >= 16 else "5|x\n", "5|x\n")
        watching = subprocess.Popen(["psql", "-X", "-At", "-h", self.dir], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True, bufsize=1)
        watching.stdin.write("select 'here', 1=1 \\watch 0.05\n")
        watching.stdin.flush()
        lines = []
        while lines.count("here|t\n") < 3:
            lines.append(watching.stdout.readline())
        watching.kill()
        watching.communicate()

    def version(self):
        return int(re.search(r"\d+", subprocess.run(["psql", "--version"], stdout=subprocess.PIPE,
                                                    text=True).stdout).group())

    def test_completion_with_the_tab_key(self):
        """A person at a terminal: what stands on the line after Tab."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ.update(PGHOST=self.dir, PGUSER="tester", PGDATABASE="tally", TERM="xterm", LC_ALL="C.UTF-8")
            os.execvp("psql", ["psql", "-X"])
        seen = ""

        def until(text):
            nonlocal seen
            while text not in seen:
                ready, _, _ = select.select([terminal], [], [], harness.DEADLINE)
                self.assertTrue(ready, "%r is not in %r" % (text, seen))
                seen += os.read(terminal, 65536).decode(errors="replace")
            seen = ""

        until("tally=")
        for typed, completed in (("select * from cou\t", "counts "), ("select * from static\t", "static_counts "),
                                 ("\\d ses\t", "sessions "), ("select * from counts where win\t", "dow_"),
                                 ("\\df date_f\t", "date_format "), ("set time\t", "timezone "),
                                 ("show server_version_\t", "num "), ("\\c tal\t", "tally ")):
            os.write(terminal, typed.encode())
            until(completed)
            os.write(terminal, b"\x15")
        os.write(terminal, b"\\q\n")
        os.waitpid(pid, 0)
        os.close(terminal)

    def test_what_people_type_who_come_from_postgresql(self):
        for sql, answer in (
                ("select true, not true, 1 = 1, 'no'::bool, null::bool is null", "t|f|t|f|t"),
                ("select true::int + 1, sum((count > 0)::int) from counts", "2|2"),
                ("select count(*) from counts where action = any(array['Open', 'x'])", "1"),
                ("select count(*) from counts where action = any('{Open,\"a b\"}')", "1"),
                ("select count(*) from counts where action <> all('{Open}'::text[])", "1"),
                ("select count(*) from counts where count = any('{1,2}'::int8[])", "2"),
                ("select count(*) from counts where window_start > now() - interval '100 years'", "2"),
                ("select distinct window_start + interval '90 minutes' from counts", "2016-07-26 03:30:00"),
                ("select timestamp '2016-01-31' + interval '1 month', '2016-03-01'::timestamp - '1 day'::interval",
                 "2016-02-29 00:00:00|2016-02-29 00:00:00"),
                ("select timestamp '2016-01-01' + interval '1 year 2 mons 3 days 04:05:06'", "2017-03-04 04:05:06"),
                ("select timestamp '2016-01-01' - interval '3' hour", "2015-12-31 21:00:00"),
                ("select date_trunc('day', max(window_start)) from counts", "2016-07-26 00:00:00"),
                ("select extract(epoch from timestamp '2016-07-26 02:00:00'), extract(dow from date '2016-07-26'), "
                 "date_part('quarter', timestamp '2016-07-26')", "1469498400|2|3"),
                ("select cast('5' as int) + 1, cast('2016-07-26' as timestamp), cast(1 as boolean)",
                 "6|2016-07-26 00:00:00|t"),
                ("select x + y from (values (1, 2), (3, 4)) as t(x, y) where y = 4", "7"),
                ("select string_agg(action, '+') from (select action from counts order by 1) s", "Close+Open"),
                ("table counts limit 0", ""),
                ("select 10::numeric / 4, '12'::int8, 1.5::text, '2016-07-26'::date, now()::date = current_date",
                 "2.5|12|1.5|2016-07-26|t")):
            self.assertEqual(self.psql("-Atc", sql), answer + "\n" if answer else "", sql)
        for sql, state in (("select interval '1 hour'", "0A000"), ("select array[1]", "0A000"),
                           ("select count < any(array[1]) from counts", "0A000"),
                           ("select now() + interval '1 fortnight'", "22007"), ("select 'x'::int", "22P02"), ("select '1x'::float8", "22P02"), ("select 'maybe'::bool", "22P02"),
                           ("select '2016-13-01'::timestamp", "22007"),
                           ("select extract(doy from '-290308-12-25')", "22007")):
            self.assertIn("ERROR:  " + state, self.psql("-v", "VERBOSITY=verbose", "-c", sql, status=1), sql)
        self.assertEqual(self.psql("-A", "-c", "select now() > '2016' , count(*)::int, $$x$$, count(*) as n from counts "
                                   "limit 0", "-P", "footer=off"),
                         "now() > '2016'|count(*)::int|$$x$$|n\n")
        self.assertIn('connected to database "tally" as user "tester" via socket in "%s"' % self.dir,
                      self.psql("-c", r"\conninfo"))
        self.assertEqual(self.psql("-c", r"\encoding"), "UTF8\n")

    def test_grafana_s_statements_and_the_example_dashboard(self):
        """What its PostgreSQL data source sends in Code mode: the connection's test, the look-ups of
        its completion, and the macros as it expands them."""
        since, until = "'2016-07-26T00:00:00Z'", "'2016-07-27T00:00:00.123456789Z'"
        path = "string_to_array(current_setting('search_path'),',')"
        schemas = ("quote_ident(table_schema) IN (SELECT CASE WHEN trim(s[i]) = '\"$user\"' THEN user ELSE trim(s[i]) END "
                   "FROM generate_series(array_lower(%s,1), array_upper(%s,1)) as i, %s s)" % (path, path, path))
        tables = ("SELECT CASE WHEN %s THEN quote_ident(table_name) ELSE quote_ident(table_schema) || '.' || "
                  "quote_ident(table_name) END AS \"table\" FROM information_schema.tables WHERE "
                  "quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog') "
                  "ORDER BY CASE WHEN %s THEN 0 ELSE 1 END, 1" % (schemas, schemas))
        columns = ("SELECT quote_ident(column_name) AS \"column\", data_type AS \"type\" FROM information_schema.columns "
                   "WHERE CASE WHEN array_length(parse_ident('@'),1) = 2 "
                   "THEN quote_ident(table_schema) = (parse_ident('@'))[1] AND quote_ident(table_name) = (parse_ident('@'))[2] "
                   "ELSE quote_ident(table_name) = '@' AND " + schemas + " END")
        group = "floor(extract(epoch from window_start)/3600)*3600"
        of_counts = ("action|text\nwindow_start|timestamp without time zone\nwindow_end|timestamp without time zone\n"
                     "count|bigint\n")
        for sql, answer in (
                (";", ""), ("-- ping", ""),
                ("SELECT current_setting('server_version_num')::int/100 as version", "1500\n"),
                ("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'", ""),
                (columns.replace("@", "counts"), of_counts), (columns.replace("@", "public.counts"), of_counts),
                # $__timeFilter, $__timeGroupAlias
                ("SELECT %s AS \"time\", sum(count) AS value FROM counts WHERE window_start BETWEEN %s AND %s "
                 "GROUP BY 1 ORDER BY 1" % (group, since, until), "1469498400|2\n"),
                # $__time, $__timeFrom, $__timeTo
                ("SELECT window_start AS \"time\" FROM counts WHERE window_start >= %s AND window_end < %s LIMIT 1"
                 % (since, until), "2016-07-26 02:00:00\n"),
                # $__timeEpoch, $__unixEpochFilter, $__unixEpochGroup
                ("SELECT extract(epoch from window_start) as \"time\", floor((unix_timestamp(window_end))/86400)*86400 "
                 "FROM counts WHERE unix_timestamp(window_start) >= 1469491200 AND unix_timestamp(window_start) <= 1469577600 "
                 "LIMIT 1", "1469498400|1469491200\n"),
                # a variable with several values
                ("SELECT sum(count) FROM counts WHERE action IN ('Open','Close')", "2\n")):
            self.assertEqual(self.psql("-At", "-c", sql), answer, sql)
        self.assertLessEqual({"counts", "events", "sessions", "queries", "static_counts"},
                             set(self.psql("-At", "-c", tables).splitlines()))
        with open(os.path.join(harness.TREE, "docs", "grafana-dashboard.json")) as dashboard:
            panels = json.load(dashboard)["panels"]
        series, totals = [panel["targets"][0]["rawSql"] for panel in panels]
        self.assertIn("$__timeFilter(window_start)", series)
        out = self.psql("-At", "-c", series.replace("$__timeFilter(window_start)",
                                                    "window_start BETWEEN %s AND %s" % (since, until)))
        self.assertEqual(sorted(out.splitlines()),
                         ["2016-07-26 02:00:00|Close|1", "2016-07-26 02:00:00|Open|1"])
        self.assertEqual(self.psql("-At", "-c", totals), "Close|1\nOpen|1\n")

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
        own = self.psql("-Atq", text="\\set FETCH_COUNT 1000\n\\o /dev/null\nselect * from (%s);\n\\o\n"
                        "\\! grep VmHWM /proc/$PPID/status\n" % pg_case.MILLION)
        self.assertLess(int(own.split()[1]), 32 * 1024)
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
        self.assertEqual([line for line in out.splitlines() if not line.startswith(("LINE", "    "))], [
            "SET", "Europe/Berlin", "RESET", "UTC", "BEGIN", "SAVEPOINT", "1", "ROLLBACK", "RELEASE",
            "COMMIT", "BEGIN", "ERROR:  no such table: nowhere",
            "ERROR:  current transaction is aborted, commands ignored until end of transaction block",
            "ROLLBACK", "3", "150000", "15", "DISCARD ALL", "DEALLOCATE ALL", "LISTEN", "NOTIFY",
            "UNLISTEN", 'WARNING:  parameter "nonsense" is kept for this session and has no effect',
            "SET", "ERROR:  tallyd does not support COPY other than TO STDOUT"])

    def test_time_limits_ctrl_c_and_notifications(self):
        self.assertEqual(self.psql("-At", "-v", "VERBOSITY=sqlstate", text="set statement_timeout = '100ms';\n%s;\n"
                                   "reset statement_timeout;\nselect 1;\n" % pg_case.ENDLESS),
                         "SET\nERROR:  57014\nRESET\n1\n")
        process = subprocess.Popen(["psql", "-X", "-At", "-v", "VERBOSITY=sqlstate", "-h", self.dir], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=1)
        process.stdin.write(pg_case.ENDLESS + ";\n")
        self.wait_for_running()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stdout.readline(), "Cancel request sent\n")
        self.assertEqual(process.stdout.readline(), "ERROR:  57014\n")
        process.communicate()
        process = subprocess.Popen(["psql", "-X", "-At", "-h", self.dir], text=True, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, bufsize=1)
        process.stdin.write("listen counts;\nselect 'ready';\n")
        self.assertEqual([process.stdout.readline() for _ in range(2)], ["LISTEN\n", "ready\n"])
        self.publish()
        line = ""
        while "notification" not in line:
            process.stdin.write("select 1;\n")
            line = process.stdout.readline()
        self.assertRegex(line, r'Asynchronous notification "counts" with payload "\d+" received')
        process.stdin.write("\\q\n")
        process.communicate()

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
