#!/usr/bin/env python3
"""The units as the service manager's own tools judge them, and being started by those tools."""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import harness

FAKETIME = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
UNITS = ["tallyd.service", "tallyd.socket", "tallyd-postgres.socket"]


@unittest.skipIf(shutil.which("systemd-analyze") is None, "systemd-analyze is not installed")
class Units(unittest.TestCase):

    def setUp(self):
        """The units as make makes them, with a program that is there."""
        self.directory = tempfile.mkdtemp(prefix="tallyd-units-")
        self.addCleanup(shutil.rmtree, self.directory)
        os.symlink(harness.TALLYD, os.path.join(self.directory, "tallyd"))
        for unit in UNITS:
            with open(os.path.join(harness.TREE, "systemd", unit + ".in")) as source:
                text = source.read()
            with open(os.path.join(self.directory, unit), "w") as out:
                out.write(text.replace("@sbindir@", self.directory)
                          .replace("@sysconfdir@", "/etc"))

    def analyze(self, *words):
        return subprocess.run(["systemd-analyze", "--no-pager"] + list(words), text=True,
                              cwd=self.directory, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=harness.DEADLINE)

    def test_the_units_have_no_mistakes(self):
        done = self.analyze("verify", "--man=no", *["./" + unit for unit in UNITS])
        # Other units of this machine may have mistakes of their own.
        ours = [line for line in done.stdout.splitlines() if "tallyd" in line]
        self.assertEqual(ours, [])

    def test_the_exposure_is_at_most_one(self):
        done = self.analyze("security", "--offline=true", "--threshold=10", "./tallyd.service")
        found = re.search(r"Overall exposure level for tallyd.service: ([0-9.]+)", done.stdout)
        if found is None:
            self.skipTest("this systemd-analyze judges no unit files: " + done.stdout[:200])
        self.assertLessEqual(float(found.group(1)), 1.0, done.stdout)


class Started(harness.Case):

    @unittest.skipIf(shutil.which("systemd-socket-activate") is None,
                     "systemd-socket-activate is not installed")
    def test_it_is_started_by_its_first_client(self):
        daemon = self.daemon()
        postgres = os.path.join(daemon.directory, ".s.PGSQL.5432")
        daemon.write("a", '{"time":1469501107,"action":"Open"}\n')
        with open(daemon.log_path, "a") as log:
            daemon.process = subprocess.Popen(
                ["systemd-socket-activate", "--listen=" + daemon.socket, "--listen=" + postgres,
                 "--fdname=sql:pg"] + daemon.command(), stderr=log)
        harness.wait_until(lambda: os.path.exists(postgres), "the sockets are there")
        client = harness.wait_until(lambda: self.client(daemon), "a connection")
        client.send("select process_all_available();\nselect sum(count) from counts;\n.quit\n")
        self.assertEqual(client.all().split()[-1], b"1")
        # The other protocol is on the other socket: its answer to a question for TLS is N.
        other = harness.Client(postgres)
        other.send(b"\0\0\0\x08\x04\xd2\x16\x2f")
        self.assertEqual(other.socket.recv(1), b"N")
        other.close()
        self.assertEqual(daemon.stop(), 0)
        self.assertTrue(os.path.exists(daemon.socket))

    @unittest.skipIf(shutil.which("systemd-socket-activate") is None,
                     "systemd-socket-activate is not installed")
    def test_it_says_where_the_service_manager_has_its_socket(self):
        daemon = self.daemon()
        elsewhere = os.path.join(daemon.directory, "elsewhere")
        with open(daemon.log_path, "a") as log:
            daemon.process = subprocess.Popen(
                ["systemd-socket-activate", "--listen=" + elsewhere, "--fdname=sql"] +
                daemon.command(), stderr=log)
        harness.wait_until(lambda: os.path.exists(elsewhere), "the socket is there")
        configured, daemon.socket = daemon.socket, elsewhere
        client = harness.wait_until(lambda: self.client(daemon), "a connection")
        client.send("select 1;\n.quit\n")
        self.assertEqual(client.all(), b"1\n")
        self.assertEqual(daemon.stop(), 0)
        daemon.wait_logged("info: serving %s\n" % elsewhere)
        daemon.wait_logged("warning: socket = %s is not used: the service manager holds %s\n"
                           % (configured, elsewhere))

    def client(self, daemon):
        try:
            return daemon.client()
        except ConnectionRefusedError:
            return None

    def test_ready_is_said_when_the_state_is_loaded_and_the_socket_answers(self):
        daemon = self.daemon().start()
        daemon.write("a", '{"time":1469501107,"action":"Open"}\n')
        daemon.process_all()
        self.assertEqual(daemon.stop(), 0)
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.settimeout(harness.DEADLINE)
        path = os.path.join(daemon.directory, "notify")
        receiver.bind(path)
        with open(daemon.log_path, "a") as log:
            daemon.process = subprocess.Popen(daemon.command(), stderr=log,
                                              env=dict(daemon.env, NOTIFY_SOCKET=path))
        while "READY=1" not in receiver.recv(4096).decode():
            pass
        # No second try: a dependent unit starts at this moment.
        self.assertEqual(daemon.totals(), {"Open": 1})

    @unittest.skipIf(not FAKETIME or harness.SANITIZED, "libfaketime is not installed, or a sanitizer")
    def test_as_long_as_the_state_loads_it_asks_for_more_time(self):
        daemon = self.daemon()
        daemon.write("a", "".join('{"time":1469501107,"action":"%x"}\n' % n for n in range(200000)))
        daemon.start()
        daemon.process_all()
        self.assertEqual(daemon.stop(), 0)
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.settimeout(harness.DEADLINE)
        path = os.path.join(daemon.directory, "notify")
        receiver.bind(path)
        # A second is a quarter of an hour here, and five seconds lie between two messages.
        daemon.env.update(NOTIFY_SOCKET=path, LD_PRELOAD=FAKETIME[0], FAKETIME="+0 x900")
        with open(daemon.log_path, "a") as log:
            daemon.process = subprocess.Popen(daemon.command(), stderr=log, env=daemon.env)
        said = []
        while not said or "READY=1" not in said[-1]:
            said.append(receiver.recv(4096).decode())
        asked = [text for text in said if "EXTEND_TIMEOUT_USEC=30000000" in text]
        self.assertGreaterEqual(len(asked), 3, said)
        self.assertIn("STATUS=loading the checkpoint", asked[-1])
        # Nothing of it comes after READY: it would move the limit of a later stop.
        daemon.process.send_signal(signal.SIGTERM)
        while "STOPPING=1" not in said[-1]:
            said.append(receiver.recv(4096).decode())
        last = max(number for number, text in enumerate(said) if "EXTEND_TIMEOUT" in text)
        self.assertLess(last, next(number for number, text in enumerate(said) if "READY=1" in text))
        self.assertEqual(daemon.process.wait(harness.DEADLINE), 0)

    def test_sockets_among_the_events_are_no_events(self):
        daemon = self.daemon()
        page = os.path.join(daemon.events, "http")
        daemon.socket = os.path.join(daemon.events, "sock")
        daemon.options += ["--set", "http.listen=" + page]
        daemon.start()
        self.assertTrue(os.path.exists(os.path.join(daemon.events, ".s.PGSQL.5432")))
        daemon.write("a", '{"time":1469501107,"action":"Open"}\n')
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 1})
        self.assertEqual(daemon.ask("select path, state from files"), [["a", "done"]])
        self.assertEqual(daemon.ask("select count(*) from rejects"), [[0]])
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(os.listdir(daemon.events), ["a"])


if __name__ == "__main__":
    harness.main()
