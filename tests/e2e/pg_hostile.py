#!/usr/bin/env python3
"""Messages of PostgreSQL's protocol that are cut, wrong, out of order or never finished. Each
may cost its own session; the daemon and the session beside it never notice."""

import os
import random
import select
import socket
import struct

import harness
import wire
from wire import (FLUSH, SYNC, TERMINATE, Wire, bind, close, describe, execute, message, parse,
                  query, startup)

# One of every kind a client may send, such as work when they come whole.
MESSAGES = {
    "Query": query("select 1; select 'two'"),
    "Parse": parse("select $1::int8, $2", "s", (20, 25)),
    "Bind": bind((b"1", None), "p", "", (0,), (1,)),
    "Describe": describe(b"S", "known"),
    "Execute": execute("", 1),
    "Close": close(b"S", "known"),
    "Sync": SYNC,
    "Flush": FLUSH,
    "CopyData": message(b"d", b"1\t2\n"),
    "CopyDone": message(b"c"),
    "CopyFail": message(b"f", b"no\0"),
    "FunctionCall": message(b"F", struct.pack("!ihhh", 1, 0, 0, 0)),
    "Password": message(b"p", b"secret\0"),
    "Terminate": TERMINATE,
}
STARTUPS = {
    "start-up": startup(database="x", application_name="y"),
    "SSLRequest": struct.pack("!ii", 8, 80877103),
    "GSSENCRequest": struct.pack("!ii", 8, 80877104),
    "CancelRequest": struct.pack("!iiii", 16, 80877102, 1, 2),
}


class Hostile(harness.Case):

    def setUp(self):
        super().setUp()
        self.d = self.daemon().start()
        self.path = os.path.join(self.d.directory, ".s.PGSQL.5432")
        self.neighbour = Wire(self.path)
        self.pid = self.d.process.pid

    def assert_untouched(self, what=""):
        """The other session still answers, of the same daemon."""
        self.assertIsNone(self.d.process.poll(), what)
        answer = self.neighbour.ask(query("select 'here'"))
        self.assertEqual(wire.rows(answer), [[b"here"]], what)

    def tearDown(self):
        try:
            self.assert_untouched()
            Wire(self.path).close()
            harness.wait_until(lambda: len(self.d.ask("select * from sessions")) == 2,
                               "only the neighbour and the asking session are left")
            self.neighbour.close()
            self.assertEqual(self.d.stop(), 0)
        finally:
            super().tearDown()

    def prepared(self):
        """A session with a statement `known`, an unnamed one and the unnamed portal."""
        session = Wire(self.path)
        session.send(parse("select 1 union all select 2", "known"), parse("select $1, $2"),
                     bind((b"1", b"2")), FLUSH)
        while session.read()[0] != b"2":
            pass
        return session

    def test_every_message_cut_at_each_byte_and_then_the_end(self):
        for name, whole in MESSAGES.items():
            for n in range(len(whole)):
                session = self.prepared()
                session.send(whole[:n])
                session.socket.shutdown(1)
                session.until_closed()
                session.close()
            self.assert_untouched(name)

    def test_every_message_with_its_body_cut_at_each_byte(self):
        """The length is right, the body ends too early; or a byte too late."""
        for name, whole in MESSAGES.items():
            for n in list(range(5, len(whole))) + [-1]:
                body = whole[5:n] if n > 0 else whole[5:] + b"\0"
                session = self.prepared()
                session.send(message(whole[:1], body), SYNC, TERMINATE)
                answer = session.until_closed()
                for kind, error in answer:
                    if kind == b"E":
                        self.assertIn("C", wire.fields(error), name)
                session.close()
            self.assert_untouched(name)

    def test_every_startup_packet_cut_at_each_byte(self):
        for name, whole in STARTUPS.items():
            for n in range(len(whole)):
                session = Wire(self.path, start=False)
                session.send(whole[:n])
                session.socket.shutdown(1)
                session.until_closed()
                session = Wire(self.path, start=False)
                session.send(struct.pack("!i", max(n, 4)) + whole[4:n])
                session.socket.shutdown(1)
                session.until_closed()
            self.assert_untouched(name)

    def test_lengths_that_cannot_be(self):
        for length in (0, 1, 3, -1, -2**31, 2**31 - 1, 2**30, 64 * 1024 * 1024):
            for kind in b"QPBDECSHXdcfFp":
                session = self.prepared()
                session.send(bytes([kind]) + struct.pack("!i", length) + b"x" * 100)
                session.socket.shutdown(1)
                answer = session.until_closed()
                if length < 4 or length > 16 * 1024 * 1024:
                    self.assertEqual(wire.state(answer), "08P01", (kind, length))
            session = Wire(self.path, start=False)
            session.send(struct.pack("!i", length) + b"\0\3\0\0user\0x\0\0")
            session.socket.shutdown(1)
            self.assertEqual(wire.state(session.until_closed()), "08P01", length)

    def test_counts_inside_that_promise_more_than_there_is(self):
        for n in (-1, -32768, 1000, 32767):
            count = struct.pack("!h", n)
            for bad in (message(b"P", b"\0select 1\0" + count),
                        message(b"B", b"\0\0" + count),
                        message(b"B", b"\0\0\0\0" + count),
                        message(b"B", b"\0\0\0\0\0\2\0\0\0\1x\xff\xff\xff\xff" + count),
                        message(b"B", b"\0\0\0\0\0\2" + struct.pack("!i", 2**31 - 1) + b"x"),
                        message(b"B", b"\0\0\0\0\0\2" + struct.pack("!i", -2) + b"x")):
                session = self.prepared()
                session.send(bad, SYNC, TERMINATE)
                answer = session.until_closed()
                self.assertIn(b"E", [kind for kind, _ in answer], bad)
            self.assert_untouched(n)

    def test_nothing_before_the_startup(self):
        for name, whole in MESSAGES.items():
            session = Wire(self.path, start=False)
            session.send(whole)
            session.socket.shutdown(1)
            answer = session.until_closed()
            self.assertNotIn(b"Z", [kind for kind, _ in answer], name)
        for whole in STARTUPS.values():
            session = self.prepared()
            session.send(whole)
            session.socket.shutdown(1)
            self.assertEqual(wire.state(session.until_closed()), "08P01")

    def test_orders_that_make_no_sense_are_errors_until_the_sync(self):
        for parts, expected in (
                ([bind(name="nowhere")], "26000"),
                ([execute("nowhere")], "34000"),
                ([describe(b"S", "nowhere")], "26000"),
                ([describe(b"P", "nowhere")], "34000"),
                ([parse("select 1", "a"), parse("select 1", "a")], "42P05"),
                ([parse("select 1; select 2")], "42601"),
                ([parse("select $1"), bind()], "08P01"),
                ([parse("select 1"), bind((b"1",))], "08P01"),
                ([parse("select 1"), bind(results=(1, 1))], "08P01"),
                ([parse("select 1"), bind(portal="p"), bind(portal="p")], "42P03"),
                ([parse("select $1", oids=(20,)), bind((b"x",))], "22P02"),
                ([parse("select $1", oids=(20,)), bind((b"1",), formats=(1,))], "22P03")):
            session = Wire(self.path)
            answer = session.ask(*parts, query("select 'passed over'"), SYNC)
            self.assertEqual(wire.state(answer), expected, parts)
            self.assertEqual(wire.rows(answer), [], parts)
            self.assertEqual(wire.rows(session.ask(query("select 1"))), [[b"1"]], parts)
        session = Wire(self.path)
        self.assertEqual(wire.kinds(session.ask(close(b"S", "none"), close(b"P", "none"), SYNC)),
                         "33Z")

    def test_types_that_are_not_the_protocols_end_the_session(self):
        for kind in set(range(256)) - set(b"QPBDECSHXdcfF"):
            session = Wire(self.path)
            session.send(message(bytes([kind]), b"\0\0\0\0"))
            self.assertEqual(wire.state(session.until_closed()), "08P01", kind)
        session = Wire(self.path)
        session.send(MESSAGES["FunctionCall"])
        self.assertEqual(wire.state(session.until_closed()), "0A000")
        # A start-up in the form of a message; and its first byte alone says enough.
        for whole in (message(b"\0", startup()[4:]), b"\0"):
            session = Wire(self.path)
            session.send(whole)
            answer = session.until_closed()
            self.assertEqual((wire.kinds(answer), wire.state(answer)), ("E", "08P01"))

    def test_nuls_and_bytes_that_are_no_utf8(self):
        session = Wire(self.path)
        for bad, expected in ((message(b"Q", b"select '\xff'\0"), "22021"),
                              (message(b"P", b"\0select '\xc3'\0\0\0") + SYNC, "22021")):
            self.assertEqual(wire.state(session.ask(bad)), expected)
        answer = session.ask(parse("select $1::text, length($1)", oids=(25,)), bind((b"a\0b",)), execute(),
                             SYNC)
        self.assertEqual(wire.state(answer), "22021")
        answer = session.ask(parse("select $1::text", oids=(25,)), bind((b"\xff",)), execute(), SYNC)
        self.assertEqual(wire.state(answer), "22021")
        session.send(message(b"Q", b"select 1\0select 2\0"))
        self.assertEqual(wire.state(session.until_closed()), "08P01")

    def test_a_byte_at_a_time_works(self):
        session = Wire(self.path, start=False)
        script = startup() + query("select 1") + parse("select $1") + bind((b"x",)) + execute() + SYNC
        for byte in script:
            session.send(bytes([byte]))
        self.assertEqual(wire.rows(session.until_ready()), [])
        self.assertEqual(wire.rows(session.until_ready()), [[b"1"]])
        self.assertEqual(wire.rows(session.until_ready()), [[b"x"]])

    def test_sessions_that_vanish_in_each_state(self):
        endless = ("with recursive n(i) as (select 1 union all select i+1 from n) "
                   "select count(*) from n")
        many = ("with recursive n(i) as (select 1 union all select i+1 from n limit 100000000) "
                "select i from n")
        for parts in ([], [startup()], [startup(), query(endless)], [startup(), query(many)],
                      [startup(), query("begin")], [startup(), query("begin; select 1")],
                      [startup(), query("begin; select * from nowhere")],
                      [startup(), query("listen counts")],
                      [startup(), parse(endless)], [startup(), parse(endless), bind(), execute()],
                      [startup(), parse(many), bind(), execute("", 10), FLUSH],
                      [startup(), parse("nonsense"), bind()],
                      [startup(), query("copy (%s) to stdout" % many)],
                      [startup(), query("begin"), query("declare c cursor for " + many),
                       query("fetch 10 from c")]):
            for how in ("close", "half", "reset"):
                session = Wire(self.path, start=False)
                session.send(*parts)
                if parts:
                    session.more()
                if how == "half":
                    session.socket.shutdown(1)
                if how == "reset":
                    session.socket.shutdown(2)
                session.close()
        self.assert_untouched()

    def test_noise_of_all_kinds(self):
        seed = int(os.environ.get("SEED", random.randrange(2**32)))
        print("seed", seed)
        chance = random.Random(seed)
        whole = list(MESSAGES.values())
        for _ in range(400):
            session = Wire(self.path)
            noise = bytearray(b"".join(chance.choice(whole) for _ in range(chance.randrange(1, 8))))
            for _ in range(chance.randrange(0, 6)):
                noise[chance.randrange(len(noise))] = chance.randrange(256)
            try:
                session.send(bytes(noise))
                session.socket.shutdown(1)
            except OSError:
                pass
            session.until_closed()
            session.close()
        self.assert_untouched(seed)

    def test_what_a_startup_may_ask_for(self):
        """Encryption is declined, a newer protocol and its options negotiated, settings taken."""
        for request in (80877103, 80877104):
            session = Wire(self.path, start=False)
            session.send(struct.pack("!ii", 8, request))
            self.assertEqual(session.socket.recv(100), b"N")
            session.send(startup())
            self.assertEqual(wire.kinds(session.until_ready())[0], "R")
        session = Wire(self.path, start=False)
        session.send(startup(0x00030002, **{"_pq_.x": "1"}))
        answer = session.until_ready()
        self.assertEqual(answer[0], (b"v", struct.pack("!ii", 0x00030000, 1) + b"_pq_.x\0"))
        for version in (0, 0x00020000, 0x00040000):
            session = Wire(self.path, start=False)
            session.send(startup(version))
            self.assertEqual(wire.state(session.until_closed()), "0A000")
        session = Wire(self.path, start=False)
        session.send(startup(options="-c statement_timeout=7 --application_name=a\\ b", TimeZone="Asia/Tokyo"))
        session.until_ready()
        self.assertEqual(wire.rows(session.ask(query(
            "select current_setting('statement_timeout'), current_setting('application_name'), "
            "date_format('2016-07-26T00:00:00Z', 'HH')"))), [[b"7", b"a b", b"09"]])
        session = Wire(self.path, start=False)
        session.send(startup(TimeZone="Nowhere/At All", client_encoding="LATIN1"))
        self.assertIn("N", wire.kinds(session.until_ready()))
        for options in ("nonsense", "-c server_version=1", "-c statement_timeout=soon"):
            session = Wire(self.path, start=False)
            session.send(startup(options=options))
            self.assertEqual(wire.state(session.until_closed())[:2], "55" if "version" in options else "22")

    def test_a_discarded_session_is_in_the_zone_it_began_in(self):
        daemon = self.daemon("--set", "tallyd.timezone=Europe/Berlin").start()
        hour = query("select date_format('2016-07-26T00:00:00Z', 'HH')")
        zone = query("show timezone")
        for given, expected in (({}, [b"02", b"Europe/Berlin"]),
                                ({"TimeZone": "Asia/Tokyo"}, [b"09", b"Asia/Tokyo"])):
            session = Wire(os.path.join(daemon.directory, ".s.PGSQL.5432"), **given)
            for change in ("select 1", "set timezone = 'UTC'; discard all",
                           "set timezone = 'UTC'; reset timezone"):
                for part in change.split(";"):
                    session.ask(query(part))
                self.assertEqual([wire.rows(session.ask(ask))[0][0] for ask in (hour, zone)],
                                 expected, change)

    def test_numbers_that_ask_for_nothing_give_nothing(self):
        session = Wire(self.path)
        self.assertEqual(wire.state(session.ask(query("select $1"))), "42P02")
        session.ask(query("begin"))
        session.ask(query("declare c cursor for select 1 union all select 2"))
        for fetch, kinds in (("0", "TCZ"), ("1", "TDCZ"), ("0", "TCZ"), ("all", "TDCZ"), ("0", "TCZ")):
            self.assertEqual(wire.kinds(session.ask(query("fetch %s from c" % fetch))), kinds)

    def test_a_cursor_says_what_it_cannot(self):
        """As PostgreSQL does: no value for a parameter of a Query, no way back."""
        session = Wire(self.path)

        def refused(sql):
            answer = session.ask(query(sql))
            report = wire.fields(next(body for kind, body in answer if kind == b"E"))
            session.ask(query("rollback"))
            session.ask(query("begin"))
            session.ask(query("declare c cursor for select 1 union all select 2"))
            return report["C"], report["M"], report.get("P")
        session.ask(query("begin"))
        for sql, at in (("declare d cursor for select 1, $2, $1", 11), ("select 'ä', $1", 13)):
            parameter = "$2" if "$2" in sql else "$1"
            self.assertEqual(refused(sql), ("42P02", "there is no parameter " + parameter, str(at)))
        for fetch in ("backward from", "prior from", "backward 2 in", "-1 from", "last"):
            self.assertEqual(refused("fetch %s c" % fetch)[:2],
                             ("55000", "cursor can only scan forward"), fetch)
        self.assertEqual(refused("fetch absolute 1 from c")[:2],
                         ("0A000", "tallyd does not support FETCH absolute"))
        self.assertEqual(wire.rows(session.ask(query("fetch next from c"))), [[b"1"]])
        session.send(parse("declare d cursor for select $1 || 'x'"), bind([b"value"]), execute())
        self.assertIsNone(wire.state(session.ask(SYNC)))
        self.assertEqual(wire.rows(session.ask(query("fetch d"))), [[b"valuex"]])

    def test_limits_have_their_states(self):
        session = Wire(self.path)
        for n in range(1000):
            session.send(parse("select 1", "s%d" % n))
        self.assertIsNone(wire.state(session.ask(SYNC)))
        self.assertEqual(wire.state(session.ask(parse("select 1", "more"), SYNC)), "53400")
        self.assertEqual(wire.rows(session.ask(close(b"S", "s0"), bind(name="s999"), execute(), SYNC)), [[b"1"]])
        answer = session.ask(query("select '%s'" % ("x" * (1 << 20))))
        self.assertEqual(wire.state(answer), "53400")
        small = self.daemon("--set", "tallyd.max_sessions=2").start()
        path = os.path.join(small.directory, ".s.PGSQL.5432")
        first, second = Wire(path), Wire(path)
        third = Wire(path, start=False)
        try:
            third.send(startup())
        except OSError:
            pass  # it was told before it asked
        self.assertEqual(wire.state(third.until_closed()), "53300")
        self.assertEqual(wire.rows(first.ask(query("select 1"))), [[b"1"]])
        second.close()
        first.close()

    def test_a_failed_transaction_runs_no_portal_from_before(self):
        session = Wire(self.path)
        session.ask(query("begin"))
        session.send(parse("select 1", "s"), bind(portal="p", name="s"))
        session.ask(SYNC)
        self.assertEqual(wire.state(session.ask(query("nonsense"))), "42601")
        self.assertEqual(wire.state(session.ask(execute("p"), SYNC)), "25P02")
        self.assertEqual(wire.kinds(session.ask(query("rollback"))), "CZ")

    def test_a_cancel_ends_one_statement_and_not_what_is_half_done_beside_it(self):
        session = Wire(self.path)
        pid, secret = struct.unpack("!ii", session.key)
        endless = "with recursive n(i) as (select 1 union all select i+1 from n) select %s from n"
        session.ask(query("begin"))
        session.ask(query("declare c cursor for " + endless % "i"))
        self.assertEqual(wire.rows(session.ask(query("fetch 2 from c"))), [[b"1"], [b"2"]])
        session.ask(query("savepoint s"))
        session.send(query(endless % "count(*)"))
        harness.wait_until(lambda: self.d.ask(
            "select 1 from sessions where id = %d and state = 'running'" % pid), "it runs")
        other = Wire(self.path, start=False)
        other.send(struct.pack("!iiii", 16, 80877102, pid, secret))
        self.assertEqual(wire.state(session.until_ready()), "57014")
        session.ask(query("rollback to s"))
        answer = session.ask(query("fetch 100000 from c"))
        self.assertEqual(len(wire.rows(answer)), 100000, wire.state(answer))
        session.ask(query("commit"))

    def test_who_sends_and_never_reads_is_not_read_for_ever(self):
        session = Wire(self.path)
        block = query("select 1") * 5000
        session.socket.setblocking(False)
        sent = 0
        while sent < 64 << 20 and select.select([], [session.socket], [], 2)[1]:
            try:
                sent += session.socket.send(block[sent % len(block):])
            except BlockingIOError:
                pass
        self.assertLess(sent, 16 << 20)
        self.assert_untouched()
        session.socket.settimeout(harness.DEADLINE)
        for _ in range(sent // len(query("select 1"))):
            self.assertEqual(wire.rows(session.until_ready()), [[b"1"]])

    def test_a_long_message_behind_one_that_runs_is_taken_in_its_turn(self):
        session = Wire(self.path)
        slow = ("select count(*) from (with recursive n(i) as (select 1 union all select i+1 "
                "from n where i<1000000) select * from n)")
        session.send(query(slow), query("select length('%s')" % ("x" * 700000)))
        self.assertEqual(wire.rows(session.until_ready()), [[b"1000000"]])
        self.assertEqual(wire.rows(session.until_ready()), [[b"700000"]])

    def test_many_messages_in_one_write_let_others_through(self):
        flood = b"".join(query("select 1 /*%d*/" % i) for i in range(20000))

        def ask(go):
            self.neighbour.send(query("select group_concat(query) from sessions"))
            go()
            return wire.rows(self.neighbour.until_ready())[0][0].decode()

        def lets_through():
            sessions = [Wire(self.path) for _ in range(5)]
            reached = harness.reached_before(
                self.d, [(session.socket, flood) for session in sessions], ask)
            for session in sessions:
                session.close()
            # A turn is a millisecond, where the machine has nothing else to do.
            return reached < 1500
        harness.wait_until(lets_through, "a turn for the other")

    def test_a_cancel_needs_no_place_among_the_sessions(self):
        """At max_sessions it is heard all the same; whatever else comes is refused, silence too."""
        small = self.daemon("--set", "tallyd.max_sessions=2").start()
        path = os.path.join(small.directory, ".s.PGSQL.5432")
        runs, other = Wire(path), Wire(path)
        pid, secret = struct.unpack("!ii", runs.key)
        runs.send(query("with recursive n(i) as (select 1 union all select i+1 from n) "
                        "select count(*) from n"))
        running = query("select 1 from sessions where id = %d and state = 'running'" % pid)
        harness.wait_until(lambda: wire.rows(other.ask(running)) == [[b"1"]], "it runs")
        silent = Wire(path, start=False)
        late = Wire(path, start=False)
        late.send(struct.pack("!ii", 8, 80877103))
        self.assertEqual(late.socket.recv(1), b"N")
        late.send(startup())
        self.assertEqual(wire.state(late.until_closed()), "53300")
        for packet in (struct.pack("!iiii", 16, 80877102, pid, secret ^ 1),
                       struct.pack("!iiii", 17, 80877102, pid, secret)):
            late = Wire(path, start=False)
            late.send(packet)
            self.assertEqual(wire.state(late.until_closed()), "53300" if packet[3] == 17 else None)
        self.assertEqual(wire.rows(other.ask(running)), [[b"1"]])
        late = Wire(path, start=False)
        late.send(struct.pack("!ii", 8, 80877103) * 1000)
        self.assertEqual(late.socket.recv(2, socket.MSG_WAITALL), b"NN")
        self.assertEqual(wire.state(late.until_closed()), "53300")
        late = Wire(path, start=False)
        for byte in struct.pack("!iiii", 16, 80877102, pid, secret):
            late.send(bytes([byte]))
        self.assertEqual(late.until_closed(), [])
        self.assertEqual(wire.state(runs.until_ready()), "57014")
        self.assertEqual(wire.state(silent.until_closed()), "53300")
        self.assertEqual(wire.rows(runs.ask(query("select count(*) from sessions"))), [[b"2"]])

    def test_a_cancel_needs_the_right_secret(self):
        session = Wire(self.path)
        pid, secret = struct.unpack("!ii", session.key)
        session.send(query("with recursive n(i) as (select 1 union all select i+1 from n) "
                           "select count(*) from n"))
        harness.wait_until(lambda: self.d.ask(
            "select 1 from sessions where id = %d and state = 'running'" % pid), "it runs")
        for key in ((pid, secret ^ 1), (pid + 1, secret), (0, 0), (-1, secret)):
            other = Wire(self.path, start=False)
            other.send(struct.pack("!iiii", 16, 80877102, *key))
            self.assertEqual(other.until_closed(), [])
        self.assertEqual(self.d.ask("select state from sessions where id = %d" % pid), [["running"]])
        other = Wire(self.path, start=False)
        other.send(struct.pack("!iiii", 16, 80877102, pid, secret))
        self.assertEqual(other.until_closed(), [])
        self.assertEqual(wire.state(session.until_ready()), "57014")
        self.assertEqual(wire.rows(session.ask(query("select 1"))), [[b"1"]])


if __name__ == "__main__":
    harness.main()
