#!/usr/bin/env python3
"""tally in a real terminal (a pty): prompts, editing, history, completion,
Ctrl-C, the pager, watching, and what a broken connection looks like. Waits for
text on the screen with a deadline, never for a time to pass."""
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

from cases import BUILD, TALLY, Terminal, environment, run_cases


class Place:
	"""A directory with a database, a server over it and a home."""

	def __init__(self):
		self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tally-pty-"))
		self.file = self.dir / "t.db"
		self.sock = self.dir / "s.sock"
		self.change("create table counts(action text, window_start text, count integer);"
			"insert into counts values('Close', '2016-07-26 02:00:00', 11), ('Open', '2016-07-26 02:00:00', 179);")
		self.server = None
		self.serve()
		self.terminals = []

	def change(self, sql):
		with sqlite3.connect(self.file) as db:
			db.executescript(sql)

	def serve(self, *more):
		if self.sock.exists():
			self.sock.unlink()
		self.server = subprocess.Popen([BUILD / "tests/client/stand_in", self.sock, self.file, *more], start_new_session=True)
		while not self.sock.exists():
			time.sleep(0.01)

	def stop(self):
		os.killpg(self.server.pid, signal.SIGKILL)
		self.server.wait()

	def tally(self, *args, **more):
		size = {key: more.pop(key) for key in ("columns", "rows") if key in more}
		terminal = Terminal([TALLY, self.sock, *args], environment(self.dir, **{"TERM": "xterm", **more}), **size)
		self.terminals.append(terminal)
		return terminal

	def close(self):
		for terminal in self.terminals:
			terminal.kill()
		self.stop()
		shutil.rmtree(self.dir)


def it_greets_prompts_and_continues(p):
	t = p.tally()
	t.expect(r"tally \S+\r\nEnter \"\.help\" for usage hints\.\r\n")
	t.expect("tally> ")
	t.line("select 1,")
	t.expect(r"  \.\.\.> ")
	t.line("2;")
	t.expect("│ 1 │ 2 │")
	t.expect("tally> ")
	t.line(".quit")
	assert t.end() == 0


def the_end_of_input_leaves(p):
	t = p.tally()
	t.expect("tally> ")
	t.send("\x04")
	assert t.end() == 0


def an_error_names_no_line_and_the_shell_goes_on(p):
	t = p.tally()
	t.expect("tally> ")
	t.line("selec 1;")
	t.expect(r"Parse error: near \"selec\": syntax error\r\n  selec 1;\r\n  \^--- error here\r\n")
	t.expect("tally> ")
	t.line("select 'still ' || 'here';")
	t.expect("still here")
	t.line(".exit 3")
	assert t.end() == 3


def history_comes_back_and_survives(p):
	t = p.tally()
	t.expect("tally> ")
	t.line("select 'remem' || 'bered';")
	t.expect("remembered")
	t.expect("tally> ")
	t.send("\x1b[A\r")
	t.expect("remembered")
	t.expect("tally> ")
	t.line(".quit")
	assert t.end() == 0
	assert "remem" in (p.dir / ".local/state/tally/history").read_text()
	t = p.tally()
	t.expect("tally> ")
	t.send("\x1b[A\x1b[A\r")
	t.expect("remembered")


def tab_completes_commands_keywords_tables_and_columns(p):
	t = p.tally()
	t.expect("tally> ")
	t.send(".mo\tcha\t\r")
	t.expect("tally> ")
	t.line(".show")
	t.expect("mode: chart")
	t.expect("tally> ")
	t.send(".mo\tquo\t\r")
	t.expect("tally> ")
	t.send("sel\twindow_s\tfrom counts\tlim\t1;\r")
	t.expect("'2016-07-26 02:00:00'")
	t.expect("tally> ")
	t.send("select a\t")  # several begin so: a second TAB lists them
	t.send("\t")
	t.expect("abs.*action")


def a_terminal_that_can_only_be_written_to_gets_neither_screens_nor_a_pager(p):
	for kind in ("dumb", ""):
		t = p.tally(TERM=kind, PAGER="echo paged; cat")
		t.expect("tally> ")
		t.line("with recursive r(i) as (select 1 union all select i + 1 from r where i < 99) select i from r;")
		said = t.expect("│ 99 │.*tally> ")
		t.line(".watch 0.1 select 'un' || 'moved' as x")
		said += t.expect(r"-- [^\n]+, snapshot \d+\r\n.*unmoved.*┘")
		t.send("\x03")
		said += t.expect("tally> ")
		assert "\x1b" not in said and "paged" not in said, said
		t.line(".quit")
		assert t.end() == 0


def ctrl_c_cancels_the_statement_and_not_the_shell(p):
	t = p.tally()
	t.expect("tally> ")
	t.line("with recursive r(i) as (select 1 union all select i + 1 from r) select max(i) from r;")
	t.expect(r"from r;\r\n")
	t.send("\x03")
	t.expect(r"Runtime error: interrupted \(9\)\r\n")
	t.expect("tally> ")
	t.line("select 'alive';")
	t.expect("alive")


def ctrl_c_clears_what_was_typed_and_twice_leaves(p):
	t = p.tally()
	t.expect("tally> ")
	t.line("select")
	t.expect(r"  \.\.\.> ")
	t.send("1")
	t.expect("1")
	t.send("\x03")
	t.expect(r"tally> ")
	t.send("\x03")
	t.expect("another Ctrl-C leaves")
	t.expect("tally> ")
	t.send("\x03")
	assert t.end() == 0


def ctrl_c_right_behind_a_key_is_seen_at_once(p):
	t = p.tally()
	for _ in range(100):
		t.expect("tally> ")
		t.send("a")
		t.expect("a")
		t.send("\x03")
	t.expect("tally> ")


def the_line_follows_the_window(p):
	t = p.tally(columns=40)
	t.expect("tally> ")
	t.send("select 'a long line that is folded when' || ")
	t.expect(r"\|\| ")
	t.resize(100, 24)
	t.expect("tally> select 'a long line that is folded when' \\|\\| ")
	t.line("' the window is narrow';")
	t.expect("a long line that is folded when the window is narrow")


def the_line_is_drawn_again_after_ctrl_z(p):
	t = p.tally()
	t.expect("tally> ")
	t.send("select 4")
	t.expect("select 4")
	os.kill(t.pid, signal.SIGSTOP)
	os.kill(t.pid, signal.SIGCONT)
	t.expect("select 4")
	t.line("2;")
	t.expect("42")


def a_box_is_fitted_to_the_window(p):
	t = p.tally(columns=50)
	t.expect("tally> ")
	t.line("select 'a text that is much too long for a window of fifty columns' as x, 7 as n;")
	shown = t.expect("└[─┴]*┘")
	lines = [line for line in shown.split("\r\n") if line.startswith(("│", "┌", "└"))]
	assert lines and all(len(line) <= 50 for line in lines), lines
	t.expect("tally> ")
	t.resize(200, 24)
	t.line("select 'a text that is much too long for a window of fifty columns' as x, 7 as n;")
	t.expect("│ a text that is much too long for a window of fifty columns │ 7 │")


def a_long_answer_goes_to_the_pager(p):
	t = p.tally(rows=10, PAGER="sed 's/^/paged:/'")
	t.expect("tally> ")
	t.line(".mode list")
	t.expect("tally> ")
	t.line("with recursive r(i) as (select 1 union all select i + 1 from r where i < 50) select i from r;")
	t.expect(r"paged:1\r\n.*paged:50\r\n")
	t.line("select 'short';")
	assert "paged:short" not in t.expect(r"\nshort\r\n")
	t.line(".pager off")
	t.line("with recursive r(i) as (select 101 union all select i + 1 from r where i < 150) select i from r;")
	assert "paged:101" not in t.expect(r"150\r\n")
	t.line(".pager on")
	t.line(".help")
	t.expect(r"paged:\.")
	t.line(".print short")
	assert "paged:short" not in t.expect(r"\nshort\r\n")


def a_long_answer_says_how_far_it_is_until_it_is_shown(p):
	t = p.tally()
	t.expect("tally> ")
	for mode in ("auto", "box", "chart"):
		t.line(".mode " + mode)
		t.line("with recursive r(i) as (select 1 union all select i + 1 from r) select i from r;")
		t.expect(r"\r[-|/\\] \d+ rows, \d+\.\d MB, \d+\.\d s\x1b\[K")
		t.send("\x03")
		t.expect(r"\r\x1b\[K(Interrupt\r\n)?Runtime error: interrupted \(9\)\r\n")
		t.expect("tally> ")


def leaving_the_pager_early_leaves_the_shell_alone(p):
	t = p.tally(rows=10, PAGER="head -2")
	t.expect("tally> ")
	t.line(".mode list")
	t.line("with recursive r(i) as (select 1 union all select i + 1 from r where i < 200000) select i from r;")
	t.expect(r"\r\n1\r\n2\r\n")
	t.line("select 'alive';")
	t.expect("\nalive")


def watch_redraws_when_the_snapshot_moves(p):
	t = p.tally()
	t.expect("tally> ")
	t.line(".watch 0.1 select action, count from counts")
	t.expect(r"snapshot \d+.*│ Open   │   179 │")
	p.change("update counts set count = 180 where action = 'Open'")
	t.expect("│ Open   │   180 │")
	t.send("\x03")
	t.expect("tally> ")
	t.line("select 'alive';")
	t.expect("alive")


def watch_redraws_at_once_when_the_window_changes(p):
	t = p.tally()
	t.expect("tally> ")
	t.line(".watch 3600 select 'a text that is too long for a narrow window' as x")
	t.expect("│ a text that is too long for a narrow window │.*└─*┘")
	t.resize(30, 20)
	t.expect("│ a text that is too long  │")
	t.send("\x03")
	t.expect("tally> ")


def watch_waits_for_a_server_that_went_away(p):
	t = p.tally("-w", "0.1", "select action, count from counts")
	t.expect("│ Open   │   179 │")
	p.stop()
	t.expect("connection lost")
	p.serve()
	t.expect("│ Open   │   179 │")
	t.send("\x03")
	assert t.end() == 0


def a_broken_connection_is_told_and_mended(p):
	t = p.tally()
	t.expect("tally> ")
	p.stop()
	t.line("select 1;")
	t.expect("Error: (tallyd closed the connection|unable to connect)")
	t.expect("tally> ")
	t.line("select 2;")
	t.expect("Error: unable to connect.*is tallyd running")
	t.expect("tally> ")
	p.serve()
	t.line("select 'back';")
	t.expect("back")


def colours_are_for_terminals_that_want_them(p):
	t = p.tally("-chart", "select action, count from counts")
	assert "\x1b[36m" in t.expect("Open.*\r\n")
	t = p.tally("-chart", "select action, count from counts", NO_COLOR="1")
	assert "\x1b[" not in t.expect("Open.*\r\n")


def the_startup_file_is_read(p):
	(p.dir / ".tallyrc").write_text(".mode quote\n.prompt 'mine> '\n")
	t = p.tally()
	t.expect(r"-- Loading resources from \S*/.tallyrc")
	t.expect("mine> ")
	t.line("select 'x';")
	t.expect("'x'\r\n")
	config = p.dir / ".config/tally"
	config.mkdir(parents=True)
	(config / "tallyrc").write_text(".prompt 'first> '\n")
	t = p.tally()
	t.expect("first> ")


if __name__ == "__main__":
	sys.exit(run_cases(sys.modules[__name__], Place))
