#!/usr/bin/env python3
"""The runner for Apache Spark reads tallyd's configuration: every key is taken, or refused by name.

Needs no Spark: what is tested here happens before one starts. spark/conformance.py and
spark/sinks.py run the queries.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

import harness

RUNNER = os.path.join(harness.TREE, "spark/tally_on_spark.py")
spec = importlib.util.spec_from_file_location("tally_on_spark", RUNNER)
runner = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runner)

# A value other than the default for each key of a source and a query, and whether Spark has a counterpart.
OTHER = {
    "source events": {
        "path": ("/srv/events", True), "glob": ("*.json", True), "recursive": ("yes", True), "trigger": ("5 seconds", True),
        "max_files_per_trigger": ("3", True), "max_bytes_per_trigger": ("1 MiB", True), "max_file_age": ("7 days", True),
        "time_field": ("at.time", True), "time_unit": ("ms", True), "clean_source": ("delete", True), "archive_dir": ("/srv/old", True),
        "poll_interval": ("5 seconds", False), "max_event_bytes": ("1 MiB", False), "on_malformed": ("fail", False),
    },
    "query counts": {
        "source": ("events", True), "group_by": ("action, user.id AS who", True), "window": ("10 minutes", True), "slide": ("5 minutes", True),
        "start_offset": ("1 minute", True), "session": ("30 seconds", True), "watermark": ("1 hour", True), "output_mode": ("update", True),
        "retention": ("1 day", False), "max_groups": ("5", False),
    },
}


def default_sections():
    """{section: {key: default}} as the daemon prints them."""
    text = subprocess.run([harness.TALLYD, "--print-config"], capture_output=True, text=True, check=True).stdout
    sections = {}
    for line in text.splitlines():
        if line.startswith("["):
            keys = sections.setdefault(line.strip("[]"), {})
        elif "=" in line:
            key, _, value = line.partition("=")
            keys[key.strip()] = value.rpartition(";")[0].strip()
    return sections


class SparkConfig(unittest.TestCase):
    def read(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write(text)
            file.flush()
            return runner.read_config(file.name)

    def refusal(self, text):
        with self.assertRaises(runner.Refused) as refused:
            self.read(text)
        return str(refused.exception)

    def test_every_key_and_default_of_tallyd_is_known(self):
        sections = default_sections()
        self.assertEqual(sections["source events"], runner.SOURCE_DEFAULTS)
        self.assertEqual({**sections["query counts"], "source": ""}, runner.QUERY_DEFAULTS)
        self.assertEqual({name: set(keys) for name, keys in OTHER.items()},
                         {name: set(sections[name]) for name in OTHER})

    def test_a_file_of_nothing_but_defaults_is_taken(self):
        text = subprocess.run([harness.TALLYD, "--print-config"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(self.read(text), self.read(""))

    def test_a_key_with_a_counterpart_is_taken(self):
        for section, keys in OTHER.items():
            for key, (value, has_counterpart) in keys.items():
                if has_counterpart:
                    sources, queries = self.read(f"[{section}]\n{key} = {value}\n")
                    self.assertEqual({**sources["events"], **queries["counts"]}[key], value)

    def test_a_key_without_counterpart_is_refused_by_name_with_the_reason(self):
        for section, keys in OTHER.items():
            for key, (value, has_counterpart) in keys.items():
                if not has_counterpart:
                    self.assertRegex(self.refusal(f"[{section}]\n{key} = {value}\n"),
                                     rf"\[{section}\]: {key}: no counterpart on Spark: \w+")
        self.assertIn("[tallyd]: timezone: no counterpart", self.refusal("[tallyd]\ntimezone = Europe/Paris\n"))

    def test_the_daemons_own_keys_are_passed_by(self):
        sections = default_sections()
        for section in ("tallyd", "http"):
            for key in sections[section]:
                if key != "timezone":
                    self.read(f"[{section}]\n{key} = 1\n")

    def test_modes_are_refused_as_tallyd_refuses_them_and_where_a_sink_cannot_change_rows(self):
        self.assertIn("append needs a watermark", self.refusal("[query counts]\noutput_mode = append\n"))
        self.assertIn("update does not go with session", self.refusal("[query counts]\nsession = 1 minute\noutput_mode = update\n"))
        self.assertIn("is neither complete", self.refusal("[query counts]\noutput_mode = all\n"))
        _, queries = self.read("[query counts]\noutput_mode = update\n")
        for sink in ("memory", "parquet"):
            with self.assertRaisesRegex(runner.Refused, f"--sink {sink} cannot change rows"):
                runner.refuse_sink(queries, sink)
        for sink in ("console", "jdbc"):
            runner.refuse_sink(queries, sink)

    def test_two_limits_of_a_trigger_are_refused(self):
        self.assertIn("max_bytes_per_trigger: no counterpart",
                      self.refusal("[source events]\nmax_files_per_trigger = 1\nmax_bytes_per_trigger = 1 MiB\n"))

    def test_what_tallyd_refuses_is_refused(self):
        for text, said in (("[source events]\nglobb = x\n", "globb: unknown key"), ("[sink x]\n", "[sink x]: unknown section"),
                           ("[tallyd]\nthread = 1\n", "[tallyd]: thread: unknown key"),
                           ("[query q]\nsource = other\n", "no source is called \"other\"")):
            self.assertIn(said, self.refusal(text))

    def test_durations_are_told_to_spark_in_its_own_words(self):
        for text, seconds in (("7 days", 604800), ("1 day 12 hours", 129600), ("90 seconds", 90), ("2 weeks", 1209600)):
            self.assertEqual(runner.seconds_of(text), seconds)
        with self.assertRaises(runner.Refused):
            runner.seconds_of("7d")

    def test_window_start_and_end_are_columns_but_not_within_text(self):
        self.assertEqual(runner.dialect("select window.end, \"window.end\", 'window.start' from t -- window.end"),
                         "select window_end, \"window.end\", 'window.start' from t -- window.end")

    def test_a_refusal_ends_the_program_before_a_spark_starts(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("[query counts]\nretention = 1 day\n")
            file.flush()
            done = subprocess.run([sys.executable, RUNNER, "--config", file.name], capture_output=True, text=True)
        self.assertEqual(done.returncode, 78)
        self.assertEqual(done.stderr, f"{file.name}: [query counts]: retention: no counterpart on Spark: "
                                      "Spark drops no rows of a finished window; use a watermark\n")


if __name__ == "__main__":
    harness.main()
