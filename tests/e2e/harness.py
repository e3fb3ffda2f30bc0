"""What the end-to-end tests share: a real tallyd in a directory of its own, clients on its
socket, made streams, and the naive recount they are compared with.

Nothing here sleeps for a fixed time to let something happen: wait_until() asks until a
condition holds, and fails at a deadline.
"""

import collections
import contextlib
import fcntl
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

TALLYD = os.path.abspath(os.environ.get("TALLYD", "./tallyd"))
TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAMPLES = [os.path.join(TREE, up, "shared/data/events") for up in ("..", "../..")]
with open(TALLYD, "rb") as program:
    SANITIZED = re.search(b"__[at]san_init", program.read()) is not None
DEADLINE = 60  # s, for what takes a moment: only a test that fails waits for it
TOTALS = "select action, sum(count) as total_count from counts group by action order by action"
TIMELINE = ('select action, date_format(window.end, "MMM-dd HH:mm") as time, count '
            "from counts order by time, action")


def wait_until(condition, what, deadline=DEADLINE):
    """Returns the condition's first true value."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("not within %d s: %s" % (deadline, what))
        time.sleep(0.005)


class Client:
    """A connection to the socket; reads with a deadline."""

    def __init__(self, path, timeout=DEADLINE):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.rest = b""

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def try_send(self, data):
        """A daemon that has closed already may still have said why."""
        try:
            self.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def line(self):
        """The next line without its newline, or None at the end."""
        while b"\n" not in self.rest:
            data = self.socket.recv(65536)
            if not data:
                rest, self.rest = self.rest, b""
                return rest.decode() if rest else None
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def all(self):
        """Everything until the daemon closes."""
        while True:
            data = self.socket.recv(65536)
            if not data:
                return self.rest
            self.rest += data

    def done(self):
        """No more will be sent; the answers may still come."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    __del__ = close


class Frames(Client):
    """JSON frames: requests out, frames in."""

    def __init__(self, path, timeout=DEADLINE):
        super().__init__(path, timeout)
        self.next_id = 1

    def request(self, sql, params=None):
        frame = {"id": self.next_id, "sql": sql}
        if params is not None:
            frame["params"] = params
        self.send(json.dumps(frame) + "\n")
        self.next_id += 1
        return frame["id"]

    def frame(self):
        line = self.line()
        return None if line is None else json.loads(line)

    def answer(self):
        """The rows and the last frame of the next answer."""
        rows = []
        while True:
            frame = self.frame()
            if frame is None:
                raise AssertionError("the daemon closed within an answer")
            rows += frame.get("rows", [])
            if "ok" in frame or "error" in frame:
                return rows, frame

    def ask(self, sql, params=None):
        self.request(sql, params)
        rows, end = self.answer()
        if "error" in end:
            raise AssertionError("%s: %s" % (sql, end["error"]["message"]))
        return rows


class Daemon:
    """A tallyd over `self.events`; the socket is `self.socket`, the log `self.log()`."""

    def __init__(self, *options, config=None, env=None, events=None, directory=None, under=None):
        self.directory = directory or tempfile.mkdtemp(prefix="tallyd-e2e-")
        self.events = events or os.path.join(self.directory, "events")
        self.socket = os.path.join(self.directory, "sock")
        self.state = os.path.join(self.directory, "state")
        self.log_path = os.path.join(self.directory, "log")
        os.makedirs(self.events, exist_ok=True)
        self.options = list(options)
        self.config = config
        self.env = dict(os.environ, **(env or {}))
        self.under = under or os.environ.get("TALLYD_UNDER", "").split()
        self.process = None

    def command(self, *more):
        head = [TALLYD, "--socket", self.socket, "--state-dir", self.state]
        if self.config is not None:
            path = os.path.join(self.directory, "tallyd.conf")
            with open(path, "w") as out:
                out.write(self.config.replace("@EVENTS@", self.events))
            head += ["--config", path]
        else:
            head += ["--events", self.events]
        return head + self.options + list(more)

    def run(self, *more, **kwargs):
        """A run that ends by itself."""
        return subprocess.run(self.command(*more), env=self.env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=DEADLINE, **kwargs)

    def start(self, *more, **kwargs):
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(self.under + self.command(*more), env=self.env,
                                            stdin=subprocess.DEVNULL, stderr=log, **kwargs)
        wait_until(self.answers, "the first answer")
        return self

    def activate(self, listeners, *more):
        """Starts it as a service manager does that has opened its sockets: name -> listening one."""
        # First out of the way, so that 3 and 4 are free.
        high = [fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD, 100)
                for listener in listeners.values()]
        moves = " ".join("%d<&%d %d<&-" % (3 + i, fd, fd) for i, fd in enumerate(high))
        script = 'exec %s; LISTEN_PID=$$ exec "$@"' % moves
        env = dict(self.env, LISTEN_FDS=str(len(high)), LISTEN_FDNAMES=":".join(listeners))
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", script, "bash"] + self.under + self.command(*more), env=env,
                stdin=subprocess.DEVNULL, stderr=log, pass_fds=high)
        for fd in high:
            os.close(fd)
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError("tallyd ended with %d: %s" % (self.process.returncode, self.log()))
        try:
            return self.text("select 1;\n.quit\n") == "1\n"
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
            return False  # BlockingIOError: the kernel's queue of connections is full
        except (ConnectionResetError, BrokenPipeError):
            # It has too many sessions for the moment, or it ends: then its status says so.
            return False

    def stop(self, number=signal.SIGTERM):
        """Ends it and returns the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(DEADLINE)
        self.process = None
        return status

    def clean(self):
        try:
            self.stop(signal.SIGKILL)
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def log(self):
        with open(self.log_path) as log:
            return log.read()

    def wait_logged(self, what, after=0):
        """The log once it holds `what`, a text or a compiled pattern, behind its first `after`
        characters. Its lines are written beside the answers: what a table shows already may be
        logged a moment later."""
        def logged():
            log = self.log()[after:]
            return (what.search(log) if isinstance(what, re.Pattern) else what in log) and log
        try:
            return wait_until(logged, "a line of the log")
        except AssertionError as late:
            raise AssertionError("%s: %r is not in %r" % (
                late, getattr(what, "pattern", what), self.log()[after:])) from None

    def client(self):
        return Client(self.socket)

    def frames(self):
        return Frames(self.socket)

    def text(self, data):
        """One conversation: everything is sent, everything is read."""
        client = self.client()
        client.send(data)
        client.done()
        answer = client.all().decode()
        client.close()
        return answer

    def ask(self, sql, params=None):
        frames = self.frames()
        rows = frames.ask(sql, params)
        frames.close()
        return rows

    def process_all(self):
        return self.ask("select process_all_available()")[0][0]

    def totals(self):
        return dict(self.ask(TOTALS))

    # --- files of events ---

    def write(self, name, data, mtime=None):
        """Arrives whole, by rename, as a good writer does it."""
        if isinstance(data, str):
            data = data.encode()
        path = os.path.join(self.events, name)
        with open(path + ".tmp", "wb") as out:
            out.write(data)
        if mtime is not None:
            os.utime(path + ".tmp", ns=(mtime, mtime))
        os.rename(path + ".tmp", path)
        return path

    def append(self, name, data):
        with open(os.path.join(self.events, name), "ab") as out:
            out.write(data if isinstance(data, bytes) else data.encode())


def free_port():
    """A port that no other of these tests gets, nor, if it can be, the kernel gives to a client."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as clients:
        first, last = map(int, clients.read().split())
    ports = [port for port in range(10000, 65536) if not first <= port <= last]
    while True:
        port = random.choice(ports or range(10000, 65536))
        held = socket.socket(socket.AF_UNIX)
        try:
            held.bind("\0tallyd-test-port-%d" % port)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            held.close()
            continue
        held.detach()  # the name is taken as long as this process lives
        return port


def cpu_seconds(daemon):
    with open("/proc/%d/stat" % daemon.process.pid, encoding="ascii") as stat:
        words = stat.read().rsplit(") ", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def reached_before(daemon, floods, ask):
    """A daemon finds the floods, (socket, bytes) each, of which a socket takes what it can, and then
    a question for `sessions.query`. The statements of a flood end in their number as a comment:
    the highest one when the question had its turn."""
    daemon.process.send_signal(signal.SIGSTOP)
    os.waitpid(daemon.process.pid, os.WUNTRACED)
    for peer, data in floods:
        peer.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while data:
                data = data[peer.send(data):]
    queries = ask(lambda: daemon.process.send_signal(signal.SIGCONT))
    return max(map(int, re.findall(r"/\*(\d+)\*/", queries)), default=0)


class Case(unittest.TestCase):
    """Daemons made with self.daemon() are cleaned away, and their logs shown when a test fails."""

    longMessage = True

    def setUp(self):
        self.daemons = []

    def daemon(self, *options, **kwargs):
        daemon = Daemon(*options, **kwargs)
        self.daemons.append(daemon)
        return daemon

    def has_failed(self):
        """Within tearDown: whether the test itself, or a part of tearDown before, went wrong."""
        if sys.exc_info()[0] is not None:
            return True
        result = getattr(self, "_outcome", None) and self._outcome.result
        if result is None:
            return False
        if hasattr(self._outcome, "errors"):  # Python before 3.11
            return any(error for _, error in self._outcome.errors)
        return any(self in (test, getattr(test, "test_case", None))
                   for test, _ in result.errors + result.failures)

    def tearDown(self):
        for daemon in self.daemons:
            if self.has_failed() and os.path.exists(daemon.log_path):
                sys.stderr.write(daemon.log())
            daemon.clean()


# --- made streams and their naive recount ---------------------------------------------------

def made_stream(seed, n_files=50, n_lines=2000):
    """Files like the sample's: each Close comes after its Open, times ascend, no final newline."""
    random_source = random.Random(seed)
    now, open_doors, files = 1469501107, 0, []
    for _ in range(n_files):
        lines = []
        for _ in range(n_lines):
            now += random_source.choice([0, 1, 1, 2, 5])
            is_close = open_doors > 0 and random_source.random() < 0.5
            open_doors += -1 if is_close else 1
            lines.append('{"time":%d,"action":"%s"}' % (now, "Close" if is_close else "Open"))
        files.append("\n".join(lines))
    return files


def recount(texts, window=3600):
    """(action, window start in seconds) -> count, of the events of all texts."""
    counts = collections.Counter()
    for text in texts:
        for line in text.splitlines():
            event = json.loads(line)
            counts[event["action"], event["time"] // window * window] += 1
    return counts


def stamp(seconds):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def counts_of(daemon):
    """The daemon's table in the form of recount()."""
    rows = daemon.ask("select action, unix_timestamp(window_start), count from counts")
    return {(action, start): count for action, start, count in rows}


def sample_files():
    """The teaching data set in natural order, or None where it is not at hand."""
    for sample in SAMPLES:
        if os.path.isdir(sample):
            names = sorted(os.listdir(sample), key=lambda name: int(re.findall(r"\d+", name)[0]))
            return [os.path.join(sample, name) for name in names]
    return None


def main():
    unittest.main(verbosity=2)
