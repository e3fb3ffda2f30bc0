#!/usr/bin/env python3
"""The manual pages name everything: options as --help lists them, keys as --print-config, tables and
columns as the live schema, functions, commands, messages of the log, answers of HTTP, exit statuses. And
what README and tours say is there, is there.
"""

import glob
import os
import re
import shutil
import subprocess
import unittest

import harness

PAGES = {name: os.path.join(harness.TREE, "docs", name)
         for name in ("tallyd.8", "tallyd.conf.5", "tally.1", "tally-protocol.7")}
TALLY = os.path.join(os.path.dirname(harness.TALLYD), "tally")


def source(*patterns):
    """The text of source files, with adjacent string literals joined and PRI macros as they print."""
    text = ""
    for pattern in patterns:
        for path in sorted(glob.glob(os.path.join(harness.TREE, pattern))):
            with open(path) as code:
                text += code.read()
    text = re.sub(r'"\s*PRI\w+\s*"', "d", text)
    text = re.sub(r'"\s*PRI\w+', 'd"', text)
    return re.sub(r'"\s*\n\s*"', "", text)


@unittest.skipIf(shutil.which("mandoc") is None, "mandoc is not installed")
class Manual(harness.Case):

    def page(self, name):
        """The page as it is read, on one line."""
        if name not in self.texts:
            done = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=900", PAGES[name]],
                                  stdout=subprocess.PIPE, check=True)
            text = re.sub("(.)\b.", r"\1", done.stdout.decode().replace("_\b", ""))
            text = text.replace("‘", "'").replace("’", "'").replace("“", '"').replace("”", '"')
            self.texts[name] = " ".join(text.split())
        return self.texts[name]

    texts = {}

    def names(self, page, wanted, what):
        text = self.page(page)
        missing = [word for word in wanted
                   if not re.search(r"(?<![\w-])-?%s(?![\w])" % re.escape(word), text)]
        self.assertEqual(missing, [], "%s that %s does not name" % (what, page))
        self.assertTrue(wanted, what)

    def help_of(self, program):
        return subprocess.run([program, "--help"], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT).stdout

    def test_every_option_of_the_daemon(self):
        options = re.findall(r"(?m)^\s+(?:-\w, )?(--[a-z-]+)", self.help_of(harness.TALLYD))
        self.assertGreater(len(options), 10)
        self.names("tallyd.8", options, "options")
        self.names("tallyd.8", re.findall(r"(?m)^\s+(-\w), --", self.help_of(harness.TALLYD)),
                   "options")

    def test_every_option_of_the_client(self):
        options = re.findall(r"(?m)^\s+(-(?:\[no\])?[a-z]+)", self.help_of(TALLY))
        self.assertGreater(len(options), 25)
        self.names("tally.1", [option.replace("[no]", "") for option in options], "options")

    def test_every_key_of_the_configuration_with_its_default(self):
        daemon = self.daemon()
        shown = daemon.run("--print-config").stdout
        keys = dict(re.findall(r"(?m)^(?:# )?([a-z_]+) = ?(.*?)\s*(?:;.*)?$", shown))
        self.assertGreater(len(keys), 40, shown)
        self.names("tallyd.conf.5", list(keys), "keys")
        text = self.page("tallyd.conf.5")
        own = ("path", "socket", "state_dir", "log_level")
        missing = [key for key, value in keys.items() if key not in own and value and
                   not re.search(r"%s = %s" % (key, re.escape(value)), text)]
        self.assertEqual(missing, [], "defaults that are others in the page")

    def test_every_table_and_column(self):
        daemon = self.daemon().start()
        tables = [row[0] for row in daemon.ask("select name from pragma_table_list "
                                               "where name not like 'sqlite_%' and schema = 'main'")]
        shared = [name for name in tables if name not in ("counts", "static_counts", "events")]
        self.assertIn("queries", shared)
        self.names("tally-protocol.7", tables, "tables")
        for table in tables:
            columns = [row[0] for row in daemon.ask("select name from pragma_table_info(?)", [table])
                       if row[0] != "action"]
            self.names("tally-protocol.7", columns, "columns of " + table)

    def test_every_function_beside_those_of_sqlite(self):
        daemon = self.daemon().start()
        ours = daemon.ask("select distinct name from pragma_function_list where builtin = 0")
        plain = subprocess.run(["sqlite3", ":memory:", "select name from pragma_function_list"],
                               stdout=subprocess.PIPE, text=True).stdout.split() \
            if shutil.which("sqlite3") else self.skipTest("sqlite3 is not installed")
        inner = ("pg_", "version", "current_", "has_", "format_type", "obj_", "col_", "to_reg",
                 "set_config", "txid_", "quote_ident", "array_", "shobj_", "inet_")
        names = [name for name, in ours if name not in plain and not name.startswith(inner)
                 and not name.startswith(("fts", "rtree", "geopoly", "shell_", "sha", "bm25",
                                          "highlight", "snippet", "rank", "match", "edit"))]
        self.assertIn("date_format", names)
        self.names("tally-protocol.7", names, "functions")

    def test_every_command_of_the_plain_text(self):
        daemon = self.daemon().start()
        commands = re.findall(r"(?m)^(\.[a-z]+)", daemon.text(".help\n.quit\n"))
        self.assertGreater(len(commands), 5)
        self.names("tally-protocol.7", commands, "commands")

    def test_every_command_of_the_client(self):
        daemon = self.daemon().start()
        done = subprocess.run([TALLY, daemon.socket, ".help"], stdout=subprocess.PIPE, text=True)
        commands = re.findall(r"(?m)^(\.[a-z]+)", done.stdout)
        self.assertGreater(len(commands), 30)
        self.names("tally.1", commands, "commands")

    def sentences(self, calls, *patterns):
        """The literal parts of what is said, without what is filled in."""
        found = re.findall(r'\b(?:%s)\([^;"]*?"((?:[^"\\]|\\.)*)"' % calls, source(*patterns))
        for text in found:
            for part in re.split(r"%[-+ 0-9.*lz]*[a-z]", text):
                part = " ".join(part.replace("\\n", "").strip(" :;,()=").split())
                if len(part) > 8:
                    yield part

    def test_every_message_of_the_log(self):
        said = set(self.sentences("log_error|log_warning|log_info|log_left_out|sentence_write", "daemon/*.c"))
        said |= set(self.sentences("notices_add", "sql/*.c"))
        said |= set(self.sentences("note_say|note_say_once", "stream/*.c"))
        self.assertGreater(len(said), 30)
        text = self.page("tallyd.8")
        self.assertEqual([part for part in sorted(said) if part not in text], [])

    def test_every_reason_of_a_reject_and_state_of_a_file(self):
        reasons = re.findall(r'= "([a-z_]+)"', re.search(
            r"reject_reason_name.*?\}", source("stream/event_reject.c"), re.S).group(0)) \
            or re.findall(r'\breturn "([a-z_]+)"', source("stream/event_reject.c"))
        self.assertGreater(len(reasons), 4)
        self.names("tallyd.8", reasons, "reasons")
        self.names("tally-protocol.7", ["waiting", "growing", "done", "archived", "deleted",
                                        "missing", "error"], "states")

    def test_every_answer_of_http(self):
        text = source("daemon/http_answer.c")
        statuses = re.findall(r"case (\d{3}):", text)
        self.names("tally-protocol.7", statuses, "statuses")
        self.names("tally-protocol.7", ["/metrics", "/healthz", "/query", "format", "totals"],
                   "routes")
        for part in self.sentences("http_refuse|give_up", "daemon/http_*.c"):
            self.assertIn(part, self.page("tally-protocol.7"))
        names = re.findall(r'"(tallyd_[a-z_]+)"', source("sql/metrics.c", "daemon/http_metrics.c"))
        self.names("tally-protocol.7", sorted(set(names)), "metrics")

    def test_every_exit_status(self):
        self.names("tallyd.8", ["0", "1", "64", "78"], "exit statuses")
        self.names("tally.1", ["0", "1", "2", "3"], "exit statuses")

    def test_every_file_that_a_tour_names_is_there(self):
        for tour in ("README.md", "docs/ARCHITECTURE.md", "client/README.md"):
            with open(os.path.join(harness.TREE, tour)) as page:
                text = page.read()
            named = re.findall(r"\]\(([\w./-]+)\)", text) + re.findall(
                r"`([a-z][\w.*-]*(?:/[\w.*-]+)*(?:/|\.(?:c|h|md|py|am|[1578])))`", text)
            self.assertGreater(len(named), 5, tour)
            here = os.path.join(harness.TREE, os.path.dirname(tour))
            missing = [name for name in named if name != "local.am" and
                       not glob.glob(os.path.join(harness.TREE, name)) and
                       not glob.glob(os.path.join(here, name))]
            self.assertEqual(missing, [], tour)

    def test_every_page_is_what_mandoc_takes(self):
        done = subprocess.run(["mandoc", "-T", "lint"] + list(PAGES.values()),
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        # The pages refer to each other and are installed nowhere yet.
        self.assertEqual([line for line in done.stdout.splitlines()
                          if "referenced manual not found" not in line], [])


if __name__ == "__main__":
    harness.main()
