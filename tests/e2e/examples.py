#!/usr/bin/env python3
"""Each example does what it says: run as it stands, against a daemon of the test."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import unittest

import harness

EXAMPLES = os.path.join(harness.TREE, "examples")
TALLY = os.path.join(os.path.dirname(harness.TALLYD), "tally")


def text_of(name):
    with open(os.path.join(EXAMPLES, name)) as text:
        return text.read()


class Examples(harness.Case):

    def serving(self):
        daemon = self.daemon().start()
        daemon.write("a", '{"time":1469501107,"action":"Open"}\n' * 3)
        daemon.process_all()
        return daemon

    def run_here(self, *words, **options):
        return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=harness.DEADLINE, **options)

    def test_the_script_with_the_standard_library_asks(self):
        daemon = self.serving()
        script = [sys.executable, "-I", os.path.join(EXAMPLES, "ask.py"), daemon.socket]
        done = self.run_here(*script, harness.TOTALS)
        self.assertEqual((done.stdout, done.returncode), ("Open\t3\n", 0), done.stderr)
        done = self.run_here(*script, "select count from counts where action = ?", "Open")
        self.assertEqual(done.stdout, "3\n")
        done = self.run_here(*script, "selec")
        self.assertEqual(done.returncode, 1)
        self.assertIn("syntax error", done.stderr)

    def test_the_commands_for_nagios_speak_its_conventions(self):
        daemon = self.serving()
        lines = re.findall(r"(?m)^\s*command_line\s+(.*)$", text_of("nagios.cfg"))
        self.assertEqual(len(lines), 2)
        arguments = ({"$ARG1$": "1 hour"},
                     {"$ARG1$": "@1:2", "$ARG2$": "10", "$ARG3$": "select sum(count) from counts"})
        for line, given, status in zip(lines, arguments, (2, 0)):
            for name, value in given.items():
                line = line.replace(name, value)
            words = shlex.split(line.replace("/usr/bin/tally", TALLY)
                                .replace("/run/tallyd/tallyd.sock", daemon.socket))
            done = self.run_here(*words)
            # The newest event is years old: a lag of an hour is critical.
            self.assertEqual(done.returncode, status, done)
            self.assertRegex(done.stdout, r"^TALLY (OK|CRITICAL) - .*\|.*=")

    def test_the_service_of_the_timer_writes_metrics(self):
        daemon = self.serving()
        line = re.search(r"(?m)^ExecStart=(.*)$", text_of("tally-prometheus.service")).group(1)
        out = os.path.join(daemon.directory, "tallyd.prom")
        words = shlex.split(line.replace("/usr/bin/tally", TALLY))
        words[words.index("-o") + 1] = out
        done = self.run_here(*words, env=dict(os.environ, TALLY_SOCKET=daemon.socket))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(out) as text:
            self.assertIn('tallyd_events_total{query="counts",source="events"} 3\n', text.read())

    @unittest.skipIf(shutil.which("systemd-analyze") is None, "systemd-analyze is not installed")
    def test_the_timer_has_no_mistakes(self):
        units = ["tally-prometheus.service", "tally-prometheus.timer"]
        directory = self.daemon().directory
        for unit in units:
            with open(os.path.join(directory, unit), "w") as out:
                out.write(text_of(unit).replace("/usr/bin/tally", TALLY))
        done = self.run_here("systemd-analyze", "verify", "--man=no",
                             *[os.path.join(directory, unit) for unit in units])
        self.assertEqual([line for line in done.stderr.splitlines() if "tally-" in line], [])

    def test_the_dashboard_asks_what_the_daemon_answers(self):
        daemon = self.serving()
        dashboard = json.loads(text_of("../docs/grafana-dashboard.json"))
        statements = re.findall(r'"rawSql": ("(?:[^"\\]|\\.)*")', text_of("../docs/grafana-dashboard.json"))
        self.assertGreater(len(statements), 1)
        self.assertGreater(len(dashboard["panels"]), 1)
        for statement in statements:
            sql = json.loads(statement)
            sql = re.sub(r"\$__timeFilter\(([^)]*)\)",
                         r"\1 between '2016-07-26T00:00:00Z' and '2016-07-27T00:00:00Z'", sql)
            sql = re.sub(r"\$__time(?:From|To)\(\)", "'2016-07-26T00:00:00Z'", sql)
            sql = re.sub(r"\$__time\(([^)]*)\)", r'\1 as "time"', sql)
            sql = re.sub(r"\$\w+|\$\{[^}]*\}", "Open", sql)
            daemon.ask(sql)

    def test_the_configuration_with_several_queries_is_right(self):
        daemon = self.daemon()
        text = text_of("several-queries.conf")
        paths = set(re.findall(r"(?m)^\s*(?:path|archive_dir)\s*=\s*(\S+)", text))
        for number, path in enumerate(sorted(paths, key=len, reverse=True)):
            own = os.path.join(daemon.directory, "directory%d" % number)
            os.mkdir(own)
            text = text.replace(path, own)
        path = os.path.join(daemon.directory, "several.conf")
        with open(path, "w") as out:
            out.write(text)
        done = self.run_here(harness.TALLYD, "--config", path, "--check-config",
                             "--state-dir", daemon.state, "--socket", daemon.socket)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    @unittest.skipIf(shutil.which("logrotate") is None, "logrotate is not installed")
    def test_logrotate_loses_and_doubles_nothing(self):
        daemon = self.daemon("--set", "events.glob=*.json").start()
        path = os.path.join(daemon.directory, "logrotate")
        with open(path, "w") as out:
            out.write(re.sub(r"(?m)^\s*su .*$", "", text_of("logrotate"))
                      .replace("/var/lib/tallyd/events", daemon.events))
        os.chmod(path, 0o644)
        line = '{"time":1469501107,"action":"Open"}\n'
        for day in ("20260101", "20260102", "20260103"):
            with open(os.path.join(daemon.events, "app.json"), "a") as writer:
                writer.write(line * 2)
                writer.flush()
                done = self.run_here("logrotate", "--force", "--state", path + ".status", path)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                # Until it opens the new file its writer has the old one, and a day goes by.
                writer.write(line)
            daemon.process_all()
            for name in os.listdir(daemon.events):
                aged = re.sub(r"-2\d{7}\.json$", "-%s.json" % day, name)
                if not re.search(r"-2026010\d\.json$", name):
                    os.rename(*[os.path.join(daemon.events, each) for each in (name, aged)])
        self.assertTrue([name for name in os.listdir(daemon.events) if name.endswith(".gz")])
        self.assertEqual(daemon.totals(), {"Open": 9})


if __name__ == "__main__":
    harness.main()
