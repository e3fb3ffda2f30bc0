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

# A value other than the default for each key of a source and a query, and what becomes of it: None where Spark has no counterpart.
SECOND = 10**6
OTHER = {
    "source events": {
        "path": ("/srv/events", "/srv/events"), "glob": ("*.json", "*.json"), "recursive": ("Yes", True), "trigger": ("5 seconds", 5 * SECOND),
        "max_files_per_trigger": ("3", 3), "max_bytes_per_trigger": ("1 MiB", 1 << 20), "max_file_age": ("7 days", 604800 * SECOND),
        "time_field": ("at.time", "at.time"), "time_unit": ("MS", "ms"), "clean_source": ("Delete", "delete"), "archive_dir": ("/srv/old", "/srv/old"),
        "poll_interval": ("5 seconds", None), "max_event_bytes": ("1 MiB", None), "on_malformed": ("fail", None),
    },
    "query counts": {
        "source": ("EVENTS", "events"), "group_by": ("action, user.id AS who", "action, user.id AS who"), "window": ("10 minutes", 600 * SECOND),
        "slide": ("5 minutes", 300 * SECOND), "start_offset": ("-1 minute", -60 * SECOND), "session": ("30 seconds", 30 * SECOND),
        "watermark": ("1 hour", 3600 * SECOND), "output_mode": ("Update", "update"), "retention": ("1 day", None), "max_groups": ("5", None),
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

    def judged_by_tallyd(self, text):
        """0, or 78 for a configuration that tallyd refuses."""
        with tempfile.TemporaryDirectory() as home:
            os.makedirs(home + "/events")
            os.makedirs(home + "/archive")
            with open(home + "/tallyd.conf", "w") as file:
                file.write(text.replace("@", home))
            return subprocess.run([harness.TALLYD, "--config", home + "/tallyd.conf", "--check-config"], capture_output=True).returncode

    def test_every_key_and_default_of_tallyd_is_known(self):
        sections = default_sections()
        self.assertEqual(sections["source events"], {key: default for key, (_, default) in runner.SOURCE_KEYS.items()})
        self.assertEqual({**sections["query counts"], "source": ""}, {key: default for key, (_, default) in runner.QUERY_KEYS.items()})
        self.assertEqual(set(sections["tallyd"]), set(runner.DAEMON_KEYS))
        self.assertEqual({name: set(keys) for name, keys in OTHER.items()},
                         {name: set(sections[name]) for name in OTHER})

    def test_a_file_of_nothing_but_defaults_is_taken(self):
        text = subprocess.run([harness.TALLYD, "--print-config"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(self.read(text), self.read(""))

    def test_a_key_with_a_counterpart_is_taken(self):
        for section, keys in OTHER.items():
            for key, (text, value) in keys.items():
                if value is not None:
                    sources, queries = self.read(f"[{section}]\n{key} = {text}\n")
                    self.assertEqual({**sources["events"], **queries["counts"]}[key], value)

    def test_a_key_without_counterpart_is_refused_by_name_with_the_reason(self):
        for section, keys in OTHER.items():
            for key, (text, value) in keys.items():
                if value is None:
                    self.assertRegex(self.refusal(f"[{section}]\n{key} = {text}\n"),
                                     rf":2: {section.split()[1]}\.{key}: no counterpart on Spark: \w+")
        self.assertIn("tallyd.timezone: no counterpart", self.refusal("[tallyd]\ntimezone = Europe/Paris\n"))

    def test_a_default_in_other_words_is_no_other_value(self):
        self.read("[source events]\npoll_interval = 1000 milliseconds\nmax_event_bytes = 16777216\non_malformed = KEEP\n[query counts]\nretention =\n")

    def test_the_daemons_own_keys_are_passed_by(self):
        sections = default_sections()
        for section in ("tallyd", "http"):
            for key in sections[section]:
                if key != "timezone":
                    self.read(f"[{section}]\n{key} = 1\n")

    def test_modes_go_with_the_sinks_that_can_change_rows(self):
        _, queries = self.read("[query counts]\noutput_mode = update\n")
        for sink in ("memory", "parquet"):
            with self.assertRaisesRegex(runner.Refused, f"--sink {sink} cannot change rows"):
                runner.refuse_sink(queries, sink)
        for sink in ("console", "jdbc"):
            runner.refuse_sink(queries, sink)
        _, queries = self.read("[query counts]\n[query Counts_batch]\n")
        runner.refuse_sink(queries, "parquet")
        with self.assertRaisesRegex(runner.Refused, "which is another query's table"):
            runner.refuse_sink(queries, "jdbc")

    def test_limits_of_a_trigger_that_spark_does_not_know_are_refused(self):
        both = "[source events]\nmax_files_per_trigger = 1\nmax_bytes_per_trigger = 1 MiB\n"
        self.assertIn("max_bytes_per_trigger: no counterpart", self.refusal(both))
        sources, _ = self.read("[source events]\nmax_bytes_per_trigger = 1 MiB\n")
        runner.refuse_version("4.0.1", sources)
        with self.assertRaisesRegex(runner.Refused, "no counterpart on Spark 3.5.9"):
            runner.refuse_version("3.5.9", sources)
        runner.refuse_version("3.5.9", self.read("")[0])

    def test_what_tallyd_refuses_is_refused_and_what_it_takes_is_taken(self):
        taken = ("# nothing\n", "\ufeff[tallyd]\r\n[http]\r\n[tallyd]\r\n", "[query a]\n[query b]\n", "[query q] ; behind\nwindow: 2 hours ; behind\n",
                 "[query counts]\ngroup_by =\n", "[query counts]\ngroup_by = user name AS who, a.b as C\n", "[query counts]\ngroup_by = action, Action AS other\n",
                 "[query counts]\nsession = 1 minute\nwindow =\n", "[query counts]\nwindow = interval 1 day 12 HOURS\nslide = 1.5 seconds\nstart_offset =\n",
                 "[query counts]\noutput_mode = append\nwatermark = 0 seconds\n", "[source a]\npath = @/events\n[query q]\nsource = A\n")
        refused = ("[source events]\nglobb = x\n", "[sink x]\n", "[DEFAULT]\nwindow = 1 day\n", "[tallyd]\nthread = 1\n", "[query]\n", "[tallyd x]\n", "x = 1\n", "[query q]\nx\n",
                   "[query q]\nsource = other\n", "[query a-b]\n", "[query 1]\n", "[query q]\n[query Q]\n", "[source q]\n[query q]\n", "[query q]\nwindow = 1 day\nwindow = 1 day\n",
                   "[query q]\nwindow = 1 day\n  12 hours\n", "[query q]\ngroup_by =\n action\n", "[source a]\npath = @/events\n[source b]\npath = @/events\n[query q]\n",
                   "[source events]\nrecursive = maybe\n", "[source events]\nrecursive = 1\n", "[source events]\ntime_unit = m\n", "[source events]\ntime_field = a..b\n",
                   "[source events]\nglob = a/b\n", "[source events]\ntrigger =\n", "[source events]\ntrigger = -1 seconds\n", "[source events]\nmax_files_per_trigger = -1\n",
                   "[source events]\nmax_bytes_per_trigger = 1 TiB\n", "[source events]\npath = @/events\nclean_source = archive\n",
                   "[query q]\noutput_mode = all\n", "[query q]\noutput_mode = append\n", "[query q]\nsession = 1 minute\noutput_mode = update\n",
                   "[query q]\nsession = 1 minute\nwindow = 1 hour\n", "[query q]\nwindow =\n", "[query q]\nwindow = 0 seconds\n", "[query q]\nwindow = 1h\n", "[query q]\nwindow = 1 month\n",
                   "[query q]\nslide = 2 hours\n", "[query q]\nstart_offset = 1 hour\n", "[query q]\nwatermark = -1 second\n", "[query q]\ngroup_by = count\n",
                   "[query q]\ngroup_by = id, user.ID\n", "[query q]\ngroup_by = a,,b\n", "[query q]\ngroup_by = a.\n")
        for text in taken:
            own = text if "[source" in text else text + "[source events]\npath = @/events\n"
            self.assertEqual(self.judged_by_tallyd(own), 0, text)
            self.read(text)
        for text in refused:
            own = text if "path" in text or "[source events]" not in text else text + "path = @/events\n"
            own = own if "[source" in own else text + "[source events]\npath = @/events\n"
            self.assertEqual(self.judged_by_tallyd(own), 78, text)
            self.refusal(text)

    def test_what_a_schema_of_spark_cannot_say_is_refused(self):
        for fields in ("time.zone AS zone", "a, a.b", "a.b, a"):
            self.assertIn("counts.group_by: no counterpart on Spark", self.refusal(f"[query counts]\ngroup_by = {fields}\n"))
        self.assertIn("events.glob: no counterpart on Spark", self.refusal("[source events]\nglob = [[:digit:]]*\n"))

    def test_durations_are_read_as_tallyd_reads_them(self):
        for text, us in (("7 days", 604800 * SECOND), ("1 day 12 hours", 129600 * SECOND), ("90 seconds", 90 * SECOND), ("2 WEEKS", 1209600 * SECOND),
                         ("1.5 seconds", 1500000), ("-15 minutes", -900 * SECOND), ("interval 1 hour", 3600 * SECOND), ("250 milliseconds 1 microsecond", 250001)):
            self.assertEqual(runner.microseconds_of(text), us)
        for text in ("7d", "1 month", "1.5 hours", "hour", "1 hour and a half", ""):
            with self.assertRaises(ValueError):
                runner.microseconds_of(text)

    def test_a_pattern_of_names_means_on_spark_what_it_means_here(self):
        for here, there in (("*.json", "*.json"), ("{a,b}", "\\{a,b\\}"), ("a\\*b", "a\\*b"), ("\\a\\{", "a\\{"), ("[!a-c]?", "[!a-c]?")):
            self.assertEqual(runner.glob_of(here), there)

    def test_window_start_and_end_are_columns_but_not_within_text(self):
        self.assertEqual(runner.dialect("select window.end, \"window.end\", 'window.start' from t -- window.end"),
                         "select window_end, \"window.end\", 'window.start' from t -- window.end")

    def test_a_refusal_ends_the_program_before_a_spark_starts(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("[query counts]\nretention = 1 day\n")
            file.flush()
            done = subprocess.run([sys.executable, RUNNER, "--config", file.name], capture_output=True, text=True)
        self.assertEqual(done.returncode, 78)
        self.assertEqual(done.stderr, f"{file.name}:2: counts.retention: no counterpart on Spark: "
                                      "Spark drops no rows of a finished window; use a watermark\n")


if __name__ == "__main__":
    harness.main()
