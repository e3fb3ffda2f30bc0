#!/usr/bin/env python3
"""Bad input and bad surroundings: each ends in a sentence or a reject, never in a wrong count."""

import gzip
import os
import shutil
import signal
import socket
import subprocess
import time

import harness

EVENT = '{"time":1469501107,"action":"Open"}'


class BadInput(harness.Case):

    def reasons(self, daemon):
        return daemon.ask("select reason, count from reject_totals where count > 0 order by 1")

    def test_garbage_costs_its_line_alone(self):
        daemon = self.daemon().start()
        daemon.write("a.json", EVENT + "\nnonsense\n" + EVENT + "\n" + EVENT[:20] + "\n" + EVENT)
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 3})
        self.assertEqual(self.reasons(daemon), [["bad_json", 2]])
        self.assertEqual(daemon.ask("select file, line, reason, text from rejects order by line"), [
            ["a.json", 2, "bad_json", "nonsense"], ["a.json", 4, "bad_json", EVENT[:20]]])

    def test_places_in_a_compressed_file_are_those_of_its_text_wherever_reading_began(self):
        line = (EVENT + "\n").encode()
        parts = [line * 3 + b"bad one\n", line * 2 + b"bad two\n" + line, line + b"bad three\n"]
        daemon = self.daemon().start()
        for part in parts:
            # Each is read from its own member on, and by another daemon.
            daemon.append("grown", gzip.compress(part))
            daemon.process_all()
            self.assertEqual(daemon.stop(), 0)
            daemon.start()
        daemon.write("plain", b"".join(parts))
        daemon.process_all()
        places = [daemon.ask("select line, offset, text from rejects where file = ?1 order by line",
                             [file]) for file in ("grown", "plain")]
        self.assertEqual(places[0], places[1])
        self.assertEqual([row[0] for row in places[0]], [4, 7, 10])

    def test_two_objects_on_a_line_are_two_events(self):
        daemon = self.daemon().start()
        daemon.write("a", '{"time":1,"action":"a"}{"time":2,"action":"a"}')
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"a": 2})

    def test_empty_files_and_blank_lines_are_nothing(self):
        daemon = self.daemon().start()
        daemon.write("empty", "")
        daemon.write("blank", "\n\n  \n\r\n")
        daemon.write("bom", b"\xef\xbb\xbf" + EVENT.encode())
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 1})
        self.assertEqual(self.reasons(daemon), [])
        self.assertEqual(daemon.ask("select path, state from files order by path"),
                         [["blank", "done"], ["bom", "done"], ["empty", "done"]])

    def test_what_is_no_regular_file_is_passed_by(self):
        daemon = self.daemon().start()
        os.mkfifo(os.path.join(daemon.events, "fifo"))
        os.mkdir(os.path.join(daemon.events, "directory"))
        os.symlink("/dev/zero", os.path.join(daemon.events, "link"))
        os.symlink("loop", os.path.join(daemon.events, "loop"))
        daemon.write("good", EVENT)
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 1})

    def test_names_with_control_characters_stay_on_one_log_line(self):
        daemon = self.daemon("-v").start()
        daemon.write("a\n<3>forged\x1b[31m", EVENT)
        daemon.process_all()
        self.assertEqual(daemon.totals(), {"Open": 1})
        os.unlink(os.path.join(daemon.events, "a\n<3>forged\x1b[31m"))
        daemon.process_all()
        daemon.stop()
        self.assertNotIn("\n<3>", daemon.log())
        self.assertNotIn("\x1b", daemon.log())

    def test_an_unreadable_file_is_told_and_read_when_it_can_be(self):
        if os.geteuid() == 0:
            self.skipTest("root reads everything")
        daemon = self.daemon().start()
        path = daemon.write("a", EVENT)
        os.chmod(path, 0)
        daemon.write("b", EVENT)
        daemon.process_all()
        self.assertEqual(daemon.ask("select state from files where path='a'"), [["error"]])
        os.chmod(path, 0o644)
        harness.wait_until(lambda: daemon.totals() == {"Open": 2}, "the file is read")


class Directory(harness.Case):

    def test_a_missing_directory_is_refused_at_the_start(self):
        daemon = self.daemon()
        os.rmdir(daemon.events)
        for more in ([], ["--available-now"], ["--check-config"]):
            done = daemon.run(*more)
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertIn("events.path: %s: No such file or directory" % daemon.events, done.stderr)
        self.assertFalse(os.path.exists(daemon.socket))

    def test_a_directory_that_vanishes_is_told_and_counted_on_when_it_is_back(self):
        daemon = self.daemon("--set", "events.poll_interval=50 milliseconds").start()
        daemon.write("a", EVENT)
        daemon.process_all()
        gone = daemon.events + ".gone"
        os.rename(daemon.events, gone)
        harness.wait_until(
            lambda: daemon.events in daemon.ask("select message from queries")[0][0],
            "queries.message names the directory")
        self.assertEqual(daemon.totals(), {"Open": 1})
        os.rename(gone, daemon.events)
        daemon.write("b", EVENT + "\n" + EVENT)
        harness.wait_until(lambda: daemon.totals() == {"Open": 3}, "the new file is counted")
        shutil.rmtree(daemon.events)
        os.mkdir(daemon.events)
        # Not the bytes of a file that was there: with its inode this would be that file, grown.
        daemon.write("c", EVENT.replace("1469", "1479") + "\n\n" + EVENT)
        harness.wait_until(lambda: daemon.totals() == {"Open": 5}, "another directory is watched")
        self.assertNotIn("gone", daemon.ask("select message from queries")[0][0])

    def test_a_state_directory_among_the_events_is_refused(self):
        daemon = self.daemon("--state-dir", "")
        daemon.options[1] = os.path.join(daemon.events, "state")
        done = daemon.run()
        self.assertEqual(done.returncode, 78)
        self.assertIn("tallyd.state_dir: ", done.stderr)


    def test_a_state_directory_that_everybody_may_write_is_refused(self):
        daemon = self.daemon()
        os.mkdir(daemon.state)
        os.chmod(daemon.state, 0o777)
        for more in ([], ["--available-now"], ["--check-config"]):
            done = daemon.run(*more)
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertIn("tallyd.state_dir: %s is writable by everybody (mode 0777)" % daemon.state,
                          done.stderr)
        os.chmod(daemon.state, 0o770)
        self.assertEqual(daemon.run("--available-now").returncode, 0)


class Sockets(harness.Case):

    def test_a_second_daemon_is_refused_and_told_who_holds_the_socket(self):
        daemon = self.daemon().start()
        other = self.daemon()
        other.socket = daemon.socket
        done = other.run()
        self.assertEqual(done.returncode, 1)
        self.assertIn("in use by the process with pid %d" % daemon.process.pid, done.stderr)
        self.assertTrue(daemon.answers())

    def test_a_second_daemon_is_refused_and_told_who_holds_the_state(self):
        daemon = self.daemon().start()
        if not os.listdir(daemon.state):
            self.skipTest("this build keeps no checkpoint")
        other = self.daemon()
        other.state = daemon.state
        done = other.run()
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(str(daemon.process.pid), done.stderr)
        self.assertTrue(daemon.answers())

    def test_a_stale_socket_is_taken_over(self):
        daemon = self.daemon().start()
        daemon.stop(signal.SIGKILL)
        self.assertTrue(os.path.exists(daemon.socket))
        daemon.start()
        self.assertEqual(daemon.stop(), 0)
        self.assertFalse(os.path.exists(daemon.socket))

    def test_a_file_in_the_sockets_place_is_left_alone(self):
        daemon = self.daemon()
        with open(daemon.socket, "w") as out:
            out.write("precious")
        done = daemon.run()
        self.assertEqual(done.returncode, 78)
        self.assertIn("something else than a socket", done.stderr)
        with open(daemon.socket) as file:
            self.assertEqual(file.read(), "precious")

    def test_a_successors_socket_is_not_removed(self):
        daemon = self.daemon().start()
        os.unlink(daemon.socket)
        successor = socket.socket(socket.AF_UNIX)
        successor.bind(daemon.socket)
        self.assertEqual(daemon.stop(), 0)
        self.assertTrue(os.path.exists(daemon.socket))
        successor.close()

    def test_path_of_108_bytes_and_a_missing_directory_are_refused(self):
        daemon = self.daemon()
        daemon.socket = "/tmp/" + "s" * 103
        self.assertEqual(daemon.run().returncode, 78)
        daemon.socket = os.path.join(daemon.directory, "missing", "sock")
        done = daemon.run()
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertRegex(done.stderr, r"missing, the directory of the socket, must be there and open to uid \d+: No such file")

    def test_mode_of_the_socket_is_as_configured(self):
        daemon = self.daemon("--set", "tallyd.socket_mode=0600").start()
        self.assertEqual(os.stat(daemon.socket).st_mode & 0o777, 0o600)

    def test_one_of_two_that_start_at_once_serves(self):
        first, second = self.daemon(), self.daemon()
        second.socket = first.socket
        with open(first.log_path, "w") as log, open(second.log_path, "w") as other_log:
            first.process = subprocess.Popen(first.command(), stderr=log)
            second.process = subprocess.Popen(second.command(), stderr=other_log)
        harness.wait_until(lambda: first.process.poll() is not None or
                           second.process.poll() is not None, "one of them gives up")
        loser, winner = (first, second) if first.process.poll() is not None else (second, first)
        self.assertEqual(loser.process.returncode, 1, loser.log())
        loser.wait_logged("in use by the process with pid %d" % winner.process.pid)
        harness.wait_until(winner.answers, "the other one serves")


if __name__ == "__main__":
    harness.main()
