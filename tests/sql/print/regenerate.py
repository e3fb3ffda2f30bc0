#!/usr/bin/env python3
"""Writes the expectations of test_print anew from the real sqlite3 3.40.1 shell.

One case is a name, the dot-commands before the query, and the query. The
cases are the product below, so that every mode meets every value.
"""
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
MODES = ["list", "csv", "tabs", "json", "line", "quote", "ascii", "html", "insert", "insert \"my table\"",
	"insert t2", "tcl", "column", "box", "qbox", "table", "markdown", "count", "off"]


def cases():
	for mode in MODES:
		for headers in ("on", "off"):
			for table in ("t", "w", "one", "one where a > 9"):
				yield [f".mode {mode}", f".headers {headers}"], f"select * from {table}"
	for mode in ("list", "csv", "line", "html", "tcl", "ascii", "json", "quote", "column", "box"):
		yield [f".mode {mode}", ".nullvalue <NULL>"], "select * from w"
	for mode in ("column", "table"):
		for wrap in ("--wrap 0", "--wrap 1", "--wrap 7", "--wrap 10 --wordwrap on", "--wrap 11 --ww",
				"--wrap 20 --wordwrap on", "--wrap 8 --quote"):
			for table in ("t", "w"):
				yield [f".mode {mode} {wrap}"], f"select * from {table}"
		for width in ("5 10", "-5 -30", "0 6", "3", "-12 4 9 -9 2 3 4 5"):
			yield [f".mode {mode}", f".width {width}"], "select * from t"
			yield [f".mode {mode}", f".width {width}"], "select * from w"
	for mode in ("box", "qbox", "markdown"):
		yield [f".mode {mode} --wrap 12 --ww", ".width 0 -9"], "select * from w"
	for mode in ("list", "csv", "quote", "tcl", "tabs", "ascii"):
		for separator in ('"; "', "o \\r\\n", '""', "ab"):
			yield [f".mode {mode}", ".headers on", f".separator {separator}"], "select * from w"
	yield [".mode csv", ".mode tabs"], "select * from w"
	yield [".mode column", ".mode list"], "select * from w"
	yield [".mode box"], "select 1, 'two', null"
	yield [".mode list"], "select 1 as a, 2 as a, 3"
	for mode in ("list", "box", "json"):
		yield [f".mode {mode}"], "select v from t order by id desc"
	yield [".mode list"], "explain query plan select * from t, w where id = x union select 1, 2, 3, 4, 5, 6, 7, 8 order by 1"
	yield [".mode list"], "explain query plan select (select max(a) from one where a = id) from t where id in (select a from one)"
	yield [".mode box"], "explain select count(*) from t, one where id = a and v in (select x from w) group by v order by v"
	yield [".mode list", ".explain on"], "select * from w"


def main():
	listing = []
	for commands, query in cases():
		listing.append("\n".join(commands + [query + ";"]))
	(HERE / "cases.txt").write_text("\n\n".join(listing) + "\n")
	expected = []
	for case in listing:
		script = f".read {HERE}/rows.sql\n{case}\n"
		done = subprocess.run(["sqlite3", "-batch"], input=script.encode(), capture_output=True, check=False)
		if done.stderr or done.returncode:
			sys.exit(f"{case}\n{done.stderr.decode()}")
		expected.append(b"%d\n" % len(done.stdout) + done.stdout)
	(HERE / "expected.bin").write_bytes(b"".join(expected))
	print(f"{len(listing)} cases")


if __name__ == "__main__":
	version = subprocess.run(["sqlite3", "-version"], capture_output=True, text=True, check=True).stdout
	if not version.startswith("3.40."):
		sys.exit(f"the expectations are those of sqlite3 3.40.1, this is {version}")
	main()
