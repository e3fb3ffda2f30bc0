#!/usr/bin/env python3
"""The completions for bash and zsh, each in its shell in a terminal: what TAB
makes of the beginning of a line. A shell that is missing is left out."""
import pathlib
import re
import shutil
import sys
import tempfile

from cases import SOURCE, TALLY, Terminal, environment, run_cases

FOLDER = SOURCE / "client/completion"

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
}


class Place:
	"""A directory with one file; the programs of the build come first in the path."""

	def __init__(self):
		self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tally-completion-"))
		(self.dir / "own-file").touch()
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


def bash_completes_options_commands_and_files(p):
	if shutil.which("bash"):
		complete_all(p.open("bash", "--norc", "--noprofile", "-i"), f"bind 'set enable-bracketed-paste off'; source '{FOLDER}/tally'")


def zsh_completes_options_commands_and_files(p):
	if shutil.which("zsh"):
		complete_all(p.open("zsh", "-f", "-i"), f"unset zle_bracketed_paste; fpath=('{FOLDER}' $fpath); autoload -Uz compinit; compinit -u -D")


if __name__ == "__main__":
	sys.exit(run_cases(sys.modules[__name__], Place))
