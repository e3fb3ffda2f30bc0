#!/usr/bin/env python3
"""tally beside the real sqlite3 3.40 shell: same arguments, same input, same bytes.

Both see the same rows, twice: sqlite3 in a file and tally through the stand-in
server over that file, so that the schema is the same as well; then both in TEMP
tables that the start-up file makes, sqlite3 over an empty file and tally in the
real daemon. Standard output, standard error and the exit status must be equal;
the known differences stand in KNOWN, each with its reason, and a known
difference that is gone is an error as well. Exits 77 (skipped) where sqlite3 is
of another version.
"""
import difflib
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("top_builddir", ".")).resolve()
SOURCE = pathlib.Path(os.environ.get("srcdir", "."))
ROWS = SOURCE / "tests/sql/print/rows.sql"

MODES = ["list", "csv", "tabs", "json", "line", "quote", "ascii", "html", "insert", "tcl", "column", "box",
	"qbox", "table", "markdown"]


def scripts():
	"""Texts for standard input: every mode with every value, headers, widths, null texts."""
	for mode, headers, table in itertools.product(MODES, ("", ".headers on", ".headers off"), ("t", "w")):
		yield f".mode {mode}\n{headers}\nselect * from {table};\nselect 1 where 0;\nselect * from one;\n"
	for mode in ("column", "box", "table", "markdown", "qbox"):
		for width in ("5 10", "-5 -30", "0 6", "-12 4 9 -9 2 3 4 5"):
			yield f".mode {mode}\n.width {width}\nselect * from w;\n.show\n.mode\n"
		for wrap in ("--wrap 10", "--wrap 12 --wordwrap on", "--wrap 20 --ww", "--quote", "--wrap 0"):
			yield f".mode {mode} {wrap}\nselect * from t;\n.show\n"
	for mode in ("list", "csv", "column", "json", "quote", "insert"):
		yield f".mode {mode}\n.nullvalue NIL\n.separator ; X\nselect * from w;\n.show\n"
	# Statements, terminators and comments.
	yield "select 1\n;\nselect 2;select 3; select 4\n"
	yield "select 1\n/\nselect 2\ngo\nselect 3\nGO\n  / \n;\n;;\n"
	yield "select 'a\nb';\nselect \"x;y\";\n-- comment\nselect /* c; */ 5 -- more\n;\n"
	yield "-- only a comment"
	yield "/* open comment\nselect 1;\n"
	yield "select 'unfinished"
	yield "select 6"
	yield "select 7 -- no end"
	yield "  select 8;   \n\t\n\n.print one 'two three' \"four\\tfive\" \\x\n"
	yield "select 1; .print no command here\nselect 2;\n"
	yield " .print blank before\nselect 2;\n"
	yield "# a comment line\nselect 1;\n#another\n"
	yield "select\n\n\n1\n\n;\n"
	yield "create temp view v as select 1 a; select * from v;\n.tables\n.schema\n.databases\n"
	yield "begin; select 1; commit;\nselect ';'; select ';\n';\n"
	# Errors.
	for bad in ("selec 1;", "select * from nosuch;", "select nosuch from one;", "select 1 +;", "select abs();",
			"select 'x", "select abs(-9223372036854775807 - 1);", "select json('{');", "select 1 union select 1, 2;",
			"select aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, nosuch, 1 from one where a = 1 and b;",
			"select a,\n  nosuch\nfrom one\nwhere äöü = 1;", "select äöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöüäöü, x from one;",
			"select 1; select x; select 2;", "select 1;\nselect 2; bad; select 3;\nselect 4;\n", "select * from one where;",
			"select (select a, a from one);", ";;; bad", "select ?1, ?2, :x;", "insert into one values(", "create table",
			"select a, abs(a - 2 - 9223372036854775807) from one;", "drop table nosuch;", "select 1 as 'x', [y] from one;"):
		yield bad + "\nselect 'after';\n"
		yield ".bail on\n" + bad + "\nselect 'after';\n"
		yield ".mode json\n" + bad + "\n"
		yield ".mode box\n" + bad + "\n"
		yield "\n\n-- c\n" + bad
	# Dot-commands.
	for command in (".foo", ".mode xx", ".mode", ".headers", ".headers maybe", ".headers on extra", ".nullvalue",
			".separator", ".separator a b c", ".width", ".width 1 2 3\n.show", ".bail", ".bail x", ".echo on\nselect 1;\n.print x",
			".echo", ".timer", ".changes", ".changes on\nselect 1;\ncreate temp table x as select 1 a;\ninsert into x values(2), (3);\nselect 2;\ndelete from x where a > 1;", ".print", ".print a  b", ".show x", ".quit\nselect 1;",
			".exit\nselect 1;", ".exit 3\nselect 1;", ".q", ".help zzz", ".h", ".mode box table", ".mode box --nosuch", ".mode insert a b",
			".mode insert tab\nselect * from one;", ".mode insert select\nselect * from one;", ".explain on\nselect * from one;",
			".explain off\nexplain select 1;", ".explain auto\nexplain select a from one order by a;", ".eqp on\nselect a from one order by a;",
			".eqp full\nselect a from one;", ".eqp trigger\nselect a from one;\n.show", ".eqp", "explain query plan select * from one a, one b where a.a = b.a;", ".schema", ".schema on%", ".schema o*", ".schema nosuch",
			".schema --indent", ".schema --nosys", ".schema --x", ".schema a b", ".schema sqlite_schema", ".tables", ".tables o%", ".tables zz", ".indexes", ".indexes a b",
			".indexes one", ".fullschema", ".fullschema x", ".dump", ".dump one", ".dump --data-only w", ".dump --newlines w", ".dump o% w%", ".dump --bad",
			".parameter set :x 5\nselect :x, ?1, $y;\n.parameter list", ".parameter set @t \"'it''s'\"\nselect @t;\n.parameter list\n.parameter unset @t\n.parameter list",
			".parameter init\n.parameter set $n hello\nselect $n, typeof($n);", ".parameter set ?1 1.5\n.parameter set ?3 x'00ff'\nselect ?1, ?2, ?3, ?;\n.parameter clear\nselect ?1;",
			".parameter set ?1 -9223372036854775808\nselect abs(?1), :a;",
			".parameter", ".parameter foo", ".parameter set a", ".prompt a b\nselect 1;", ".system echo hello", ".shell echo 'a b' c", ".system",
			".system exit 3", ".cd /nosuch", ".cd", ".read", ".read /nosuch", ".read /tmp", ".output /nosuch/x\nselect 1;", ".output stdout\nselect 1;",
			".once -y", ".once a b", ".output a b", ".once |cat -A\nselect 1;\nselect 2;", ".output |tr 1 9\nselect 1;\nselect 1;\n.output\nselect 1;",
			".once\nselect 1;", ".read |echo 'select 42;'", ".binary on", ".binary", ".stats", ".timeout 100", ".mode column\nselect * from one;\n.mode",
			".mode tabs\n.mode", ".mode qbox\n.mode", ".headers on\n.mode column\n.headers off\nselect * from one;", ".headers 0\n.mode column\nselect * from one;",
			".mode csv\n.mode tabs\nselect * from w;", ".print 'single \\n' \"double \\n \\101\" bare\\tx", ".nullvalue 0123456789012345678901234567890\n.show",
			".separator 0123456789012345678901234567890\n.show", ".help quit", ".help -x", ".vers nothing"):
		yield command + "\n"
	yield ".mode count\nselect * from one;\nselect 1 where 0;\n.mode off\nselect 1;\n.mode\n"
	yield ".mode c\nselect 1;\n.mode t\nselect 1,2;\n.mode l\nselect 1;\n.mode b\nselect 1;\n.mode m\nselect 1;\n"


def arguments():
	"""Argument lists with their standard input."""
	for mode in ("-list", "-csv", "-tabs", "-json", "-line", "-quote", "-ascii", "-html", "-column", "-box", "-table",
			"-markdown", "--json", "--box"):
		for header in ([], ["-header"], ["-noheader"]):
			yield [mode, *header, "DB", "select * from w"], ""
	yield ["DB", "select 1", "select 2"], ""
	yield ["DB", "select 1; select 2;", ".print x", "select 3"], ""
	yield ["DB", "select 1", "selec 2", "select 3"], ""
	yield ["DB", "select x from one where aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = 1"], ""
	yield ["DB", "select abs(-9223372036854775807 - 1)"], ""
	yield ["DB", "select a, json(iif(a = 3, '{', '1')) from one"], ""
	yield ["DB", ".foo", "select 1"], ""
	yield ["DB", ".exit 7", "select 1"], ""
	yield ["DB", ".quit", "select 1"], ""
	yield ["DB", ".mode xx", "select 1"], ""
	yield ["DB", ".headers maybe", "select 1"], ""
	yield ["DB", ""], ""
	yield ["DB", "-- comment"], "select 1;"
	yield ["DB", "select 'unfinished"], ""
	yield ["DB", "   selec 1"], ""
	yield ["DB", "select 1;\n   selec 1; select 2"], ""
	yield ["DB"], "select 1;\nselect 2"
	yield ["-header", "DB"], "select * from one;"
	yield ["-separator", ";", "DB", "select 1, 2"], ""
	yield ["-newline", "X", "DB", "select 1, 2"], ""
	yield ["-nullvalue", "NIL", "DB", "select null, 2"], ""
	yield ["-cmd", ".mode csv", "DB", "select 1, 2"], ""
	yield ["-cmd", "select 'first'", "DB"], "select 'second';"
	yield ["-cmd", "bad", "DB", "select 2"], ""
	yield ["-bail", "-cmd", "bad", "DB", "select 2"], ""
	yield ["-bail", "DB"], "bad;\nselect 2;"
	yield ["-echo", "DB", "select 1"], ""
	yield ["-echo", "DB"], "select 1;\n.print x\n-- c\nselect\n2;\n"
	yield ["-batch", "DB"], "select 1;"
	yield ["-nosuch", "DB", "select 1"], ""
	yield ["DB", "--nosuch", "select 1"], ""
	yield ["DB", "select 1", "-header"], ""
	yield ["DB", "select 1 as x", "-header", "-csv"], ""
	yield ["-init", "/nosuch", "DB", "select 1"], ""
	yield ["-csv", "-cmd", ".headers on", "DB", "select * from w"], ""
	yield ["-interactive", "DB"], "select 1;\nbad;\nselect\n2;\n.mode xx\n.quit\n"
	yield ["-separator"], ""
	yield ["-eqp", "DB", "select a from one order by a"], ""
	yield ["-line", "-cmd", ".mode", "DB", "select 1"], ""
	yield ["-box", "-cmd", ".show", "DB", "select 1"], ""


# What differs, and why. The key is part of the input.
KNOWN = {
	"-interactive": "the banner and the prompts name tally",
	".databases": "the daemon's socket stands where the file stood, and nothing in it can be written",
	".help -x": "help names the commands of tally",
	".stats": "statistics are the daemon's: the snapshot, its time and the bytes sent",
	".limit": "limits are the daemon's",
	".vers nothing": "the versions are those of tally, its SQLite and the daemon",
}


def known_reason(label):
	for key, reason in KNOWN.items():
		if key in label:
			return reason
	return None


def run(program, args, text, work):
	env = {"PATH": os.environ["PATH"], "HOME": str(work), "LC_ALL": "C.UTF-8", "TERM": "dumb"}
	for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"):
		if name in os.environ:
			env[name] = os.environ[name]
	done = subprocess.run([program, *args], input=text.encode(), capture_output=True, cwd=work, env=env, timeout=60)
	return done.stdout, done.stderr, done.returncode


def normal(data, names):
	for name, common in names:
		data = data.replace(name.encode(), common)
	return data


def compare(case, tally, sqlite3, sock, file, work):
	args, text = case
	label = repr(args) + "\n" + text
	theirs = run(sqlite3, [str(file) if a == "DB" else a for a in args], text, work)
	ours = run(tally, [str(sock) if a == "DB" else a for a in args], text, work)
	names = [(str(file), b"DB"), (str(sock), b"DB"), (str(tally), b"SHELL"), (sqlite3, b"SHELL")]
	theirs = (normal(theirs[0], names), normal(theirs[1], names), theirs[2])
	ours = (normal(ours[0], names), normal(ours[1], names), ours[2])
	reason = known_reason(label)
	if theirs == ours:
		return ("known difference is gone", label) if reason else None
	if reason:
		return None
	shown = [f"{a.decode(errors='replace')}-- error\n{b.decode(errors='replace')}-- exit {c}\n" for a, b, c in (theirs, ours)]
	difference = difflib.unified_diff(shown[0].splitlines(), shown[1].splitlines(), "sqlite3", "tally", lineterm="", n=2)
	return "\n".join(difference), label


# What lists the schema shows the daemon's tables beside ours: the stand-in is for that.
SCHEMA = (".tables\n", ".schema\n", ".schema --indent", ".schema --nosys", ".fullschema\n", ".dump\n")


def over_the_same_file(work, sqlite3, cases):
	"""Yields what differs from tally over the stand-in."""
	file, sock = work / "rows.db", work / "s.sock"
	# Text that is no UTF-8 cannot travel in JSON: it is shown as U+FFFD, which the manual says.
	subprocess.run([sqlite3, str(file)], input=ROWS.read_bytes() + b"delete from t where id = 21;", check=True)
	server = subprocess.Popen([BUILD / "tests/client/stand_in", sock, file])
	try:
		while not sock.exists():
			time.sleep(0.01)
		for case in cases:
			yield compare(case, BUILD / "tally", sqlite3, sock, file, work)
	finally:
		server.kill()
		server.wait()


def in_the_daemon(work, sqlite3, cases):
	"""Yields what differs from tally over tallyd."""
	file, sock, rows = work / "empty.db", work / "d.sock", work / "rows.sql"
	rows.write_text(ROWS.read_text().replace("create table", "create temp table") + "delete from t where id = 21;")
	subprocess.run([sqlite3, str(file), "vacuum"], check=True)
	(work / "events").mkdir()
	daemon = subprocess.Popen([BUILD / "tallyd", "--events", work / "events", "--socket", sock, "--state-dir", work / "state"],
		stderr=subprocess.DEVNULL)
	try:
		while subprocess.run([BUILD / "tally", "--ping", sock], capture_output=True).returncode != 0:
			time.sleep(0.01)
		for args, text in cases:
			if "-init" in args or any(part in text for part in SCHEMA):
				continue
			yield compare((["-init", str(rows), *args], text), BUILD / "tally", sqlite3, sock, file, work)
	finally:
		daemon.terminate()
		daemon.wait()


def main():
	sqlite3 = shutil.which("sqlite3")
	version = subprocess.run([sqlite3, "-version"], capture_output=True, text=True).stdout if sqlite3 else ""
	if not version.startswith("3.40."):
		print("skipped: needs the sqlite3 3.40 shell")
		return 77
	work = pathlib.Path(tempfile.mkdtemp(prefix="tally-compare-"))
	failures = 0
	total = 0
	cases = [(["DB"], script) for script in scripts()] + list(arguments())
	try:
		for found in itertools.chain(over_the_same_file(work, sqlite3, cases), in_the_daemon(work, sqlite3, cases)):
			total += 1
			if found:
				failures += 1
				print(f"== {found[1]}\n{found[0]}")
	finally:
		shutil.rmtree(work)
	print(f"{total - failures} of {total} invocations are equal or known to differ")
	return 1 if failures else 0


if __name__ == "__main__":
	sys.exit(main())
