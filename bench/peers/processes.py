"""Runs programs and sees what they cost: wall time, and the peak of resident memory of the
process and all its descendants together (a JVM is a child of the Python that asks it)."""

import os
import re
import subprocess
import threading
import time


def tree_of(root):
    """The process and its descendants that live now."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    tree, ask = [], [root]
    while ask:
        pid = ask.pop()
        tree.append(pid)
        ask.extend(children.get(pid, []))
    return tree


def command_line(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()


def resident_bytes(root):
    """Shared pages are shared out, so that the sum is what the machine lacks."""
    total = 0
    for pid in tree_of(root):
        try:
            if command_line(pid) == OWN:
                continue  # forked, and not yet what it will be
            with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
                total += int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M)[1]) * 1024
        except (OSError, TypeError):
            pass
    return total


OWN = command_line("self")


class Failed(Exception):
    """A program that did not end well; the text is the last thing it said."""


class Run:
    """One finished run: seconds (wall), counting (seconds without the program's own start),
    peak (bytes, sampled: 0 where it was over before the first look), output (text)."""

    def __init__(self, command, environment=None, limit=1200):
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, **(environment or {})})
        sampled = [0]
        over = threading.Event()

        def watch():
            # Ever more seldom, up to 0.2 s: looking must not cost what is looked at.
            while not over.wait(min(0.2, max(0.005, (time.perf_counter() - start) / 20))):
                sampled[0] = max(sampled[0], resident_bytes(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        timer = threading.Timer(limit, process.kill)
        timer.start()
        said = []
        reader = threading.Thread(target=lambda: said.append(process.stderr.read()))
        reader.start()
        self.output = process.stdout.read()
        process.wait()
        self.seconds = time.perf_counter() - start
        timer.cancel()
        over.set()
        watcher.join()
        reader.join()
        if process.returncode != 0:
            raise Failed(f"exit {process.returncode}: " + " ".join(said[0].strip().splitlines()[-1:]))
        found = re.search(r"^.*?seconds=([0-9.]+)$", said[0], re.M)
        self.counting = float(found[1]) if found else self.seconds
        self.peak = sampled[0]
