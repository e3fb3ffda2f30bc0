#!/usr/bin/env python3
"""tally where something is wrong: no daemon, the wrong file, a server that dies
in the middle, a reader that leaves, a large answer, values of every kind."""
import csv
import fcntl
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import termios
import threading
import time

from cases import BUILD, DEADLINE, SOURCE, TALLY, environment, holds, run_cases, same

SANITIZED = "ASAN_OPTIONS" in os.environ


class Place:
	def __init__(self):
		self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tally-edges-"))
		self.file, self.sock = self.dir / "t.db", self.dir / "s.sock"
		db = sqlite3.connect(self.file)
		db.executescript((SOURCE / "tests/sql/print/rows.sql").read_text())
		db.commit()
		db.close()
		self.server = self.forger = None

	def serve(self, *more):
		self.server = subprocess.Popen([BUILD / "tests/client/stand_in", self.sock, self.file, *map(str, more)], start_new_session=True)
		while not self.sock.exists():
			time.sleep(0.01)

	def forge(self, answer):
		"""Somebody else in the daemon's place: says what answer(request) gives to each request, until a reader leaves."""
		listener = socket.socket(socket.AF_UNIX)
		listener.bind(str(self.sock))
		listener.listen()
		self.forger = listener

		def talk(peer):
			with peer, peer.makefile("rb") as lines:
				try:
					for line in lines:
						request = json.loads(line)
						for piece in answer(request) if "sql" in request else ():
							peer.sendall(piece)
				except OSError:
					pass

		def serve():
			while True:
				try:
					peer, _ = listener.accept()
				except OSError:
					return
				threading.Thread(target=talk, args=(peer,), daemon=True).start()
		threading.Thread(target=serve, daemon=True).start()

	def run(self, *args, text="", **env):
		return subprocess.run([TALLY, *map(str, args)], input=text, capture_output=True, text=True, env=environment(self.dir, **env), timeout=60)

	def stop(self):
		if self.server:
			os.killpg(self.server.pid, signal.SIGKILL)
			self.server.wait()
			self.server = None

	def close(self):
		self.stop()
		if self.forger:
			self.forger.shutdown(socket.SHUT_RDWR)
			self.forger.close()
		shutil.rmtree(self.dir)


def without_a_daemon_one_sentence_says_what_to_look_at(p):
	done = p.run(p.sock, "select 1")
	same(done.returncode, 1)
	same(done.stdout, "")
	same(done.stderr.count("\n"), 1)
	holds(done.stderr, f'Error: unable to connect to "{p.sock}": no such file; is tallyd running (systemctl status tallyd)')


def a_file_that_is_no_socket_is_named_as_such(p):
	done = p.run(p.file, "select 1")
	same(done.returncode, 1)
	holds(done.stderr, "not tallyd's socket")


def a_socket_nobody_listens_on_is_told(p):
	with socket.socket(socket.AF_UNIX) as listener:
		listener.bind(str(p.sock))
	done = p.run(p.sock, "select 1")
	same(done.returncode, 1)
	holds(done.stderr, "nobody listens there")


def a_socket_closed_to_us_names_the_group(p):
	if os.getuid() != 0:
		return
	p.serve()
	os.chmod(p.dir, 0o755)
	# A copy, because the build may be closed to that user.
	shutil.copy(TALLY, p.dir / "tally")
	def ask(path):
		return subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", p.dir / "tally", path, "select 1"],
			capture_output=True, text=True, env=environment(p.dir))
	for gid, mode, sentence in ((2, 0o660, "the socket is open to the group "), (2, 0o600, "only its owner may"), (0, 0o660, "only its owner may")):
		os.chown(p.sock, 0, gid)
		os.chmod(p.sock, mode)
		done = ask(p.sock)
		same(done.returncode, 1)
		holds(done.stderr, "permission denied; " + sentence)
	holds(ask(p.dir / "tally").stderr, "not tallyd's socket")


def a_path_that_is_too_long_is_refused(p):
	done = p.run("/tmp/" + "x" * 200, "select 1")
	same(done.returncode, 1)
	holds(done.stderr, "at most 107 bytes")


def the_environment_names_the_socket(p):
	p.serve()
	same(p.run("select 'env'", TALLY_SOCKET=str(p.sock)).stdout, "env\n")
	same(p.run("-s", p.sock, "select 'option'").stdout, "option\n")
	same(p.run(text="select 'pipe';", TALLY_SOCKET=str(p.sock)).stdout, "pipe\n")


def commands_that_need_no_daemon_do_not_ask_for_one(p):
	done = p.run(p.sock, ".mode csv", ".show", ".print x", ".help mode")
	same(done.returncode, 0)
	holds(done.stdout, "mode: csv")


def a_script_stops_when_the_connection_breaks(p):
	done = p.run(p.sock, text="select 1;\nselect 2;\n")
	same(done.returncode, 1)
	same(done.stderr.count("Error"), 1)
	holds(done.stderr, "Error near line 1: unable to connect")


def a_server_that_dies_leaves_no_answer_that_looks_whole(p):
	query = "with recursive r(i) as (select 1 union all select i + 1 from r where i < 5000) select i, 'text' from r"
	p.serve()
	whole = {mode: p.run(mode, p.sock, query).stdout for mode in ("-list", "-json", "-box", "-csv", "-line")}
	p.stop()
	for left in (0, 1, 30, 60, 100, 1000, 33000, 50000):
		p.sock.unlink()
		p.serve("die-after", left)
		for mode, text in whole.items():
			done = p.run(mode, p.sock, query)
			same(done.returncode, 1)
			holds(done.stderr, "tallyd closed the connection before the answer was whole")
			assert done.stdout != text and not done.stdout.endswith("]\n") and "└" not in done.stdout, (mode, left)
			if mode in ("-list", "-csv"):
				assert text.startswith(done.stdout) and (not done.stdout or done.stdout.endswith("\n")), (mode, left)
		p.stop()


def what_is_no_tallyd_is_told(p):
	listener = socket.socket(socket.AF_UNIX)
	listener.bind(str(p.sock))
	listener.listen()

	def serve():
		other, _ = listener.accept()
		other.recv(1000)
		other.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
		other.close()
		listener.close()
	thread = threading.Thread(target=serve)
	thread.start()
	done = p.run(p.sock, "select 1")
	thread.join()
	same(done.returncode, 1)
	holds(done.stderr, "the answer is not one that this tally understands")


def frames(*members):
	"""One answer: each member in a line of its own, with the request's id."""
	return lambda request: [json.dumps({"id": request["id"], **member}).encode() + b"\n" for member in members]


def an_answer_of_other_columns_than_asked_ends_no_program(p):
	p.forge(frames({"columns": ["a"], "types": ["TEXT"]}, {"rows": [["x"], ["y"]]}, {"ok": True, "count": 2, "snapshot": 1, "ms": 0.1}))
	for args in (["--check"], ["--verify"], ["--ping"], ["--prometheus"], [".dump"], [f".save {p.dir / 'saved.db'}"], [".status"], [".files"], [".schema"],
			[".databases"], [".limit"], [".version"], [".changes on", "select 1"]):
		done = p.run(p.sock, *args)
		assert done.returncode in (0, 1, 2, 3), (args, done)


def a_sentence_from_elsewhere_does_not_speak_to_the_terminal(p):
	evil = "\x1b]0;title\x07\x7f\u009b2J ü"
	quiet = "\\x1b]0;title\\x07\\x7f\\xc2\\x9b2J ü"
	p.forge(frames({"error": {"code": 1, "message": evil, "offset": -1}}))
	for args in (["select 1"], ["--ping"], ["--verify"], [".status"], ["--follow", "select 1"]):
		done = p.run(p.sock, *args)
		holds(done.stderr, "Error: " + ("in prepare, " if args == ["select 1"] else "") + quiet)
		same([c for c in done.stdout + done.stderr if c in "\x1b\x07\x7f\u009b"], [])


def who_is_turned_away_in_plain_text_reads_it_as_text(p):
	p.forge(lambda request: [b"Error: full\x1b[2J\n"])
	done = p.run(p.sock, "select 1")
	same((done.returncode, done.stderr), (1, "Error: full\\x1b[2J\n"))


def an_answer_that_comes_in_drops_does_not_hang_a_monitor(p):
	def drops(request):
		while True:
			yield b" "
			time.sleep(0.005)
	p.forge(drops)
	for args, status in ((["--ping"], 1), (["--check"], 2), (["--prometheus"], 1)):
		done = p.run(*args, "-timeout", "50", p.sock)
		same((args, done.returncode), (args, status))
		holds(done.stdout + done.stderr, "no answer in time")


def a_query_that_failed_is_critical_though_nothing_was_counted_yet(p):
	def answer(request):
		rows = [["counts", "FAILED", 0, 0, 0, 0, 0, "why"]] if "FROM queries ORDER BY" in request["sql"] else []
		return frames({"columns": ["c"] * 8, "types": ["TEXT"] * 8}, {"rows": rows}, {"ok": True, "count": len(rows), "snapshot": 1, "ms": 0.1})(request)
	p.forge(answer)
	done = p.run("--check", "--lag", "1 hour", p.sock)
	same(done.returncode, 2)
	assert done.stdout.startswith("TALLY CRITICAL - counts is FAILED: why, "), done.stdout


def a_directory_in_tmp_that_somebody_else_made_is_not_the_users(p):
	if os.getuid() != 0:
		print("skipped: becoming another user needs root")
		return
	uid = 60000 + os.getpid() % 5000
	home = pathlib.Path(f"/tmp/tallyd-{uid}")
	shutil.copy(TALLY, p.dir / "tally")
	os.chmod(p.dir, 0o755)
	home.mkdir(mode=0o755)
	try:
		p.sock = home / "tallyd.sock"
		p.forge(frames({"columns": ["a"], "types": ["TEXT"]}, {"rows": [["forged"]]}, {"ok": True, "count": 1, "snapshot": 1, "ms": 0.1}))
		os.chmod(p.sock, 0o777)
		def ask():
			return subprocess.run(["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", p.dir / "tally", "select 1"],
				capture_output=True, text=True, env=environment(p.dir), timeout=60)
		assert "forged" not in ask().stdout
		os.chown(home, uid, uid)
		same(ask().stdout, "forged\n")
	finally:
		shutil.rmtree(home)


def a_reader_that_leaves_ends_it(p):
	p.serve()
	# Without it there would be no end.
	query = "with recursive r(i) as (select 1 union all select i + 1 from r) select i from r"
	done = subprocess.run(f"'{TALLY}' '{p.sock}' '{query}' | head -1", shell=True, capture_output=True, text=True, timeout=DEADLINE)
	same(done.stdout, "1\n")
	same(done.stderr, "")


def a_full_disk_is_an_error(p):
	p.serve()
	if not os.path.exists("/dev/full"):
		return
	with open("/dev/full", "w") as full:
		done = subprocess.run([TALLY, p.sock, "select 1"], stdout=full, stderr=subprocess.PIPE, text=True)
	same(done.returncode, 1)
	holds(done.stderr, "took only a part")
	many = "with recursive r(i) as (select 1 union all select i + 1 from r where i < 200000) select i from r"
	with open("/dev/full", "w") as full:
		done = subprocess.run([TALLY, p.sock, many], stdout=full, stderr=subprocess.PIPE, text=True)
	same(done.returncode, 1)
	holds(done.stderr, "took only a part")
	for query in ("select 1", many):
		done = p.run(p.sock, text=f".output /dev/full\n{query};\n.output\nselect 'after';\n")
		same(done.returncode, 1)
		holds(done.stderr, "No space left on device")
		same(done.stdout, "after\n")


def ctrl_c_ends_a_request_that_nobody_takes(p):
	with socket.socket(socket.AF_UNIX) as listener:
		listener.bind(str(p.sock))
		listener.listen()
		child = subprocess.Popen([TALLY, p.sock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
		child.stdin.write("select '" + "x" * 4000000 + "';\n")
		child.stdin.flush()
		server, _ = listener.accept()
		# What a socket holds is there: it waits in its send().
		while int.from_bytes(fcntl.ioctl(server, termios.FIONREAD, bytes(4)), sys.byteorder) < 100000:
			time.sleep(0.01)
		end = time.monotonic() + DEADLINE
		while child.poll() is None and time.monotonic() < end:
			child.send_signal(signal.SIGINT)
			time.sleep(0.05)
		server.close()
		out, error = child.communicate(timeout=DEADLINE)
	same((child.returncode, out), (1, ""))
	holds(error, "interrupted")


def a_chart_that_cannot_be_drawn_costs_no_connection(p):
	p.serve()
	done = p.run(p.sock, text="create temp table t as select 'alive' a;\n.mode chart\nselect 'text';\n.mode list\nselect a from t;\n")
	same((done.returncode, done.stdout), (1, "alive\n"))
	holds(done.stderr, "nothing to draw")


def sigint_cancels_a_statement_in_a_script(p):
	p.serve()
	child = subprocess.Popen([TALLY, p.sock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
	child.stdin.write("with recursive r(i) as (select 1 union all select i + 1 from r) select max(i) from r;\nselect 'after';\n")
	child.stdin.flush()
	# It connects for the first statement; the server has a process for each connection.
	while not pathlib.Path(f"/proc/{p.server.pid}/task/{p.server.pid}/children").read_text():
		time.sleep(0.01)
	child.send_signal(signal.SIGINT)
	out, error = child.communicate(timeout=DEADLINE)
	same(error, "Runtime error near line 1: interrupted (9)\n")
	same(out, "")
	same(child.returncode, 1)


def numbers_that_no_parameter_has_are_left_to_the_daemon(p):
	p.serve()
	for number in ("0", "99999999", "99999999999999999999"):
		done = p.run(p.sock, ".parameter set ?1 5", f"select ?1, ?{number}")
		same(done.returncode, 1)
		holds(done.stderr, "variable number must be between ?1 and ")


def a_timeout_cancels(p):
	p.serve()
	done = p.run("-timeout", "300", p.sock, "with recursive r(i) as (select 1 union all select i + 1 from r) select max(i) from r")
	same(done.returncode, 9)
	holds(done.stderr, "interrupted: it took longer than the timeout of 300 ms")


def a_timeout_longer_than_any_is_none(p):
	p.serve()
	same(p.run(p.sock, ".timeout 9223372036854775807", "select 'there'").stdout, "there\n")


def a_timeout_that_is_no_number_is_refused(p):
	for text in ("soon", "5s", "-1", "1.5", ""):
		done = p.run("-timeout", text, p.sock, "select 1")
		same((done.returncode, done.stdout), (1, ""))
		holds(done.stderr, f'Error: -timeout needs a number of milliseconds, not "{text}"')


def a_timeout_cancels_in_the_modes_that_hold_the_whole(p):
	p.serve()
	endless = "with recursive r(i) as (select 1 union all select i + 1 from r) select i from r where i < 0"
	for mode in ("-chart", "-box", "-csv"):
		done = p.run(mode, "-timeout", "100", p.sock, endless)
		same((mode, done.returncode, done.stdout), (mode, 9, ""))
		holds(done.stderr, "the timeout of 100 ms")
	# The connection lives on, and what is in it.
	done = p.run(p.sock, text=f"create temp table t as select 'alive' a;\n.mode box\n.timeout 100\n{endless};\n.mode list\n.timeout 0\nselect a from t;\n")
	same(done.stdout, "alive\n")


def a_daemon_that_hangs_does_not_hang_a_monitor(p):
	with socket.socket(socket.AF_UNIX) as listener:
		listener.bind(str(p.sock))
		listener.listen()
		for args, status in ((["--ping"], 1), (["--check"], 2), (["--prometheus"], 1)):
			same((args, p.run(*args, "-timeout", "50", p.sock).returncode), (args, status))


def options_of_sqlite3_that_make_no_sense_here_say_so(p):
	for option in ("-append", "--vfs", "-mmap", "-safe", "-A"):
		done = p.run(option, p.sock, "select 1")
		same((done.returncode, done.stdout), (1, ""))
		holds(done.stderr, "Error: -" + option.lstrip("-") + " does not work at a distance: ")


def a_million_rows_take_no_memory(p):
	p.serve()
	query = "with recursive r(i) as (select 1 union all select i + 1 from r where i < 1000000) select i, 'a text of some length' from r"
	child = subprocess.Popen([TALLY, "-csv", p.sock, query], stdout=subprocess.DEVNULL)
	highest = 0
	while child.poll() is None:
		for line in pathlib.Path(f"/proc/{child.pid}/status").read_text().splitlines():
			if line.startswith("VmHWM:"):
				highest = int(line.split()[1])
		time.sleep(0.02)
	same(child.returncode, 0)
	assert SANITIZED or highest < 6000, f"{highest} KB"


def values_survive_csv_and_json(p):
	p.serve()
	rows = sqlite3.connect(p.file).execute("select id, v from t where typeof(v) = 'text' and id not in (21, 22) order by id").fetchall()
	query = "select id, v from t where typeof(v) = 'text' and id not in (21, 22) order by id"
	done = subprocess.run([TALLY, "-csv", p.sock, query], capture_output=True)
	# The csv module takes \r\n apart on its own, so the text is not opened in a newline mode.
	parsed = list(csv.reader(io.StringIO(done.stdout.decode(), newline="")))
	same([(int(a), b) for a, b in parsed], rows)
	done = subprocess.run([TALLY, "-json", p.sock, query], capture_output=True)
	same([(row["id"], row["v"]) for row in json.loads(done.stdout.decode())], rows)
	done = p.run("-json", p.sock, "select v from t where typeof(v) in ('integer', 'real') and id not in (43, 44) order by id")
	numbers = [row[0] for row in sqlite3.connect(p.file).execute("select v from t where typeof(v) in ('integer', 'real') and id not in (43, 44) order by id")]
	for ours, theirs in zip((row["v"] for row in json.loads(done.stdout)), numbers):
		assert ours == theirs if isinstance(theirs, int) else abs(ours - theirs) <= 1e-14 * abs(theirs), (ours, theirs)


def a_dump_and_a_save_give_the_rows_back(p):
	p.serve()
	done = p.run(p.sock, ".dump")
	same(done.returncode, 0)
	copy = sqlite3.connect(":memory:")
	copy.executescript(done.stdout)
	original = sqlite3.connect(p.file)
	for table in ("w", "one"):
		same(copy.execute(f"select * from {table}").fetchall(), original.execute(f"select * from {table}").fetchall())
	saved = p.dir / "saved.db"
	same(p.run(p.sock, f".save {saved}").returncode, 0)
	same(sqlite3.connect(saved).execute("select * from w").fetchall(), original.execute("select * from w").fetchall())
	same(sqlite3.connect(saved).execute("pragma integrity_check").fetchall(), [("ok",)])
	# Over an older one, but never over something else.
	same(p.run(p.sock, f".save {saved}").returncode, 0)
	precious = p.dir / "precious.txt"
	precious.write_text("do not touch")
	done = p.run(p.sock, f".save {precious}")
	same(done.returncode, 1)
	holds(done.stderr, "is no SQLite file and is left as it is")
	same(precious.read_text(), "do not touch")
	same(sorted(f.name for f in p.dir.iterdir() if f.suffix == ".tmp"), [])


def a_save_cut_short_leaves_the_old_file(p):
	p.serve()
	saved = p.dir / "saved.db"
	same(p.run(p.sock, f".save {saved}").returncode, 0)
	before = saved.read_bytes()
	p.stop()
	for left in (200, 1000, 2000):
		p.sock.unlink()
		p.serve("die-after", left)
		done = p.run(p.sock, f".save {saved}")
		same(done.returncode, 1)
		assert saved.read_bytes() == before
		same([f.name for f in p.dir.iterdir() if f.name.endswith(".tmp")], [])
		done = p.run(p.sock, ".dump")
		same(done.returncode, 1)
		assert "COMMIT" not in done.stdout
		p.stop()


def a_save_runs_nothing_that_reaches_another_file(p):
	other, saved = p.dir / "other.db", p.dir / "saved.db"
	evil = [f"CREATE TABLE t(a); ATTACH '{other}' AS e; CREATE TABLE e.x(a)", f"COMMIT; VACUUM INTO '{other}'"]
	p.forge(lambda request: frames({"columns": ["type", "name", "sql"], "types": ["TEXT"] * 3}, {"rows": [["table", "t", evil[0]]]},
		{"ok": True, "count": 1, "snapshot": 1, "ms": 0.1})(request))
	while evil:
		done = p.run(p.sock, f".save {saved}")
		same((done.returncode, evil[0], other.exists(), saved.exists()), (1, evil[0], False, False))
		holds(done.stderr, "too many attached databases")
		evil.pop(0)


def a_save_writes_through_no_link_that_another_left(p):
	p.serve()
	saved, precious = p.dir / "saved.db", p.dir / "precious"
	precious.touch()
	done = subprocess.run(["sh", "-c", 'ln -s "$1" "$2.$$.tmp"; exec "$3" "$4" ".save $2"', "sh", precious, saved, TALLY, p.sock],
		capture_output=True, text=True, env=environment(p.dir), timeout=60)
	same((done.returncode, precious.stat().st_size, saved.exists()), (1, 0, False))
	holds(done.stderr, "cannot open")


def monitoring_says_when_there_is_no_daemon(p):
	done = p.run("--check", p.sock)
	same(done.returncode, 2)
	assert done.stdout.startswith("TALLY CRITICAL - unable to connect"), done.stdout
	same(done.stdout.count("\n"), 1)
	done = p.run("--check", "-w", "x", p.sock)
	same(done.returncode, 3)
	assert done.stdout.startswith("TALLY UNKNOWN - "), done.stdout
	same(p.run("--ping", p.sock).returncode, 1)
	same(p.run("--verify", p.sock).returncode, 2)
	prom = p.dir / "tally.prom"
	done = p.run("--prometheus", "-o", prom, p.sock)
	same(done.returncode, 1)
	holds(prom.read_text(), "tallyd_up 0\n")


if __name__ == "__main__":
	sys.exit(run_cases(sys.modules[__name__], Place))
