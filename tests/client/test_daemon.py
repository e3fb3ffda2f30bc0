#!/usr/bin/env python3
"""tally beside the real tallyd: what it shows of the stream, what it says to
monitoring systems, and, on a saved snapshot, the same bytes as sqlite3."""
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

from cases import BUILD, DEADLINE, TALLY, environment, holds, run_cases, same


class Place:
	"""A daemon over a directory of its own: 3 files, 60 events in 3 hours."""

	def __init__(self):
		self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tally-daemon-"))
		self.events, self.sock = self.dir / "events", self.dir / "s.sock"
		self.events.mkdir()
		for hour in range(3):
			self.add(f"file-{hour}.json", [{"time": 1469498400 + 3600 * hour + i, "action": "Open" if i % 3 else "Close"} for i in range(20)])
		self.daemon = None
		self.start()

	def start(self):
		self.daemon = subprocess.Popen([BUILD / "tallyd", "--events", self.events, "--socket", self.sock, "--state-dir", self.dir / "state"],
			stderr=(self.dir / "log").open("a"))
		self.wait(lambda: self.run("select sum(count) from counts").stdout.strip() not in ("", "0"))

	def stop(self):
		self.daemon.terminate()
		self.daemon.wait(DEADLINE)

	def add(self, name, events):
		part = self.events / f".{name}"
		part.write_text("".join(json.dumps(event) + "\n" if isinstance(event, dict) else event + "\n" for event in events))
		part.rename(self.events / name)

	def wait(self, condition):
		end = time.monotonic() + DEADLINE
		while not condition():
			if time.monotonic() > end:
				raise AssertionError(f"waited in vain; the log says\n{(self.dir / 'log').read_text()}")
			time.sleep(0.05)

	def env(self):
		return environment(self.dir, TALLY_SOCKET=str(self.sock))

	def run(self, *args, text=""):
		return subprocess.run([TALLY, *map(str, args)], input=text, capture_output=True, text=True, env=self.env(), timeout=60)

	def open(self, *args):
		return subprocess.Popen([TALLY, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env())

	def close(self):
		if self.daemon.poll() is None:
			self.daemon.kill()
			self.daemon.wait()
		shutil.rmtree(self.dir)


def the_notebooks_queries_run_as_written(p):
	done = p.run('select action, date_format(window.end, "MMM-dd HH:mm") as time, count from counts order by time, action')
	same(done.stdout, "Close|Jul-26 03:00|7\nOpen|Jul-26 03:00|13\nClose|Jul-26 04:00|7\nOpen|Jul-26 04:00|13\nClose|Jul-26 05:00|7\nOpen|Jul-26 05:00|13\n")
	done = p.run("select action, sum(count) as total_count from counts group by action order by action")
	same(done.stdout, "Close|21\nOpen|39\n")
	done = p.run("-chart", 'select action, date_format(window.end, "MMM-dd HH:mm") as time, count from counts order by time, action')
	holds(done.stdout, "Close\n")
	holds(done.stdout, "Jul 26 03:00")


def a_saved_snapshot_gives_sqlite3_the_same_bytes(p):
	if shutil.which("sqlite3") is None:
		return
	saved = p.dir / "saved.db"
	same(p.run(f".save {saved}").stderr, "")
	queries = ["select * from counts", "select action, sum(count), avg(count), count * 1.5 from counts group by 1", "select * from files where 0",
		"select source, path, size, state from files order by path", "select null, '', 1e100, x'00ff', 'a''b' || char(10) || 'c' from counts limit 2"]
	for mode in ("-list", "-csv", "-json", "-line", "-box", "-column", "-table", "-markdown", "-quote", "-html", "-tabs", "-ascii"):
		for query in queries:
			theirs = subprocess.run(["sqlite3", "-header", mode, saved, query], capture_output=True)
			ours = subprocess.run([TALLY, "-header", mode, query], capture_output=True, env=p.env())
			same((mode, query, ours.stdout, ours.stderr, ours.returncode), (mode, query, theirs.stdout, theirs.stderr, theirs.returncode))


def errors_read_as_sqlite3s(p):
	if shutil.which("sqlite3") is None:
		return
	saved = p.dir / "saved.db"
	p.run(f".save {saved}")
	for text in ("selec 1;", "select nosuch from counts;", "select * from nosuch;", "select 1 from counts where;", "select abs(-9223372036854775807 - 1);",
			"select action, abs(iif(action = 'Open', -9223372036854775807 - 1, 1)) from counts;", "select 'x;\n", "select 1;\n\nselect 2, +;\nselect 3;",
			"select abs();", "select 1 union select 1, 2;", "select (select 1, 2);"):
		for args in ([], ["-bail"]):
			theirs = subprocess.run(["sqlite3", *args, saved], input=text, capture_output=True, text=True)
			ours = p.run(*args, text=text)
			same((text, ours.stdout, ours.stderr, ours.returncode), (text, theirs.stdout, theirs.stderr, theirs.returncode))
		theirs = subprocess.run(["sqlite3", saved, text], capture_output=True, text=True)
		ours = p.run(text)
		same((text, ours.stdout, ours.stderr, ours.returncode), (text, theirs.stdout, theirs.stderr, theirs.returncode))


def writing_is_refused_by_name(p):
	done = p.run("insert into counts values('x', 'y', 'z', 1)")
	holds(done.stderr, "tallyd is read-only: INSERT")
	assert done.returncode != 0
	done = p.run("create temp view v as select 1 as a; select a from v", ".tables")
	holds(done.stdout, "temp.v")


def tables_and_schemas_show_what_can_be_asked(p):
	done = p.run(".tables", ".schema counts", ".schema events", ".indexes", ".databases", ".limit query_timeout", ".version")
	same(done.stderr, "")
	for name in ("counts", "events", "files", "progress", "queries", "rejects", "sessions", "settings", "static_counts", "30 seconds", "/* events("):
		holds(done.stdout, name)


def status_files_and_rejects(p):
	p.add("bad.json", ["{bad", '{"time":"never","action":"x"}'])
	p.wait(lambda: "bad_time" in p.run(".rejects").stdout)
	done = p.run(".status")
	holds(done.stdout, "ACTIVE")
	holds(done.stdout, "Last batches")
	done = p.run(".files done")
	same(done.stdout.count("file-"), 3)
	same(p.run(".files missing").stdout, "")
	for wrong in (".files mising", ".files done done", ".rejects x"):
		done = p.run(wrong)
		same((wrong, done.returncode, done.stdout), (wrong, 1, ""))
		holds(done.stderr, f"Usage: {wrong.split()[0]} ?")
	done = p.run(".rejects 1")
	same(done.stdout.count("bad.json"), 1)
	holds(done.stdout, "bad_json")
	p.add("hostile\x1b[31m.json", ["\x1b]0;title\x07\r" + "x" * 500])
	p.wait(lambda: "hostile" in p.run(".rejects").stdout)
	done = p.run(".rejects 1")
	holds(done.stdout, "hostile\\x1b[31m.json")
	holds(done.stdout, "\\x1b]0;title\\x07\\x0dxxx")
	holds(done.stdout, "xxx…")
	same([c for c in done.stdout if ord(c) < 32 and c != "\n"], [])


def a_file_in_error_is_told(p):
	# Broken, not forbidden: root reads everything.
	(p.events / "broken.gz").write_bytes(b"\x1f\x8b\x08\x00" + b"\xff" * 100)
	p.wait(lambda: p.run(".files error").stdout != "")
	done = p.run(".status")
	holds(done.stdout, "Files in error\n")
	holds(done.stdout, "broken gzip data")
	done = p.run("--check")
	same(done.returncode, 1)
	holds(done.stdout, "1 file in error, such as broken.gz")
	(p.events / "broken.gz").unlink()
	p.wait(lambda: p.run("--check").returncode == 0)


def a_query_is_stopped_and_started(p):
	same(p.run(".stop counts").stdout, "counts: STOPPED\n")
	done = p.run("--check")
	same(done.returncode, 1)
	holds(done.stdout, "TALLY WARNING - counts is STOPPED")
	done = p.run(".start counts")
	assert done.stdout in ("counts: ACTIVE\n", "counts: INITIALIZING\n"), done.stdout
	p.wait(lambda: p.run("--check").returncode == 0)
	same(p.run(".start nosuch").returncode, 1)


def check_judges_values_and_age(p):
	done = p.run("--check")
	same(done.returncode, 0)
	assert done.stdout.startswith("TALLY OK - 1 query, 3 files, 60 events, 0 rejects, newest event 2016-07-26 "), done.stdout
	holds(done.stdout, "'events'=60c")
	done = p.run("--check", "--lag", "1 hour")
	same(done.returncode, 2)
	assert re.match(r"TALLY CRITICAL - .*, newest event 2016-07-26 \S+ UTC is older than 1 hour \|", done.stdout), done.stdout
	same(p.run("--check", "--lag", "100000 weeks").returncode, 0)
	done = p.run("--check", "-w", "5", "-c", "10", "--sql", "select count(*) n from counts")
	same(done.returncode, 1)
	holds(done.stdout, "'n'=6;5;10")
	same(p.run("--check", "-c", "@6:6", "--sql", "select count(*) n from counts").returncode, 2)
	same(p.run("--check", "--sql", "select 'x'").returncode, 3)
	same(p.run("--check", "--sql", "selec").returncode, 3)
	same(p.run("--check", "--lag", "soon").returncode, 3)


def the_lag_is_the_newest_events_age_and_not_its_windows(p):
	newest = int(time.time()) - 1800
	p.add("now.json", [{"time": newest - 7200, "action": "Open"}, {"time": newest, "action": "Open"}, {"time": newest - 60, "action": "Open"}])
	p.wait(lambda: p.run("select events from queries").stdout == "63\n")
	for _ in range(2):
		same(p.run("select query, unix_timestamp(time) from newest_events").stdout, f"counts|{newest}\n")
		holds(p.run("--prometheus").stdout, f'tallyd_newest_event_timestamp_seconds{{query="counts"}} {newest}\n')
		same(p.run("--check", "--lag", "20 minutes").returncode, 2)
		same(p.run("--check", "-w", "1200").returncode, 1)
		same(p.run("--check", "--lag", "2 hours", "-w", "7200", "-c", "7200").returncode, 0)
		# It is still known after a restart.
		p.stop()
		p.start()


def promtool_finds_nothing_to_say(p):
	if not shutil.which("promtool"):
		return
	for args in ([], ["--totals"]):
		done = subprocess.run(["promtool", "check", "metrics"], input=p.run("--prometheus", *args).stdout, capture_output=True, text=True)
		same((done.returncode, done.stdout, done.stderr), (0, "", ""))


def the_memory_is_the_daemons_whoever_made_its_socket(p):
	"""As with systemd: another process listens, and hands the socket on."""
	p.stop()
	starter = """
import os, socket, subprocess, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[2])
s.listen()
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_FDS"] = "1"
code = "import os, sys; os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[1], sys.argv[1:])"
big = bytearray(b"x" * 200000000)
sys.exit(subprocess.run([sys.executable, "-c", code, sys.argv[1], "--events", sys.argv[3], "--socket", sys.argv[2], "--state-dir", sys.argv[4]], close_fds=False).returncode)
"""
	p.sock.unlink(missing_ok=True)
	parent = subprocess.Popen([sys.executable, "-c", starter, BUILD / "tallyd", p.sock, p.events, p.dir / "state"], stderr=subprocess.DEVNULL, start_new_session=True)
	try:
		p.wait(lambda: p.run("select sum(count) from counts").stdout.strip() not in ("", "0"))
		found = re.search(r"^tallyd_resident_memory_bytes (\d+)$", p.run("--prometheus").stdout, re.M)
		assert found and int(found[1]) < 150000000, found
	finally:
		os.killpg(parent.pid, signal.SIGKILL)
		parent.wait()


def prometheus_text_is_well_formed_and_replaced_in_one_step(p):
	prom = p.dir / "tally.prom"
	done = p.run("--prometheus", "-totals", "-o", prom)
	same((done.returncode, done.stdout, done.stderr), (0, "", ""))
	text = prom.read_text()
	for line in ('tallyd_events_total{query="counts",source="events"} 60', 'tallyd_files{source="events",state="done"} 3', "tallyd_up 1",
			'tallyd_group_events{query="counts",action="Open"} 39'):
		holds(text, line + "\n")
	family = None
	seen = set()
	for line in text.splitlines():
		if line.startswith("# HELP "):
			family = line.split()[2]
			assert family not in seen, family
			seen.add(family)
		elif not line.startswith("#"):
			name, _, value = line.partition("}")[0].partition("{")[0].split()[0], None, float(line.split()[-1])
			same(name, family)
	same([f.name for f in p.dir.iterdir() if "tally.prom" in f.name], ["tally.prom"])


def ping_answers(p):
	done = p.run("--ping")
	same(done.returncode, 0)
	holds(done.stdout, "answers at")


def verify_compares_with_the_files(p):
	same(p.run("--verify").stdout, "counts: counts and files are equal\n")
	same(p.run("--verify").returncode, 0)
	(p.events / "file-1.json").unlink()
	p.wait(lambda: p.run(".files missing").stdout != "")
	done = p.run("--verify")
	same(done.returncode, 2)
	holds(done.stdout, "cannot be compared")


def follow_prints_changes_as_they_come(p):
	child = p.open("-json", "--follow", "select action, sum(count) n from counts group by 1")
	same([json.loads(child.stdout.readline()) for _ in range(2)], [{"change": "insert", "action": "Close", "n": 21}, {"change": "insert", "action": "Open", "n": 39}])
	p.add("more.json", [{"time": 1469498400, "action": "Third"}])
	while True:
		change = json.loads(child.stdout.readline())
		if change["action"] == "Third":
			break
	same(change, {"change": "insert", "action": "Third", "n": 1})
	child.send_signal(signal.SIGINT)
	out, error = child.communicate(timeout=DEADLINE)
	same((out, error, child.returncode), ("", "", 0))


def a_follower_says_when_the_daemon_goes(p):
	child = p.open("--follow", "select action from counts")
	child.stdout.readline()
	p.stop()
	out, error = child.communicate(timeout=DEADLINE)
	assert child.returncode == 1 and error.startswith("Error: "), (child.returncode, error)


def watch_in_a_pipe_appends_when_the_snapshot_moves(p):
	child = p.open("-w", "0.1", "-json", "select sum(count) n from counts")
	assert child.stdout.readline().startswith("-- ")
	same(child.stdout.readline(), '[{"n":60}]\n')
	p.add("more.json", [{"time": 1469498400, "action": "Open"}])
	while True:
		line = child.stdout.readline()
		if line == '[{"n":61}]\n':
			break
		assert line.startswith("-- ") or line == '[{"n":60}]\n', line
	child.send_signal(signal.SIGINT)
	out, error = child.communicate(timeout=DEADLINE)
	same((error, child.returncode), ("", 0))


def ctrl_c_cancels_in_the_daemon(p):
	child = p.open("with recursive r(i) as (select 1 union all select i + 1 from r) select max(i) from r")
	p.wait(lambda: "running" in p.run("select state from sessions where query like 'with%'").stdout)
	child.send_signal(signal.SIGINT)
	out, error = child.communicate(timeout=DEADLINE)
	same((out, error, child.returncode), ("", "Error: stepping, interrupted (9)\n", 9))
	p.wait(lambda: p.run("select count(*) from sessions where query like 'with%'").stdout == "0\n")


def a_dump_is_one_snapshot_and_loads(p):
	done = p.run(".dump")
	same((done.returncode, done.stderr), (0, ""))
	copy = sqlite3.connect(":memory:")
	copy.executescript(done.stdout)
	same(copy.execute("select sum(count) from counts").fetchone(), (60,))
	same(copy.execute("select name, state from queries").fetchall()[0][0], "counts")


if __name__ == "__main__":
	sys.exit(run_cases(sys.modules[__name__], Place))
