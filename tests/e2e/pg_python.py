#!/usr/bin/env python3
"""The PostgreSQL drivers of Python against tallyd: psycopg2, psycopg 3, asyncpg, pg8000. Each
shows the same: questions, values, errors, one snapshot, a cancel, many rows, notifications."""

import asyncio
import datetime
import decimal
import importlib
import io
import math
import os
import resource
import subprocess
import sys
import threading
import time

import harness
import pg_case
from harness import TOTALS
from pg_case import ENDLESS, MILLION

TIME = datetime.datetime(2016, 7, 26, 2, 0, 0, 1)
EDGES = ("select 9223372036854775807, -9223372036854775807 - 1, 0.1, 5e-324, 1e308 * 10, 'ä€😀', '', "
         "x'00ff', null, '2016-07-26 02:00:00.000001'::timestamp")
EDGE_VALUES = (2**63 - 1, -2**63, 0.1, 5e-324, math.inf, "ä€😀", "", b"\0\xff", None, TIME)
# What is sent comes back: the types a parameter may have, with a cast that says so.
ECHOED = (("int8", -2**63), ("float8", -1.5), ("text", "ä\n'\"\\"), ("text", None), ("text", ""),
          ("bytea", b"\0\1\xff"), ("timestamp", TIME))
# The other types of parameters, and what comes back: int8, float8, text, bool or timestamp.
UTC = datetime.timezone.utc
TURNED = (("int2", -32768, -32768), ("int4", 2**31 - 1, 2**31 - 1), ("float4", 1.5, 1.5),
          ("numeric", decimal.Decimal("12.25"), 12.25), ("varchar", "ä", "ä"), ("bool", True, True),
          ("bool", False, False), ("int8", None, None), ("bool", None, None), ("timestamp", None, None),
          ("timestamptz", TIME.replace(tzinfo=UTC), TIME), ("bytea", None, None), ("float8", -math.inf, -math.inf),
          ("float8", 5e-324, 5e-324), ("text", "x" * 100000, "x" * 100000))
WRONG = (("selekt", "42601"), ("select * from nowhere", "42P01"),
         ("select absent from counts", "42703"), ("select nofunction()", "42883"),
         ("delete from counts", "42501"))


class Driver(pg_case.PgCase):
    """What a driver shows. A subclass says how it connects and asks."""

    module = None
    echoed = ECHOED
    state = staticmethod(lambda error: error.sqlstate)

    def setUp(self):
        pg_case.python_clients()
        try:
            self.driver = importlib.import_module(self.module)
        except ImportError as error:
            self.skipTest(str(error))
        super().setUp()
        self.connection = self.connect()

    def tearDown(self):
        try:
            self.connection.close()
        finally:
            super().tearDown()

    @staticmethod
    def plain(rows):
        return [tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row)
                for row in rows]

    def test_questions_simple_and_with_parameters(self):
        self.assertEqual(self.ask(TOTALS), [("Close", 1), ("Open", 1)])
        for n in range(8):
            self.assertEqual(self.ask("select action, count from counts where count >= %s and action = %s",
                                      (n % 2, "Open")), [("Open", 1)])
        print(self.module, self.driver.__version__)

    def test_values_at_their_edges(self):
        for _ in range(8):
            self.assertEqual(self.plain(self.ask(EDGES)), [EDGE_VALUES])

    def test_parameters_come_back_as_they_were(self):
        sql = "select " + ", ".join("%s::" + kind for kind, _ in self.echoed)
        for _ in range(8):
            got = self.plain(self.ask(sql, tuple(value for _, value in self.echoed)))
            self.assertEqual(got, [tuple(value for _, value in self.echoed)])

    def test_parameters_of_every_type(self):
        for _ in range(8):
            for kind, sent, wanted in TURNED:
                got = self.plain(self.ask("select %s::" + kind, (sent,)))
                self.assertEqual(got, [(wanted,)], kind)
                self.assertIs(type(got[0][0]), type(wanted), kind)

    def test_truth_values(self):
        self.assertEqual(self.ask("select true, 1 = 2, count > 0, null::bool, true and null from counts limit 1"),
                         [(True, False, True, None, None)])
        self.assertIs(self.ask("select 1 = 1")[0][0], True)

    def test_a_list_of_values(self):
        for _ in range(8):
            self.assertEqual(self.ask("select action, count from counts where action = any(%s)",
                                      (["Open", 'a "quoted", \\ one', "{}", "", None],)), [("Open", 1)])
        self.assertEqual(self.ask("select count(*) from counts where count = any(%s)", ([1, 2**40],)), [(2,)])
        self.assertEqual(self.ask("select count(*) from counts where count = any(%s::int8[])", ([],)), [(0,)])
        self.assertEqual(self.ask("select count(*) from counts where action <> all(%s)", (["Open"],)), [(1,)])

    def test_a_warning(self):
        self.run_command("rollback")
        self.assertIn("there is no transaction in progress", self.warnings())

    def test_copy_to(self):
        self.assertEqual(self.copy("copy (select action, count, null from counts order by action) to stdout"),
                         b"Close\t1\t\\N\nOpen\t1\t\\N\n")
        self.assertEqual(self.copy("copy (select action, 'a,\"b\"' as \"x,y\", null, '' from counts order by action "
                                   "limit 1) to stdout (format csv, header)"),
                         b'action,"x,y",null,\'\'\nClose,"a,""b""",,""\n')

    def test_errors_and_going_on(self):
        for sql, state in WRONG:
            for _ in range(2):
                with self.assertRaises(self.driver.Error) as caught:
                    self.ask(sql)
                self.assertEqual(self.state(caught.exception), state, sql)
                self.assertEqual(self.ask("select 1"), [(1,)])

    def test_a_transaction_sees_one_snapshot(self):
        self.run_command("begin")
        self.assertEqual(self.ask(TOTALS), [("Close", 1), ("Open", 1)])
        for _ in range(3):
            self.publish()
            self.assertEqual(self.ask(TOTALS), [("Close", 1), ("Open", 1)])
        self.run_command("commit")
        self.assertEqual(self.ask(TOTALS), [("Close", 4), ("Open", 4)])

    def test_a_failed_transaction_wants_its_end(self):
        self.run_command("begin")
        for sql, state in (("select * from nowhere", "42P01"), ("select 1", "25P02")):
            with self.assertRaises(self.driver.Error) as caught:
                self.ask(sql)
            self.assertEqual(self.state(caught.exception), state)
        self.run_command("rollback")
        self.assertEqual(self.ask("select 1"), [(1,)])

    def test_a_time_limit_ends_a_statement(self):
        self.run_command("set statement_timeout = 100")
        with self.assertRaises(self.driver.Error) as caught:
            self.ask(ENDLESS)
        self.assertEqual(self.state(caught.exception), "57014")
        self.run_command("reset statement_timeout")
        self.assertEqual(self.ask("select 1"), [(1,)])

    def assert_cancels(self, cancel):
        """Runs what has no end; `cancel` is called once it runs."""
        def wait_and_cancel():
            self.wait_for_running()
            cancel()
        other = threading.Thread(target=wait_and_cancel)
        other.start()
        with self.assertRaises(self.driver.Error) as caught:
            self.ask(ENDLESS)
        other.join()
        self.assertEqual(self.state(caught.exception), "57014")
        self.assertEqual(self.ask("select 1"), [(1,)])

    def assert_million(self, rows):
        """All of them, none twice, and this process does not grow by what they are together."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        n, last = 0, None
        for row in rows:
            n += 1
            last = row
        self.assertEqual((n, tuple(last)), (1000000, (1000000, "row 1000000")))
        self.assertLess(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, 16 * 1024)


class Psycopg2(Driver):
    """It writes parameters into the text, where -9223372036854775808::int8 is the negative of
    what is no bigint, for PostgreSQL too."""

    module = "psycopg2"
    echoed = (("int8", -2**63 + 1),) + ECHOED[1:]
    state = staticmethod(lambda error: error.pgcode)

    def connect(self):
        connection = self.driver.connect(host=self.dir, user="tester", dbname="tally")
        connection.autocommit = True
        return connection

    def ask(self, sql, parameters=None):
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    def run_command(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)

    def warnings(self):
        return "".join(self.connection.notices)

    def copy(self, sql):
        out = io.BytesIO()
        with self.connection.cursor() as cursor:
            cursor.copy_expert(sql, out)
        return out.getvalue()

    def test_cancel(self):
        self.assert_cancels(self.connection.cancel)

    def test_a_million_rows_through_a_cursor(self):
        before = self.resident_kb()
        self.connection.autocommit = False
        with self.connection.cursor("many") as cursor:
            cursor.itersize = 5000
            cursor.execute(MILLION)
            self.assert_million(cursor)
        self.connection.commit()
        self.assert_flat(before)

    def test_notifications(self):
        self.run_command("listen counts")
        self.publish()
        def told():
            self.connection.poll()
            return self.connection.notifies
        first = harness.wait_until(told, "a notification")[0]
        self.assertEqual(first.channel, "counts")
        self.assertGreaterEqual(int(first.payload), 1)


class Psycopg3(Driver):
    module = "psycopg"
    is_binary = False

    def connect(self):
        self.noticed = []
        connection = self.driver.connect(host=self.dir, user="tester", dbname="tally", autocommit=True)
        connection.add_notice_handler(lambda notice: self.noticed.append(notice.message_primary))
        return connection

    def ask(self, sql, parameters=None):
        return self.connection.execute(sql, parameters, binary=self.is_binary).fetchall()

    def run_command(self, sql):
        self.connection.execute(sql)

    def test_cancel(self):
        self.assert_cancels(self.connection.cancel)

    def test_a_million_rows_through_a_cursor(self):
        before = self.resident_kb()
        with self.connection.transaction(), self.connection.cursor("many", binary=self.is_binary) as cursor:
            cursor.itersize = 5000
            cursor.execute(MILLION)
            self.assert_million(cursor)
        with self.connection.cursor(binary=self.is_binary) as cursor:
            self.assert_million(cursor.stream(MILLION))
        self.assert_flat(before)

    def test_a_pipeline_of_statements(self):
        with self.connection.pipeline():
            cursors = [self.connection.execute("select %s::int8", (n,)) for n in range(100)]
            self.assertEqual([cursor.fetchone()[0] for cursor in cursors], list(range(100)))

    def copy(self, sql):
        with self.connection.cursor() as cursor, cursor.copy(sql) as copy:
            return b"".join(bytes(piece) for piece in copy)

    def test_copied_rows(self):
        with self.connection.cursor() as cursor, cursor.copy(
                "copy (select action, count, null from counts order by action) to stdout") as copy:
            self.assertEqual(list(copy.rows()), [("Close", "1", None), ("Open", "1", None)])

    def warnings(self):
        return "".join(self.noticed)

    def test_an_error_in_a_pipeline_ends_it_until_the_sync(self):
        with self.assertRaises(self.driver.Error):
            with self.connection.pipeline():
                self.connection.execute("select 1")
                self.connection.execute("select * from nowhere")
                self.connection.execute("select 2")
        self.assertEqual(self.ask("select 3"), [(3,)])

    def test_notifications(self):
        self.run_command("listen counts")
        self.publish()
        first = next(iter(self.connection.notifies(timeout=harness.DEADLINE, stop_after=1)))
        self.assertEqual(first.channel, "counts")
        self.assertGreaterEqual(int(first.payload), 1)


class Psycopg3Binary(Psycopg3):
    is_binary = True


class Pg8000(Driver):
    module = "pg8000"
    state = staticmethod(lambda error: error.args[0]["C"])

    def connect(self):
        connection = self.driver.connect("tester", unix_sock=self.path, database="tally")
        connection.autocommit = True
        return connection

    def ask(self, sql, parameters=()):
        cursor = self.connection.cursor()
        cursor.execute(sql, parameters)
        return [tuple(row) for row in cursor.fetchall()]

    def run_command(self, sql):
        self.connection.cursor().execute(sql)

    def warnings(self):
        return "".join(str(notice) for notice in self.connection.notices)

    def copy(self, sql):
        out = io.BytesIO()
        self.connection.cursor().execute(sql, stream=out)
        return out.getvalue()

    def test_notifications(self):
        self.run_command("listen counts")
        self.publish()
        def told():
            self.ask("select 1")
            return self.connection.notifications
        _, channel, payload = harness.wait_until(told, "a notification")[0]
        self.assertEqual(channel, "counts")
        self.assertGreaterEqual(int(payload), 1)


class Asyncpg(Driver):
    """Always prepared, always binary."""

    module = "asyncpg"

    def connect(self):
        self.loop = asyncio.new_event_loop()
        self.driver.Error = self.driver.PostgresError
        self.raw = self.wait(self.driver.connect(host=self.dir, user="tester", database="tally"))
        self.noticed = []
        self.raw.add_log_listener(lambda _, notice: self.noticed.append(notice.message))
        return self

    def wait(self, what):
        return self.loop.run_until_complete(what)

    def close(self):
        self.wait(self.raw.close())
        self.loop.close()

    def ask(self, sql, parameters=()):
        for n in range(len(parameters)):
            sql = sql.replace("%s", "$%d" % (n + 1), 1)
        return [tuple(row) for row in self.wait(self.raw.fetch(sql, *parameters))]

    def run_command(self, sql):
        self.wait(self.raw.execute(sql))

    def warnings(self):
        return "".join(self.noticed)

    def copy(self, sql):
        out = io.BytesIO()
        question = sql[sql.index("(") + 1:sql.rindex(") to stdout")]
        options = {"format": "csv", "header": True} if "csv" in sql else {}
        self.wait(self.raw.copy_from_query(question, output=out, **options))
        return out.getvalue()

    def test_cancel(self):
        async def cancel():
            task = asyncio.ensure_future(self.raw.fetch(ENDLESS))
            await asyncio.get_event_loop().run_in_executor(None, self.wait_for_running)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                return True
        self.assertTrue(self.wait(cancel()))
        self.assertEqual(self.ask("select 1"), [(1,)])

    def test_a_million_rows_through_a_portal(self):
        before = self.resident_kb()
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async def walk():
            n, last = 0, None
            async with self.raw.transaction():
                async for row in self.raw.cursor(MILLION, prefetch=5000):
                    n += 1
                    last = row
            return n, tuple(last)
        self.assertEqual(self.wait(walk()), (1000000, (1000000, "row 1000000")))
        self.assert_flat(before)
        self.assertLess(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - own, 16 * 1024)

    def test_notifications(self):
        got = []
        self.wait(self.raw.add_listener("counts", lambda *what: got.append(what)))
        self.publish()
        async def told():
            end = time.monotonic() + harness.DEADLINE
            while not got and time.monotonic() < end:
                await asyncio.sleep(0.01)
        self.wait(told())
        self.assertEqual(got[0][2], "counts")
        self.assertGreaterEqual(int(got[0][3]), 1)


del Driver  # only its subclasses are tests


if __name__ == "__main__":
    # Two drivers that bring a libpq each do not live in one process.
    if len(sys.argv) > 1:
        harness.main()
    for name in ("Psycopg2", "Psycopg3", "Psycopg3Binary", "Pg8000", "Asyncpg"):
        if subprocess.call([sys.executable, os.path.abspath(__file__), name]) != 0:
            sys.exit(1)
