#!/usr/bin/env python3
"""The completions of both programs for bash and zsh, each in its shell in a terminal:
what TAB makes of the beginning of a line. A shell that is missing is left out."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from cases import SOURCE, TALLY, Terminal, environment, run_cases

FOLDERS = {"tally": SOURCE / "client/completion", "tallyd": SOURCE / "daemon/completion"}
TALLYD = TALLY.parent / "tallyd"
CONFIG = "[tallyd]\nstate_dir = %s/own-state\n[source doors]\npath = %s/own-events\n[query %s]\n"

# What is typed, and what stands there behind a TAB.
LINES = {
	"tally -prom": "tally -prometheus ",
	"tally --prom": "tally --prometheus ",
	"tally -csv --nohe": "tally -csv --noheader ",
	"tally --chec": "tally --check ",
	"tally .mod": "tally .mode ",
	"tally .rej": "tally .rejects ",
	"tally own-fi": "tally own-file ",
	"tally -s own-fi": "tally -s own-file ",
	"tally --init own-fi": "tally --init own-file ",
	"tally -prometheus -o own-fi": "tally -prometheus -o own-file ",
	"tallyd --check": "tallyd --check-config ",
	"tallyd --available-now --rebu": "tallyd --available-now --rebuild ",
	"tallyd --config own-fi": "tallyd --config own-file ",
	"tallyd -s own-fi": "tallyd -s own-file ",
	"tallyd -e own-ev": "tallyd -e own-events/",
	"tallyd --state-dir own-st": "tallyd --state-dir own-state/",
	"tallyd --config=own-fi": "tallyd --config=own-file ",
	"tallyd -c own-file --set doors.glo": "tallyd -c own-file --set doors.glob=",
	"tallyd --config=own-file -o tallyd.log": "tallyd --config=own-file -o tallyd.log_level=",
	"tallyd -e own-events -o counts.retent": "tallyd -e own-events -o counts.retention=",
	"tallyd -c own-file --forget go": "tallyd -c own-file --forget gone ",
}


class Place:
	"""A directory with one file; the programs of the build come first in the path."""

	def __init__(self):
		self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tally-completion-"))
		(self.dir / "own-events").mkdir()
		(self.dir / "own-events/a").write_text('{"time":1469501107,"action":"Open"}\n')
		for query in ("gone", "here"):
			(self.dir / "own-file").write_text(CONFIG % (self.dir, self.dir, query))
			subprocess.run([TALLYD, "-c", "own-file", "--available-now"], cwd=self.dir,
				stderr=subprocess.DEVNULL, check=True)
		self.env = environment(self.dir, TERM="dumb", PS1="prompt> ", INPUTRC="/dev/null")
		self.env["PATH"] = f"{TALLY.parent}:{self.env['PATH']}"
		self.terminal = None

	def open(self, *shell):
		self.terminal = Terminal(["env", "-C", self.dir, *shell], self.env, columns=200)
		self.terminal.expect("prompt> ")
		return self.terminal

	def close(self):
		if self.terminal:
			self.terminal.kill()
		shutil.rmtree(self.dir)


def complete_all(t, setup):
	t.line(setup + "; echo rea''dy")
	t.expect("ready\r\n")
	t.expect("prompt> ")
	for typed, wanted in LINES.items():
		t.send(typed + "\t")
		t.expect(re.escape(wanted) + "$")
		t.send("\x15\r")
		t.expect("prompt> ")


def has(shell):
	if not shutil.which(shell):
		print(f"skipped: {shell} is not installed")
	return shutil.which(shell)


def bash_completes_options_commands_and_files(p):
	if has("bash"):
		complete_all(p.open("bash", "--norc", "--noprofile", "-i"), "bind 'set enable-bracketed-paste off'; " +
			"; ".join(f"source '{folder}/{name}'" for name, folder in FOLDERS.items()))


def zsh_completes_options_commands_and_files(p):
	if has("zsh"):
		complete_all(p.open("zsh", "-f", "-i"), "unset zle_bracketed_paste; fpath=(%s $fpath); autoload -Uz compinit; compinit -u -D" %
			" ".join(f"'{folder}'" for folder in FOLDERS.values()))


if __name__ == "__main__":
	sys.exit(run_cases(sys.modules[__name__], Place))
