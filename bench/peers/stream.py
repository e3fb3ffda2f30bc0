"""The stream: from a file's arrival to a reader's answer, the sample at one file per trigger,
the first answer after a start; tallyd and Spark Structured Streaming with its memory sink."""

import os
import re
import shutil
import sys
import tempfile

import engine
import peers
from processes import Failed, Run

HERE = os.path.dirname(os.path.abspath(__file__))
RATES = (1, 10, 100, 1000)


def arrivals(seconds):
    """[{peer, what, rate, p50_ms, …}]: files at each rate for `seconds`."""
    table = []
    for peer, program in (("tallyd", [sys.executable, "arrivals_tallyd.py"]), ("Spark", [peers.PYTHON, "arrivals_spark.py"])):
        if peer == "Spark" and not has_spark():
            continue
        with tempfile.TemporaryDirectory(dir=engine.WORK) as home:
            command = [program[0], os.path.join(HERE, program[1]), os.path.join(home, "events"), str(seconds), *map(str, RATES)]
            try:
                run = Run(command, {"top_builddir": engine.TOP})
            except Failed as failure:
                table.append({"peer": peer, "what": "arrivals", "trouble": str(failure)})
                continue
        first, *lines = run.output.strip().split("\n")
        table.append({"peer": peer, "what": "first answer", "seconds": float(first.partition("=")[2]), "peak_mb": run.peak / 1e6})
        for rate, line in zip(RATES, lines):
            figures = {key: float(value) for key, value in re.findall(r"(\w+)=(\S+)", line)}
            table.append({"peer": peer, "what": "arrivals", "rate": rate, **figures})
    return table


def has_spark():
    return any(peer.name == "Spark" and not peer.missing() for peer in peers.COUNTERS)


def sample(passes):
    """The 50-file sample, one file per trigger, by the same configuration file; whole processes."""
    path = engine.make_set("v0", [])
    table = []
    for turn in range(passes + 1):
        for peer in ("tallyd", "Spark"):
            if peer == "Spark" and (not has_spark() or turn > 2):
                continue
            home = tempfile.mkdtemp(dir=engine.WORK)
            config = os.path.join(home, "tallyd.conf")
            with open(config, "w", encoding="utf-8") as file:
                file.write(f"[tallyd]\nstate_dir = {home}/state\n[source events]\npath = {path}\nmax_files_per_trigger = 1\n[query counts]\n")
            ask = ["--available-now", "--sql", "select action, sum(count) as total_count from counts group by action order by action"]
            if peer == "tallyd":
                command = [os.path.join(engine.TOP, "tallyd"), "--config", config, *ask]
            else:
                command = [peers.PYTHON, os.path.join(HERE, "../../spark/tally_on_spark.py"), "--config", config, *ask]
            try:
                run = Run(command)
                if turn > 0:
                    table.append({"peer": peer, "what": "sample", "seconds": run.seconds, "peak_mb": run.peak / 1e6})
            except Failed as failure:
                table.append({"peer": peer, "what": "sample", "trouble": str(failure)})
            shutil.rmtree(home)
    return table
