"""What the client's tests share: a terminal (a pty), assertions that say what
they saw, and running the cases of a module by their names."""
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
import traceback

BUILD = pathlib.Path(os.environ.get("top_builddir", ".")).resolve()
SOURCE = pathlib.Path(os.environ.get("srcdir", ".")).resolve()
TALLY = BUILD / "tally"
DEADLINE = 60


def same(found, wanted):
	assert found == wanted, f"{found!r} is not {wanted!r}"


def holds(found, part):
	assert part in found, f"{part!r} is not in {found!r}"


def environment(home, **more):
	"""Only what a case gives, and what sanitizers need."""
	names = ("PATH", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS")
	return {"HOME": str(home), "LC_ALL": "C.UTF-8", **{name: os.environ[name] for name in names if name in os.environ}, **more}


class Terminal:
	"""A program in a terminal of its own. Waits for text with a deadline, never for a time to pass."""

	def __init__(self, args, env, columns=80, rows=24):
		self.text = ""
		self.pid, self.fd = pty.fork()
		if self.pid == 0:
			fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
			os.execvpe(str(args[0]), [str(arg) for arg in args], env)
		self.resize(columns, rows)

	def read(self, timeout):
		ready, _, _ = select.select([self.fd], [], [], timeout)
		if not ready:
			return True
		try:
			data = os.read(self.fd, 65536)
		except OSError:
			return False
		self.text += data.decode(errors="replace")
		return bool(data)

	def expect(self, pattern):
		"""Waits for the pattern and takes everything up to its end."""
		end = time.monotonic() + DEADLINE
		while True:
			found = re.search(pattern, self.text, re.S)
			if found:
				taken, self.text = self.text[:found.end()], self.text[found.end():]
				return taken
			if time.monotonic() > end:
				raise AssertionError(f"no {pattern!r} in {self.text!r}")
			if not self.read(0.2):
				if re.search(pattern, self.text, re.S):
					continue
				raise AssertionError(f"ended without {pattern!r}: {self.text!r}")

	def send(self, text):
		os.write(self.fd, text.encode())

	def line(self, text):
		self.send(text + "\r")

	def resize(self, columns, rows):
		fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

	def end(self):
		"""Waits for the exit and returns its status."""
		end = time.monotonic() + DEADLINE
		while time.monotonic() < end:
			pid, status = os.waitpid(self.pid, os.WNOHANG)
			if pid:
				os.close(self.fd)
				return os.waitstatus_to_exitcode(status)
			self.read(0.05)
		raise AssertionError(f"does not end: {self.text!r}")

	def kill(self):
		try:
			os.kill(self.pid, signal.SIGKILL)
			os.waitpid(self.pid, 0)
		except (ProcessLookupError, ChildProcessError):
			pass


def run_cases(module, place):
	"""Runs the module's functions that take `p`, or those named on the command line, each in a new place."""
	cases = [value for value in vars(module).values() if callable(value) and getattr(value, "__code__", None)
		and value.__module__ == module.__name__ and value.__code__.co_varnames[:value.__code__.co_argcount] == ("p",)]
	chosen = [case for case in cases if len(sys.argv) == 1 or case.__name__ in sys.argv[1:]]
	failed = 0
	for case in chosen:
		p = place()
		try:
			case(p)
			print(f"ok   {case.__name__}")
		except Exception:
			failed += 1
			print(f"FAIL {case.__name__}")
			traceback.print_exc(file=sys.stdout)
		finally:
			p.close()
	print(f"{len(chosen) - failed} passed, {failed} failed")
	return 1 if failed or not chosen else 0
