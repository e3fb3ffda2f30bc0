#!/usr/bin/env python3
"""libpq itself, the system's, called by ctypes: what the programs that are built on it do."""

import ctypes
import ctypes.util
import os
import resource
import struct
import threading

import harness
import pg_case
from harness import TOTALS
from pg_case import ENDLESS, MILLION

COMMAND_OK, TUPLES_OK, COPY_OUT, FATAL_ERROR, SINGLE_TUPLE, PIPELINE_SYNC, PIPELINE_ABORTED = 1, 2, 3, 7, 9, 10, 11
INT8, TEXT, BYTEA, FLOAT8, TIMESTAMP, BOOL = 20, 25, 17, 701, 1114, 16


class Notify(ctypes.Structure):
    _fields_ = [("channel", ctypes.c_char_p), ("pid", ctypes.c_int), ("payload", ctypes.c_char_p)]


def load():
    """The library, with the functions that return pointers declared."""
    name = ctypes.util.find_library("pq")
    if name is None:
        raise harness.unittest.SkipTest("libpq is not installed")
    library = ctypes.CDLL(name)
    for function in ("PQconnectdb", "PQexec", "PQexecParams", "PQprepare", "PQexecPrepared", "PQdescribePrepared",
                     "PQgetResult", "PQgetCancel", "PQgetvalue"):
        getattr(library, function).restype = ctypes.c_void_p
    for function in ("PQerrorMessage", "PQresultErrorField", "PQfname", "PQparameterStatus", "PQcmdStatus"):
        getattr(library, function).restype = ctypes.c_char_p
    library.PQnotifies.restype = ctypes.POINTER(Notify)
    return library


class Libpq(pg_case.PgCase):

    def setUp(self):
        self.pq = load()
        super().setUp()
        self.connection = ctypes.c_void_p(self.pq.PQconnectdb(
            ("host=%s user=tester dbname=tally application_name=libpq" % self.dir).encode()))
        self.assertEqual(self.pq.PQstatus(self.connection), 0, self.pq.PQerrorMessage(self.connection))

    def tearDown(self):
        self.pq.PQfinish(self.connection)
        super().tearDown()

    def take(self, result):
        """(status, rows of bytes or None, SQLSTATE) of a result, which is cleared."""
        result = ctypes.c_void_p(result)
        rows = [tuple(None if self.pq.PQgetisnull(result, row, column) else
                      ctypes.string_at(self.pq.PQgetvalue(result, row, column),
                                       self.pq.PQgetlength(result, row, column))
                      for column in range(self.pq.PQnfields(result)))
                for row in range(self.pq.PQntuples(result))]
        state = self.pq.PQresultErrorField(result, ord("C"))
        taken = self.pq.PQresultStatus(result), rows, state and state.decode()
        self.pq.PQclear(result)
        return taken

    def ask(self, sql):
        return self.take(self.pq.PQexec(self.connection, sql.encode()))

    def arrays(self, values, formats=None):
        """The five arguments of PQexecParams behind the statement, types by the server."""
        n = len(values)
        return (n, (ctypes.c_char_p * n)(*values),
                (ctypes.c_int * n)(*[0 if value is None else len(value) for value in values]),
                (ctypes.c_int * n)(*(formats or [0] * n)))

    def ask_with(self, sql, values, formats=None, results=0, types=None):
        n, pointers, lengths, kinds = self.arrays(values, formats)
        oids = types and (ctypes.c_uint * n)(*types)
        return self.take(self.pq.PQexecParams(self.connection, sql.encode(), n, oids, pointers, lengths, kinds, results))

    def test_questions_simple_prepared_and_described(self):
        self.assertEqual(self.ask(TOTALS), (TUPLES_OK, [(b"Close", b"1"), (b"Open", b"1")], None))
        self.assertEqual(self.ask("select 1; select 2"), (TUPLES_OK, [(b"2",)], None))
        self.assertEqual(self.ask("")[0], 0)
        self.assertEqual(self.pq.PQparameterStatus(self.connection, b"server_version")[:13], b"15.0 (tallyd ")
        for name, value in ((b"client_encoding", b"UTF8"), (b"integer_datetimes", b"on"), (b"TimeZone", b"UTC"),
                            (b"standard_conforming_strings", b"on"), (b"DateStyle", b"ISO, MDY"),
                            (b"IntervalStyle", b"postgres"), (b"application_name", b"libpq")):
            self.assertEqual(self.pq.PQparameterStatus(self.connection, name), value)
        for end in ("discard all", "reset all", "set time zone local"):
            self.ask("set timezone = 'Asia/Tokyo'")
            self.assertEqual(self.pq.PQparameterStatus(self.connection, b"TimeZone"), b"Asia/Tokyo")
            self.ask(end)
            self.assertEqual(self.pq.PQparameterStatus(self.connection, b"TimeZone"), b"UTC")
        sql = b"select action, count, count > $2, window_start from counts where count = $2 and action = $1 and $2 > 0"
        self.assertEqual(self.take(self.pq.PQprepare(self.connection, b"p", sql, 0, None))[0], COMMAND_OK)
        described = ctypes.c_void_p(self.pq.PQdescribePrepared(self.connection, b"p"))
        self.assertEqual([self.pq.PQparamtype(described, i) for i in range(2)], [TEXT, INT8])
        self.assertEqual([self.pq.PQftype(described, i) for i in range(4)], [TEXT, INT8, BOOL, TIMESTAMP])
        self.assertEqual(self.pq.PQfname(described, 0), b"action")
        self.pq.PQclear(described)
        for _ in range(8):
            self.assertEqual(self.take(self.pq.PQexecPrepared(
                self.connection, b"p", *self.arrays([b"Open", b"1"]), 0))[1],
                             [(b"Open", b"1", b"f", b"2016-07-26 02:00:00")])

    def test_values_at_their_edges_in_both_formats(self):
        sql = ("select 9223372036854775807, -9223372036854775807 - 1, 0.1, 5e-324, -1e308 * 10, 'ä', '', x'00ff', null, "
               "'1969-12-31 23:59:59.999999'::timestamp, true, false, null::bool")
        self.assertEqual(self.ask_with(sql, [])[1], [(
            b"9223372036854775807", b"-9223372036854775808", b"0.1", b"5e-324", b"-Infinity",
            "ä".encode(), b"", b"\\x00ff", None, b"1969-12-31 23:59:59.999999", b"t", b"f", None)])
        year_2000 = 946684800 * 10**6
        self.assertEqual(self.ask_with(sql, [], results=1)[1], [(
            struct.pack("!q", 2**63 - 1), struct.pack("!q", -2**63), struct.pack("!d", 0.1),
            struct.pack("!d", 5e-324), struct.pack("!d", float("-inf")), "ä".encode(), b"", b"\0\xff", None,
            struct.pack("!q", -1 - year_2000), b"\1", b"\0", None)])

    def test_parameters_in_both_formats(self):
        """$n in any order and more than once; a type that is given, and one that is found."""
        sql = ("select $3::text, $1::int8, $2::float8, $1::int8 + 1, $4::bytea, $5::bool, $6::timestamp, $7::text, "
               "$8::int2, $9::int4, $10::float4, $11::varchar")
        wanted = [(b"t", b"-5", b"0.5", b"-4", b"\\x0001", b"t", b"2000-01-01 00:00:01", None, b"-7", b"70000",
                   b"0.25", b"v")]
        self.assertEqual(self.ask_with(sql, [b"-5", b"0.5", b"t", b"\\x0001", b"YES", b"2000-01-01T00:00:01Z", None,
                                             b"-7", b"70000", b"0.25", b"v"])[1], wanted)
        binary = [struct.pack("!q", -5), struct.pack("!d", 0.5), b"t", b"\0\1", b"\1", struct.pack("!q", 10**6), None,
                  struct.pack("!h", -7), struct.pack("!i", 70000), struct.pack("!f", 0.25), b"v"]
        self.assertEqual(self.ask_with(sql, binary, [1] * 11)[1], wanted)
        types = [INT8, FLOAT8, TEXT, BYTEA, BOOL, TIMESTAMP, 705, 21, 23, 700, 1043]
        self.assertEqual(self.ask_with(sql, binary, [1] * 11, types=types)[1], wanted)
        for values, formats in (([b'{Open,"a, \\\\"}'], None),
                                ([struct.pack("!iiiiii4si", 1, 1, TEXT, 2, 1, 4, b"Open", -1)], [1])):
            self.assertEqual(self.ask_with("select count(*) from counts where action = any($1)", values, formats)[1],
                             [(b"1",)])
        self.assertEqual(self.ask_with("select $1::float8", [struct.pack("!hhHhhh", 2, 0, 0x4000, 2, 12, 2500)], [1],
                                       types=[1700])[1], [(b"-12.25",)])

    def test_errors_have_a_state_and_a_place(self):
        for sql, state, place in (("selekt", "42601", "1"), ("select * from nowhere", "42P01", "15"),
                                  ('select \'nowhere\' from "Nowhere"', "42P01", "23"),
                                  ("select 1, äbsent from counts", "42703", "11"), ("select nofunction()", "42883", "8"),
                                  ("delete from counts", "42501", None), ("select 'x'::int", "22P02", None),
                                  ("select '9223372036854775808'::int8", "22003", None)):
            for run in (lambda: self.pq.PQexec(self.connection, sql.encode()),
                        lambda: self.pq.PQexecParams(self.connection, sql.encode(), 0, None, None, None, None, 0)):
                result = ctypes.c_void_p(run())
                found = self.pq.PQresultErrorField(result, ord("P"))
                if place is not None:
                    self.assertEqual(found, place.encode(), sql)
                self.assertEqual(self.take(result.value)[2], state, sql)
                self.assertEqual(self.ask("select 1")[1], [(b"1",)])

    def test_a_transaction_sees_one_snapshot(self):
        self.assertEqual(self.pq.PQtransactionStatus(self.connection), 0)
        self.ask("begin")
        self.assertEqual(self.pq.PQtransactionStatus(self.connection), 2)
        before = self.ask(TOTALS)
        for _ in range(3):
            self.publish()
            self.assertEqual(self.ask(TOTALS), before)
            self.assertEqual(self.ask_with(TOTALS, []), before)
        self.assertEqual(self.ask("select * from nowhere")[2], "42P01")
        self.assertEqual(self.pq.PQtransactionStatus(self.connection), 3)
        self.assertEqual(self.ask("select 1")[2], "25P02")
        self.ask("rollback")
        self.assertEqual(self.ask(TOTALS)[1], [(b"Close", b"4"), (b"Open", b"4")])

    def test_cancel(self):
        cancel = ctypes.c_void_p(self.pq.PQgetCancel(self.connection))
        text = ctypes.create_string_buffer(256)

        def wait_and_cancel():
            self.wait_for_running()
            self.assertEqual(self.pq.PQcancel(cancel, text, 256), 1, text.value)
        other = threading.Thread(target=wait_and_cancel)
        other.start()
        self.assertEqual(self.ask(ENDLESS)[2], "57014")
        other.join()
        self.pq.PQfreeCancel(cancel)
        self.ask("set statement_timeout = '100ms'")
        self.assertEqual(self.ask(ENDLESS)[2], "57014")
        self.ask("reset statement_timeout")
        self.assertEqual(self.ask("select 1")[1], [(b"1",)])

    def test_a_million_rows_one_at_a_time(self):
        before, own = self.resident_kb(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.pq.PQsendQueryParams(self.connection, MILLION.encode(), 0, None, None, None, None, 0)
        self.assertEqual(self.pq.PQsetSingleRowMode(self.connection), 1)
        n, last = 0, None
        while True:
            result = self.pq.PQgetResult(self.connection)
            if not result:
                break
            result = ctypes.c_void_p(result)
            if self.pq.PQresultStatus(result) == SINGLE_TUPLE:
                n += 1
                if n == 1000000:
                    last = ctypes.string_at(self.pq.PQgetvalue(result, 0, 1))
            self.pq.PQclear(result)
        self.assertEqual((n, last), (1000000, b"row 1000000"))
        self.assert_flat(before)
        self.assertLess(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - own, 16 * 1024)

    def test_a_pipeline(self):
        """An error spoils what comes behind it up to the next Sync, and nothing else."""
        self.assertEqual(self.pq.PQenterPipelineMode(self.connection), 1)
        for sql in ("select 1", "select * from nowhere", "select 2", None, "select 3", None):
            if sql is None:
                self.pq.PQpipelineSync(self.connection)
            else:
                self.pq.PQsendQueryParams(self.connection, sql.encode(), 0, None, None, None, None, 0)
        seen = []
        while seen.count(PIPELINE_SYNC) < 2:
            result = self.pq.PQgetResult(self.connection)
            if result:
                seen.append(self.take(result)[0])
        self.assertEqual(seen, [TUPLES_OK, FATAL_ERROR, PIPELINE_ABORTED, PIPELINE_SYNC, TUPLES_OK, PIPELINE_SYNC])
        self.assertEqual(self.pq.PQexitPipelineMode(self.connection), 1)

    def test_copy_warnings_and_notifications(self):
        result = ctypes.c_void_p(self.pq.PQexec(
            self.connection, b"copy (select action, null from counts order by 1) to stdout"))
        self.assertEqual(self.pq.PQresultStatus(result), COPY_OUT)
        self.pq.PQclear(result)
        line, lines = ctypes.c_void_p(), []
        while True:
            n = self.pq.PQgetCopyData(self.connection, ctypes.byref(line), 0)
            if n < 0:
                break
            lines.append(ctypes.string_at(line, n))
            self.pq.PQfreemem(line)
        self.assertEqual((n, lines), (-1, [b"Close\t\\N\n", b"Open\t\\N\n"]))
        self.assertEqual(self.take(self.pq.PQgetResult(self.connection))[0], COMMAND_OK)
        while self.pq.PQgetResult(self.connection):
            pass
        told = []
        processor = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)(lambda _, text: told.append(text))
        self.pq.PQsetNoticeProcessor(self.connection, processor, None)
        self.ask("commit")
        self.assertEqual(told, [b"WARNING:  there is no transaction in progress\n"])
        self.ask("listen counts")
        self.publish()

        def notified():
            self.pq.PQconsumeInput(self.connection)
            found = self.pq.PQnotifies(self.connection)
            return found and (found.contents.channel, int(found.contents.payload))
        channel, batch = harness.wait_until(notified, "a notification")
        self.assertEqual(channel, b"counts")
        self.assertEqual([[batch]], self.d.ask("select batch_id from queries"))
        # In a transaction they wait; then there is one for each batch, in order.
        self.ask("begin")
        for _ in range(4):
            self.publish()
        self.assertFalse(notified())
        self.ask("commit")
        self.assertEqual([harness.wait_until(notified, "the others")[1] for _ in range(4)],
                         list(range(batch + 1, batch + 5)))


if __name__ == "__main__":
    harness.main()
