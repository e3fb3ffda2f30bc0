#!/usr/bin/env python3
"""make profile: where the time of the main rows goes, by step and by function.

Runs each row under perf (sampling the processor's clock with call stacks, which works in virtual
machines too) and writes docs/PROFILE.md from bench/profile.md. A step is the source file of the
innermost function of tallyd's own in a stack, so that what the kernel and SQLite do is counted
for whoever asked them; a function is the innermost one of all. Options: names of rows; --out FILE.
Needs perf, and files below $TALLY_BENCH_DIR as make bench does.
"""

import argparse
import bisect
import collections
import datetime
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import engine

HERE = os.path.dirname(os.path.abspath(__file__))
TALLYD = os.path.join(engine.TOP, "tallyd")
TOTALS = "select action, sum(count) as total_count from counts group by action order by action"
SECONDS = 3
SHOWN_PERCENT = 2.0
PERF = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "397", "--call-graph", "dwarf,8192"]

# Batch rows: the set of gen_events, its options, what it is.
BATCH = {
    "narrow": ("v1", [], "2 GB of `{\"time\":…,\"action\":\"Open\"}`"),
    "wide": ("v2", [], "1 GB of 135-byte lines, ISO 8601 times, nested fields"),
    "many": ("v3", ["--bytes", "300 MB"], "300 MB of 1,000,000 groups in random order"),
    "malformed": ("v1", ["--malformed", "200000", "--bytes", "500 MB"], "500 MB, every fifth line malformed"),
    "small": ("v4", [], "100,000 files of 20 lines"),
}
# Rows of questions to a daemon: groups in its table, what it is.
ASKED = {
    "totals": (336, "the totals query over 336 rows, eight connections, plain text"),
    "connect": (336, "the same, a connection a question"),
    "frames": (1_000_000, "`select * from counts`, 1,000,000 rows in JSON frames"),
}


class Symbols:
    """The functions of tallyd by address, from its debug information: several files have an `on_row`."""

    def __init__(self):
        listing = subprocess.run(["nm", "--line-numbers", "--defined-only", "--numeric-sort", TALLYD], capture_output=True, text=True, check=True).stdout
        found = re.findall(r"^([0-9a-f]+) \S (\S+)(?:\t(\S+):\d+)?$", listing, re.M)
        self.addresses = [int(address, 16) for address, _, _ in found]
        self.files = ["/".join(path.split("/")[-2:]) for _, _, path in found]

    def file_at(self, address):
        index = bisect.bisect_right(self.addresses, address) - 1
        return self.files[index] if index >= 0 else ""


def stacks(data, symbols):
    """The stacks of a recording, innermost first, as [(function, program or library, source file)]."""
    text = subprocess.run(["perf", "script", "--no-inline", "-F", "ip,sym,dso", "-i", data], capture_output=True, text=True, check=True).stdout
    for sample in text.strip().split("\n\n"):
        frames = re.findall(r"^\s*([0-9a-f]+) (.*?)(?:\+0x[0-9a-f]+)? \((.*)\)$", sample, re.M)
        if frames:
            yield [(name, os.path.basename(place), symbols.file_at(int(address, 16)) if place.endswith("/tallyd") else "") for address, name, place in frames]


def function_of(stack):
    """What runs: a function and where it is, or what the kernel was asked for."""
    name, place, source = stack[0]
    if "kernel" in place:
        asked = [re.sub("^(__x64_sys|__do_sys|do_sys|ksys|__sys)_", "", name) for name, where, _ in stack if "kernel" in where and re.match("(__x64_sys|__do_sys|do_sys|ksys|__sys)_", name)]
        faults = any("page_fault" in name for name, where, _ in stack if "kernel" in where)
        return f"the kernel: {asked[-1]}()" if asked else "the kernel: a page touched first" if faults else "the kernel"
    where = source or re.sub(r"[.-].*", "", place)
    return f"in {where}" if name == "[unknown]" else f"`{name}` {where}"


def library_of(stack):
    """For a stack without a function of tallyd's own, such as the event loop's: the outermost library."""
    libraries = [re.sub(r"[.-].*", "", place) for _, place, _ in stack if "kernel" not in place and not place.startswith(("libc.", "ld-", "tallyd", "[", "inlined"))]
    return f"in {libraries[-1]}" if libraries else "starts of threads and programs"


def table(title, counter, n):
    rows = [(count, name) for name, count in counter.most_common() if 100 * count / n >= SHOWN_PERCENT]
    rest = n - sum(count for count, _ in rows)
    lines = [f"| {100 * count / n:.0f} % | {name} |" for count, name in [*rows, (rest, "the rest")] if count]
    return ["", f"| {title} | |", "|---|---|", *lines]


def section(data, symbols, cost):
    """Shares by step and by function."""
    steps, functions = collections.Counter(), collections.Counter()
    for stack in stacks(data, symbols):
        own = next((source for _, _, source in stack if source), None)
        steps[own or library_of(stack)] += 1
        functions[function_of(stack)] += 1
    n = sum(steps.values())
    return "\n".join([cost, *table("by step", steps, n), *table("by function", functions, n)])


def record_batch(row, data):
    """Records one run; says what an event or a file cost in processor time."""
    set_name, options, _ = BATCH[row]
    path = engine.make_set(set_name, options)
    engine.read_loop([entry.path for entry in os.scandir(path)], 2)
    with tempfile.TemporaryDirectory(dir=engine.WORK) as state:
        words = ["--events", path, "--state-dir", state, "--set", "tallyd.threads=1", "--available-now"]
        sql = "select json_object('events', events, 'files', files, 'rejects', rejects) from queries"
        before = os.times()
        plain = subprocess.run([TALLYD, *words, "--sql", sql], capture_output=True, text=True, check=True).stdout
        after = os.times()
        shutil.rmtree(state)
        os.makedirs(state)
        subprocess.run([*PERF, "-o", data, TALLYD, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    done = json.loads(plain)
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    if row == "small":
        return f"{seconds / done['files'] * 1e6:.1f} µs of processor a file."
    return f"{seconds / (done['events'] + done['rejects']) * 1e9:.1f} ns of processor an event."


def select_all(path):
    """Reads the whole table in frames, once; so many bytes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b'{"id":1,"sql":"select * from counts"}\n')
        n, tail = 0, b""
        while b'{"id":1,"ok"' not in tail:
            got = client.recv(1 << 20)
            if not got:
                raise RuntimeError("tallyd has closed")
            n, tail = n + len(got), (tail + got)[-400:]
        return n


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return sum(map(int, stat.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def record_asked(row, data):
    """Records a daemon while it answers; says what an answer cost in processor time."""
    groups = ASKED[row][0]
    with tempfile.TemporaryDirectory(dir=engine.WORK) as home:
        os.makedirs(home + "/events")
        with open(home + "/events/base.json", "w", encoding="utf-8") as file:
            names = ["Open", "Close"] if groups == 336 else [f"action{n:02}" for n in range(100)]
            file.writelines(f'{{"time":{1469500000 + hour * 3600},"action":"{name}"}}\n' for hour in range(groups // len(names)) for name in names)
        daemon = subprocess.Popen([TALLYD, "--events", home + "/events", "--socket", home + "/s", "--state-dir", home + "/state"], stderr=subprocess.DEVNULL)
        try:
            ask = [os.path.join(engine.TOP, "tally"), home + "/s", "select count(*) from counts"]
            while subprocess.run(ask, capture_output=True, text=True).stdout != f"{groups}\n":
                time.sleep(0.1)
            perf = subprocess.Popen([*PERF, "-o", data, "-p", str(daemon.pid)], stderr=subprocess.DEVNULL)
            time.sleep(0.5)
            before = processor_seconds(daemon.pid)
            if row == "frames":
                answers = sum(1 for _ in range(5) if select_all(home + "/s"))
            else:
                command = [os.path.join(engine.TOP, "bench/ask"), home + "/s", "8", str(SECONDS), TOTALS, *(["connect"] if row == "connect" else [])]
                answers = SECONDS * float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0])
            cost = (processor_seconds(daemon.pid) - before) / answers
            perf.send_signal(signal.SIGINT)
            perf.wait()
        finally:
            daemon.kill()
            daemon.wait()
    return f"{cost * 1e9 / groups:.0f} ns of processor a row." if row == "frames" else f"{cost * 1e6:.1f} µs of processor an answer."


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", default=[*BATCH, *ASKED])
    parser.add_argument("--out", default=os.path.join(HERE, "../docs/PROFILE.md"))
    options = parser.parse_args()
    if not shutil.which("perf"):
        sys.exit("perf is not installed (apt install linux-perf)")
    os.makedirs(engine.WORK, exist_ok=True)
    symbols = Symbols()
    with open(os.path.join(HERE, "profile.md"), encoding="utf-8") as template:
        page = template.read().replace("<!-- date -->", datetime.date.today().isoformat())
    for row in [*BATCH, *ASKED]:
        if row not in options.rows:
            continue
        print(f"  {row}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=engine.WORK) as place:
            data = os.path.join(place, "perf.data")
            cost = record_batch(row, data) if row in BATCH else record_asked(row, data)
            what = f"{(BATCH.get(row) or ASKED[row])[-1]}: {cost}"
            page = page.replace(f"<!-- {row} -->", section(data, symbols, what[0].upper() + what[1:]))
    with open(options.out, "w", encoding="utf-8") as out:
        out.write(page)


if __name__ == "__main__":
    main()
