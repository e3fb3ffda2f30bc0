#!/usr/bin/env python3
"""Restarts under load, with the listening sockets held by somebody else, as a service manager
does: a client that asks on a new connection a hundred times a second notices nothing.
"""

import os
import selectors
import socket
import sys
import threading
import time

import harness

POLL_SECONDS = 0.01
READY = b"Z\0\0\0\x05"
QUESTION = "select ifnull(sum(count), 0) from counts"


class Poll:
    """One question on a connection of its own. `answer` is a number when it was answered."""

    def __init__(self, path, protocol):
        self.protocol = protocol
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.data = b""
        if protocol == "text":
            self.socket.sendall((QUESTION + ";\n").encode())
            self.socket.shutdown(socket.SHUT_WR)
        elif protocol == "frames":
            self.socket.sendall(('{"id":1,"sql":"%s"}\n' % QUESTION).encode())
        else:
            # At once: who makes a pause before he asks is at rest for a daemon that ends.
            startup, query = b"\0\x03\0\0user\0tally\0\0", QUESTION.encode() + b"\0"
            self.socket.sendall((4 + len(startup)).to_bytes(4, "big") + startup +
                                b"Q" + (4 + len(query)).to_bytes(4, "big") + query)

    def read(self):
        """True when all is there, or the daemon has closed."""
        try:
            piece = self.socket.recv(65536)
            self.data += piece
        except (ConnectionResetError, BrokenPipeError):
            return True
        is_whole = {"text": False, "frames": b'"ok":true' in self.data,
                    "pg": self.data.count(READY) == 2}[self.protocol]
        return is_whole or not piece

    def answer(self):
        """The number, or None."""
        self.socket.close()
        if self.protocol == "text":
            return int(self.data) if self.data[:-1].isdigit() else None
        if self.protocol == "frames":
            head, found, rest = self.data.partition(b'"rows":[[')
            return int(rest.split(b"]")[0]) if found and b'"ok":true' in rest else None
        answer = self.data.partition(READY)[2]
        at = answer.find(b"D\0\0\0")
        if at < 0 or b"C\0\0\0" not in answer:
            return None
        length = int.from_bytes(answer[at + 7:at + 11], "big")
        return int(answer[at + 11:at + 11 + length])


class Poller(threading.Thread):
    """Begins a poll at every multiple of POLL_SECONDS, whether or not the last one is done."""

    def __init__(self, paths):
        super().__init__()
        self.paths, self.is_over = paths, False
        self.n_begun, self.n_answered, self.failures = 0, 0, []
        self.highest_seen, self.went_back = 0, []

    def begin(self, selector):
        protocol = ("text", "frames", "pg")[self.n_begun % 3]
        self.n_begun += 1
        try:
            poll = Poll(self.paths["pg" if protocol == "pg" else "sql"], protocol)
        except OSError as error:
            self.failures.append((protocol, str(error)))
            return
        poll.at_least = self.highest_seen
        selector.register(poll.socket, selectors.EVENT_READ, poll)

    def end(self, selector, poll):
        selector.unregister(poll.socket)
        data, answer = poll.data, poll.answer()
        if answer is None:
            self.failures.append((poll.protocol, data[-200:]))
            return
        self.n_answered += 1
        # What was visible once is never taken back, not by a restart either.
        if answer < poll.at_least:
            self.went_back.append((poll.at_least, answer))
        self.highest_seen = max(self.highest_seen, answer)

    def run(self):
        selector = selectors.DefaultSelector()
        next_at = time.monotonic()
        give_up_at = None
        while not self.is_over or selector.get_map():
            now = time.monotonic()
            if self.is_over and give_up_at is None:
                give_up_at = now + harness.DEADLINE
            if give_up_at is not None and now > give_up_at:
                self.failures.append(("all", "%d polls hang" % len(selector.get_map())))
                return
            if now >= next_at and not self.is_over:
                self.begin(selector)
                next_at = max(next_at + POLL_SECONDS, now - 1)
            for key, _ in selector.select(0 if self.is_over else max(0, next_at - now)):
                if key.data.read():
                    self.end(selector, key.data)


class Restart(harness.Case):

    N_RESTARTS, N_FILES, N_LINES = 8, 4, 500

    def listener(self, path):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(4096)
        self.addCleanup(listener.close)
        return listener

    def test_a_client_that_polls_a_hundred_times_a_second_notices_no_restart(self):
        daemon = self.daemon("--set", "events.max_files_per_trigger=3")
        postgres = os.path.join(daemon.directory, ".s.PGSQL.5432")
        listeners = {"sql": self.listener(daemon.socket), "pg": self.listener(postgres)}
        poller = Poller({"sql": daemon.socket, "pg": postgres})
        daemon.activate(listeners)
        poller.start()
        texts = harness.made_stream(5, self.N_RESTARTS * self.N_FILES * 2, self.N_LINES)
        try:
            for number in range(self.N_RESTARTS):
                for _ in range(2):
                    # Once while it runs, once while nobody is there.
                    for _ in range(self.N_FILES):
                        daemon.write("f%04d" % len(os.listdir(daemon.events)),
                                     texts[len(os.listdir(daemon.events))])
                    if daemon.process is not None:
                        before = poller.n_answered
                        harness.wait_until(lambda: poller.n_answered > before + 20 or
                                           not poller.is_alive(), "it is asked")
                        self.assertEqual(daemon.stop(), 0)
                daemon.activate(listeners)
            daemon.process_all()
        finally:
            poller.is_over = True
            poller.join()
        self.assertEqual(poller.failures, [])
        self.assertEqual(poller.went_back, [])
        self.assertEqual(poller.n_answered, poller.n_begun)
        self.assertEqual(harness.counts_of(daemon), harness.recount(texts))
        sys.stderr.write("%d polls over %d restarts " % (poller.n_answered, self.N_RESTARTS))


if __name__ == "__main__":
    if "--long" in sys.argv:
        sys.argv.remove("--long")
        Restart.N_RESTARTS = 100
    harness.main()
