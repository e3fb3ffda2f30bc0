"""How the cost of one more event, group, file and session changes as the work grows by powers
of ten: each figure is time divided by units, so a flat line is a linear cost."""

import os
import statistics
import subprocess
import sys
import tempfile

import engine
import peers
import queries
from processes import Failed, Run

# what: (sizes, the generator's options for a size, threads)
SIZES = {
    "events": ([10**4, 10**5, 10**6, 10**7], lambda n: ["--files", "10", "--lines", str(n // 10), "--actions", "2", "--span", "7 days"]),
    "groups": ([10**1, 10**3, 10**5, 10**6], lambda n: ["--files", "10", "--lines", "400000", "--order", "random", *shape_of_groups(n)]),
    "files": ([10**1, 10**2, 10**3, 10**4, 10**5], lambda n: ["--files", str(n), "--lines", "20"]),
}
PEERS = ("tallyd", "DuckDB", "Spark")


def shape_of_groups(n):
    """So many actions and hours that their product is n."""
    actions = {10**1: 2, 10**3: 10, 10**5: 100, 10**6: 100}[n]
    return ["--actions", str(actions), "--span", f"{n // actions} hours"]


def make(what, size, options):
    path = os.path.join(engine.WORK, f"growth-{what}-{size}")
    if not os.path.exists(path):
        print(f"making {path}", file=sys.stderr)
        subprocess.run([os.path.join(engine.TOP, "bench/gen_events"), *options, path + ".new"], check=True)
        os.rename(path + ".new", path)
    return path


def measure(passes):
    """[{what, units, peer, ns_a_unit, seconds, peak_mb}]; Spark without its own start."""
    table = []
    for what, (sizes, options) in SIZES.items():
        for size in sizes:
            path = make(what, size, options(size))
            for peer in (p for p in peers.COUNTERS if p.name in PEERS and not p.missing()):
                runs = []
                try:
                    for turn in range(passes + 1):
                        run = Run(peer.command("narrow", 1, path), {"TALLY_BENCH_DIR": engine.WORK, "top_builddir": engine.TOP}, limit=300)
                        if turn > 0 or peer.warm or run.seconds > 60:
                            runs.append(run)
                        if peer.warm or run.seconds > 60:
                            break
                except Failed as failure:
                    table.append({"what": what, "units": size, "peer": peer.name, "trouble": str(failure)})
                    continue
                seconds = statistics.median(r.counting for r in runs)
                table.append({"what": what, "units": size, "peer": peer.name, "seconds": seconds, "ns_a_unit": seconds / size * 1e9, "peak_mb": max(r.peak for r in runs) / 1e6})
                print(f"  {what:<8} {size:>9} {peer.name:<8} {seconds:9.4f} s", file=sys.stderr, flush=True)
    return table


def sessions(seconds):
    """The time to an answer, over all sessions together, when so many ask at once."""
    table = []
    with tempfile.TemporaryDirectory(dir=engine.WORK) as home:
        with queries.tallyd(home, 0) as place:
            for clients in (1, 10, 100, 1000):
                rate = queries.ask(place + "/tallyd.sock", clients, False, seconds)
                table.append({"what": "sessions", "units": clients, "peer": "tallyd", "seconds": 1 / rate, "ns_a_unit": 1e9 / rate})
    return table
