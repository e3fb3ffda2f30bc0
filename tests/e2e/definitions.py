#!/usr/bin/env python3
"""What makes a query another one over a restart: each key of its definition, changed, announces
that it is counted anew and gives what a first start gives; all other keys leave the counts alone.
"""

import os
import re
import signal

import harness

LINES = "".join('{"time":%d,"t2":%d,"action":"%s","kind":"%s"}\n' % (
    1469501107 + n * 600, 1469501107 + n * 7000, ("Open", "Close")[n % 2], "abc"[n % 3])
    for n in range(40)) + '{"time":1469501107,"t2":1,"action":"Big%s"}\n' % ("x" * 300)
# What the changed definition says, and whether the files here show it in the counts.
DEFINITION = [
    ("source", "glob", "*.json", True), ("source", "recursive", "yes", True),
    ("source", "time_field", "t2", True), ("source", "time_unit", "ms", True),
    ("source", "max_event_bytes", "200", True), ("source", "max_file_age", "100000 days", False),
    ("query", "group_by", "kind", True), ("query", "group_by", "action, kind", True),
    ("query", "window", "30 minutes", True), ("query", "slide", "20 minutes", True),
    ("query", "start_offset", "5 minutes", True), ("query", "session", "5 minutes", True),
    ("query", "watermark", "1 hour", False), ("query", "output_mode", "update", False)]
FREE = [
    ("source", "poll_interval", "2 seconds"), ("source", "trigger", "100 milliseconds"),
    ("source", "max_files_per_trigger", "1"), ("source", "max_bytes_per_trigger", "1000"),
    ("source", "on_malformed", "fail"), ("query", "retention", "100000 days"),
    ("query", "max_groups", "100000"), ("query", "window", "60 minutes"),
    ("query", "slide", "3600 seconds"), ("source", "time_unit", "s")]


class Definitions(harness.Case):

    def configure(self, daemon, path=None, **changed):
        keys = {"source": {"path": path or daemon.events},
                "query": {"group_by": "action", "window": "1 hour"}}
        for scope, values in changed.items():
            keys[scope].update(values)
        if "session" in keys["query"]:
            del keys["query"]["window"]
        daemon.config = "".join("[%s]\n%s" % (section, "".join(
            "%s = %s\n" % one for one in keys[scope].items()))
            for scope, section in (("source", "source events"), ("query", "query counts")))

    def counts(self, daemon):
        daemon.process_all()
        return sorted(map(str, daemon.ask("select * from counts")))

    def counted(self):
        daemon = self.daemon()
        os.mkdir(os.path.join(daemon.events, "deep"))
        for name in ("a.json", "b.txt", "deep/c.json"):
            daemon.write(name, LINES)
        self.configure(daemon)
        daemon.start()
        return daemon, self.counts(daemon)

    def test_a_changed_key_of_the_definition_is_announced_and_counts_anew(self):
        daemon, before = self.counted()
        for scope, key, value, is_seen in DEFINITION:
            with self.subTest(key, value=value):
                self.configure(daemon)
                daemon.stop()
                daemon.start()
                self.assertEqual(self.counts(daemon), before)
                daemon.stop()
                start = len(daemon.log())
                self.configure(daemon, **{scope: {key: value}})
                daemon.start()
                after = self.counts(daemon)
                daemon.wait_logged(re.compile(r"warning: query counts: (%s|window) was .* and is now"
                                              r" .*: its counts are dropped and made anew" % key),
                                   after=start)
                self.assertIn("counted anew since its definition changed",
                              daemon.ask("select message from queries")[0][0])
                self.assertEqual(after != before, is_seen)
                first = self.daemon(events=daemon.events)
                first.config = daemon.config
                first.start()
                self.assertEqual(after, self.counts(first))
                first.stop()

    def test_any_other_key_changes_no_count_though_files_are_gone(self):
        daemon, before = self.counted()
        os.unlink(os.path.join(daemon.events, "a.json"))
        for scope, key, value in FREE:
            with self.subTest(key, value=value):
                daemon.stop()
                self.configure(daemon, **{scope: {key: value}})
                daemon.start()
                self.assertEqual(self.counts(daemon), before)
        self.assertNotIn("made anew", daemon.log())

    def test_another_way_to_write_the_same_directory_is_no_change_another_directory_is(self):
        daemon, before = self.counted()
        os.unlink(os.path.join(daemon.events, "a.json"))
        link = os.path.join(daemon.directory, "link")
        os.symlink(daemon.events, link)
        daemon.process_all()
        for path in (link, daemon.events + "/../events", daemon.events):
            daemon.stop()
            self.configure(daemon, path)
            daemon.start()
            self.assertEqual(self.counts(daemon), before)
        # In a reload, too, and what follows is counted once.
        for number, path in enumerate((link, daemon.events)):
            self.configure(daemon, path)
            daemon.command()
            daemon.process.send_signal(signal.SIGHUP)
            harness.wait_until(lambda: daemon.ask(
                "select value from settings where name = 'events.path'") == [[path]], "it is read")
            self.assertEqual(self.counts(daemon), before)
            daemon.append("b.txt", '{"time":1469501107,"action":"New%d"}\n' % number)
            before = sorted(before + [str(["New%d" % number, "2016-07-26 02:00:00",
                                           "2016-07-26 03:00:00", 1])])
            self.assertEqual(self.counts(daemon), before)
        self.assertNotIn("made anew", daemon.log())
        other = os.path.join(daemon.directory, "other")
        os.mkdir(other)
        daemon.stop(signal.SIGKILL)
        daemon.start()
        self.assertEqual(self.counts(daemon), before)
        daemon.stop()
        self.configure(daemon, other)
        daemon.start()
        self.assertEqual(self.counts(daemon), [])
        daemon.wait_logged("path was ")


if __name__ == "__main__":
    harness.main()
