#!/usr/bin/env python3
"""Clients that are too many, too slow, too fast or hostile: that session only."""

import os
import re
import socket
import struct
import threading
import time

import harness
from harness import TOTALS

ONE = '{"time":1469501107,"action":"Open"}\n'
ENDLESS_ROWS = "with recursive n(i) as (select 1 union all select i+1 from n) select i, hex(zeroblob(500)) from n;\n"
ENDLESS = ("with recursive n(i) as (select 1 union all select i+1 from n) "
           "select count(*) from n where i < 0;\n")


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as status:
        return int(re.search(r"^VmRSS:\s+(\d+)", status.read(), re.M).group(1))


def n_fds(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


class Overload(harness.Case):

    def start(self, *options):
        daemon = self.daemon(*options).start()
        daemon.write("a", ONE)
        daemon.process_all()
        harness.wait_until(lambda: daemon.ask("select count(*) from sessions") == [[1]],
                           "the sessions so far are gone")
        return daemon

    def assertGrewLess(self, pid, before_kb, kb):
        # A sanitizer's quarantine grows with what was freed.
        if not os.environ.get("TALLYD_UNDER") and not harness.SANITIZED:
            self.assertLess(rss_kb(pid) - before_kb, kb)

    def assertServes(self, daemon):
        """At once, but for a moment in which the machine has something else to do."""
        def at_once():
            started = time.monotonic()
            self.assertEqual(daemon.totals(), {"Open": 1})
            return time.monotonic() - started < 1
        harness.wait_until(at_once, "an answer at once")

    def test_one_session_too_many_gets_a_line_and_is_closed(self):
        daemon = self.start("--set", "tallyd.max_sessions=5")
        clients = []

        def one_more():
            # The connections from before may still be on their way out.
            client = daemon.client()
            client.try_send("select 1;\n")
            if client.line() == "1":
                clients.append(client)
            return len(clients) == 5
        harness.wait_until(one_more, "five sessions")
        self.assertEqual(daemon.client().all(),
                         b"Error: too many sessions: there may be 5 (max_sessions)\n")
        clients.pop().close()
        harness.wait_until(daemon.answers, "there is room again")

    def test_connections_by_http_leave_room_for_the_sockets(self):
        port = harness.free_port()
        daemon = self.start("--set", "tallyd.max_sessions=8",
                            "--set", "http.listen=127.0.0.1:%d" % port)
        held, clients = [], []

        def answer():
            peer = socket.create_connection(("127.0.0.1", port), timeout=harness.DEADLINE)
            self.addCleanup(peer.close)
            text = b""
            try:
                peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                while not text.partition(b"\r\n\r\n")[2].endswith(b"\n"):
                    piece = peer.recv(65536)
                    if not piece:
                        break
                    text += piece
            except ConnectionError:
                pass  # who is refused may not have been heard
            if b" 200 " in text:
                held.append(peer)
            return text

        def one_more():
            # The connections from before may still be on their way out.
            client = daemon.client()
            client.try_send("select 1;\n")
            if client.line() == "1":
                clients.append(client)
            return len(clients) == 2
        harness.wait_until(lambda: b"\ntoo many sessions: there may be 8, 6 by http (max_sessions)\n"
                           in answer(), "one is refused")
        self.assertEqual(len(held), 6)
        harness.wait_until(one_more, "the sockets have two places")
        held.pop().close()
        clients.pop().close()
        harness.wait_until(lambda: b" 200 " in answer(), "there is room again")

    def test_idle_sessions_are_small(self):
        daemon = self.start("--set", "tallyd.max_sessions=2000")
        pid = daemon.process.pid
        clients = []
        for _ in range(100):
            clients.append(daemon.client())
            clients[-1].send(TOTALS + ";\n")
            self.assertEqual(clients[-1].line(), "Open|1")
        before = rss_kb(pid)
        for _ in range(900):
            clients.append(daemon.client())
            clients[-1].send(TOTALS + ";\n")
            self.assertEqual(clients[-1].line(), "Open|1")
        print("an idle session: %.1f kB" % ((rss_kb(pid) - before) / 900))
        self.assertGrewLess(pid, before, 900 * 40)
        for client in clients:
            client.close()
        harness.wait_until(lambda: daemon.ask("select count(*) from sessions") == [[1]],
                           "all of them are gone")

    def test_a_reader_that_does_not_read_costs_a_page_and_holds_nobody_up(self):
        daemon = self.start()
        pid = daemon.process.pid
        before = rss_kb(pid)
        readers = [daemon.client() for _ in range(20)]
        for reader in readers:
            reader.send(ENDLESS_ROWS)
            reader.line()
        for _ in range(20):
            self.assertServes(daemon)
        self.assertGrewLess(pid, before, 20 * 1024)
        readers[0].send("select 'never';\n")
        for _ in range(100):
            self.assertTrue(readers[0].line())
        for reader in readers:
            reader.close()
        harness.wait_until(lambda: daemon.ask("select count(*) from sessions") == [[1]],
                           "all of them are gone")

    def test_clients_of_a_byte_at_a_time_get_their_answers_and_hold_nobody_up(self):
        daemon = self.start()
        slow = [daemon.client() for _ in range(100)]
        # Some of them read a byte at a time, too, from an answer without end.
        readers = slow[:20]
        for reader in readers:
            reader.send(ENDLESS_ROWS)
        question = "select 'gr\u00f6\u00dfer', 1;\nselect 2;\n".encode()
        for i in range(len(question)):
            for client in slow[20:]:
                client.send(question[i:i + 1])
            for reader in readers:
                self.assertEqual(len(reader.socket.recv(1)), 1)
            if i % 10 == 0:
                self.assertServes(daemon)
        for client in slow[20:]:
            self.assertEqual(client.line(), "gr\u00f6\u00dfer|1")
            self.assertEqual(client.line(), "2")
        for client in slow:
            client.close()

    def test_nuls_and_bytes_that_are_no_utf8_are_refused_by_a_sentence(self):
        daemon = self.start()
        client = daemon.client()
        for data, words in ((b"select 'a\0b';\n", "a NUL byte"), (b"select '\xff';\n", "not valid UTF-8"),
                            (b"\0;\n", "a NUL byte"), (b"select '\xc3';\n", "not valid UTF-8"),
                            (b'{"id":1,"sql":"select 1\xff"}\n', "not valid JSON"), (b'{"id":1,\0"sql":"select 1"}\n', "")):
            client.send(data)
            answer = client.line()
            self.assertIn("rror", answer)
            self.assertIn(words, answer)
        client.send("select 3;\n")
        self.assertEqual(client.line(), "3")
        self.assertServes(daemon)

    def test_a_flood_of_connections_leaves_nothing_behind(self):
        daemon = self.start()
        pid = daemon.process.pid
        n_before = n_fds(pid)

        def connected():
            try:
                return daemon.client()
            except BlockingIOError:  # the kernel's queue of connections is full
                return None
        for i in range(3000):
            client = harness.wait_until(connected, "a connection")
            if i % 3 == 0:
                client.try_send(ENDLESS_ROWS)
            if i % 3 == 1:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        harness.wait_until(daemon.answers, "there is room again")
        harness.wait_until(lambda: daemon.ask("select count(*) from sessions") == [[1]], "all are gone")
        harness.wait_until(lambda: n_fds(pid) <= n_before, "descriptors are closed")
        daemon.write("b", ONE)
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 2})

    def test_a_stuck_reader_is_dropped_after_a_time(self):
        daemon = self.start("--set", "tallyd.idle_transaction_timeout=1 second")
        reader = daemon.client()
        reader.send(ENDLESS_ROWS)
        harness.wait_until(lambda: "took nothing for 1 seconds" in daemon.log(), "it is dropped")
        self.assertServes(daemon)

    def test_a_client_that_goes_takes_its_statement_with_it(self):
        daemon = self.start()
        running = "select count(*) from sessions where state='running' and protocol='text'"
        for how in ("close", "reset", "half"):
            client = daemon.client()
            client.send(ENDLESS)
            harness.wait_until(lambda: daemon.ask(running) == [[1]], "it runs")
            if how == "reset":
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if how == "half":
                client.done()
            started = time.monotonic()
            client.close()
            harness.wait_until(lambda: daemon.ask(running) == [[0]], "it is cancelled")
            # Its own timeout is thirty seconds.
            self.assertLess(time.monotonic() - started, 15)

    def test_a_line_without_end_is_refused_in_flat_memory(self):
        daemon = self.start()
        pid = daemon.process.pid
        before = rss_kb(pid)
        for first in (b"x", b"{", b".", b"'"):
            client = daemon.client()
            block = first * 65536
            for _ in range(1024):
                client.try_send(block) # what is too much is read and forgotten for a while
            answer = client.line()
            self.assertIn("goodbye", answer)
            self.assertEqual(answer.startswith('{"id":null,"error":'), first == b"{", answer)
            self.assertGrewLess(pid, before, 8 * 1024)
        self.assertServes(daemon)

    def test_noise_ends_nothing_but_its_session(self):
        daemon = self.start()
        n_before = n_fds(daemon.process.pid)
        for seed in range(8):
            client = daemon.client()
            noise = os.urandom(200000)

            def write():
                try:
                    client.send(noise)
                    client.done()
                except OSError:
                    pass
            writer = threading.Thread(target=write)
            writer.start()
            try:
                client.all()
            except ConnectionResetError:
                pass
            writer.join()
            client.close()
        self.assertServes(daemon)
        harness.wait_until(lambda: n_fds(daemon.process.pid) <= n_before, "descriptors are closed")

    def test_many_statements_in_one_write_let_others_through(self):
        daemon = self.start()
        client = daemon.client()
        writer = threading.Thread(target=client.send, args=("select 1;\n" * 300000,))
        writer.start()
        for _ in range(20):
            self.assertServes(daemon)
        n = 0
        while n < 300000:
            self.assertEqual(client.line(), "1")
            n += 1
        writer.join()

    def test_runaway_statements_do_not_starve_short_ones(self):
        daemon = self.start()
        runaways = [daemon.client() for _ in range(20)]
        for client in runaways:
            client.send(ENDLESS)
        for n in 5000, 5000, 200000:
            self.assertServes(daemon)
            # The last one takes its turns with the runaways, which have 30 seconds each.
            self.assertEqual(daemon.ask("select count(*) from (with recursive n(i) as (select 1 union all "
                                        "select i+1 from n where i<%d) select * from n)" % n), [[n]])
        for client in runaways:
            client.close()

    def test_an_idle_transaction_is_ended(self):
        daemon = self.start("--set", "tallyd.idle_transaction_timeout=300 milliseconds")
        client = daemon.client()
        client.send("begin;\n" + TOTALS + ";\n")
        self.assertEqual(client.line(), "Open|1")
        harness.wait_until(lambda: daemon.ask("select count(*) from sessions where state="
                                              "'idle in transaction'") == [[0]], "it is ended")
        daemon.write("b", ONE)
        daemon.process_all()
        client.send(TOTALS + ";\n")
        self.assertIn("Error: the transaction was rolled back", client.line())
        client.send(TOTALS + ";\n")
        self.assertEqual(client.line(), "Open|2")
        frames = daemon.frames()
        # Together: it has a third of a second for its next statement.
        frames.send('{"id":1,"sql":"begin"}\n{"id":2,"sql":"select 1"}\n')
        self.assertEqual([frames.answer()[0] for _ in range(2)], [[], [[1]]])
        harness.wait_until(lambda: daemon.ask("select count(*) from sessions where state="
                                              "'idle in transaction'") == [[0]], "it is ended")
        frames.request("commit")
        self.assertIn("rolled back", frames.answer()[1]["error"]["message"])
        self.assertEqual(frames.ask("select 2"), [[2]])

    def test_a_statement_past_query_timeout_is_ended(self):
        daemon = self.start("--set", "tallyd.query_timeout=600 milliseconds")
        self.assertRegex(daemon.text(ENDLESS), "^Error: the statement took longer than its timeout of 0.6 seconds")
        self.assertServes(daemon)

    def test_few_descriptors_make_few_sessions_and_no_harm(self):
        daemon = self.daemon()
        daemon.under = ["prlimit", "--nofile=64:64"]
        daemon.start()
        daemon.write("a", ONE)
        daemon.process_all()
        daemon.wait_logged("the limit of open files allows")
        clients = []
        for _ in range(100):
            clients.append(daemon.client())
        answers = []
        for client in clients:
            client.try_send("select 1;\n")
            answers.append(client.line())
        self.assertIn("1", answers)
        self.assertTrue(any("too many sessions" in (answer or "") for answer in answers))
        for client in clients:
            client.close()
        harness.wait_until(daemon.answers, "there is room again")
        daemon.write("b", ONE)
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 2})


if __name__ == "__main__":
    harness.main()
