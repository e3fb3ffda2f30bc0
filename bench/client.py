#!/usr/bin/env python3
"""make bench-client: what tally costs beside nc.

Starts a daemon over a small stream, asks it 'select 1' with `tally` and with
`nc -U` in turn, and prints the medians of the wall time with their difference;
then the memory of a tally that waits at its prompt, and of one that has just
printed a million rows.
"""
import os
import pathlib
import pty
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(os.environ.get("top_builddir", pathlib.Path(__file__).parent.parent)).resolve()
TURNS = int(os.environ.get("TALLY_BENCH_TURNS", "300"))
MILLION = "with recursive r(i) as (select 1 union all select i + 1 from r where i < 1000000) select i, 'a text of some length' from r"


def wall_ms(command, text):
    started = time.perf_counter()
    done = subprocess.run(command, input=text, capture_output=True, check=True)
    elapsed = (time.perf_counter() - started) * 1000
    assert done.stdout == b"1\n", done
    return elapsed


def highest_kb(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def at_the_prompt_kb(tally, sock):
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(tally, [str(tally), str(sock)])
    shown = b""
    while b"tally> " not in shown:
        shown += os.read(fd, 4096)
    kb = highest_kb(pid)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(fd)
    return kb


def after_a_million_rows_kb(tally, sock):
    """Statements come through a pipe, so that it lives on behind the first."""
    child = subprocess.Popen([tally, sock], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdin.write(f"{MILLION};\nselect 'end';\n".encode())
    child.stdin.flush()
    rows = 0
    for line in child.stdout:
        if line == b"end\n":
            break
        rows += 1
    kb = highest_kb(child.pid)
    child.stdin.close()
    child.wait()
    assert rows == 1000000, rows
    return kb


def main():
    if not shutil.which("nc"):
        sys.exit("skipped: nc is not installed (apt install netcat-openbsd)")
    work = pathlib.Path(tempfile.mkdtemp(prefix="tally-bench-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    tally, sock = TOP / "tally", work / "s.sock"
    (work / "events").mkdir()
    (work / "events/a.json").write_text('{"time":1469501107,"action":"Open"}\n')
    daemon = subprocess.Popen([TOP / "tallyd", "--events", work / "events", "--socket", sock, "--state-dir", work / "state"],
                              stderr=subprocess.DEVNULL)
    try:
        while subprocess.run([tally, "--ping", sock], capture_output=True).returncode != 0:
            time.sleep(0.01)
        ours, theirs = [], []
        for _ in range(TURNS):
            ours.append(wall_ms([tally, sock, "select 1"], b""))
            theirs.append(wall_ms(["nc", "-N", "-U", sock], b"select 1;\n"))
        a, b = statistics.median(ours), statistics.median(theirs)
        print(f"select 1, {TURNS} turns each: tally {a:.2f} ms, nc -U {b:.2f} ms, {a - b:+.2f} ms (at most +3)")
        print(f"at the prompt: {at_the_prompt_kb(tally, sock) / 1024:.1f} MB (at most 5)")
        print(f"behind a million rows: {after_a_million_rows_kb(tally, sock) / 1024:.1f} MB")
    finally:
        daemon.terminate()
        daemon.wait()
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
