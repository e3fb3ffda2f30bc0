"""How the cost of one more event, group, file and session changes as the work grows by powers
of ten: each figure is time divided by units, so a flat line is a linear cost."""

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

import engine
import peers
import postgres
import queries
from processes import Failed, Run

# what: (sizes, the generator's options for a size, threads)
SIZES = {
    "events": ([10**4, 10**5, 10**6, 10**7], lambda n: ["--files", "10", "--lines", str(n // 10), "--actions", "2", "--span", "7 days"]),
    "groups": ([10**1, 10**2, 10**3, 10**4, 10**5, 10**6], lambda n: ["--files", "10", "--lines", "400000", "--order", "random", *shape_of_groups(n)]),
    "files": ([10**1, 10**2, 10**3, 10**4, 10**5], lambda n: ["--files", str(n), "--lines", "20"]),
}
PEERS = ("tallyd", "DuckDB", "Spark")


def shape_of_groups(n):
    """So many actions and hours that their product is n."""
    actions = min(100, max(2, n // 100))
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
    """The time between two answers, all sessions together, when so many ask at once."""
    table = []
    home = tempfile.mkdtemp(dir=engine.WORK)
    os.chmod(home, 0o755)
    left_out = queries.left_out()
    try:
        with contextlib.ExitStack() as stack:
            place = stack.enter_context(queries.tallyd(home + "/tallyd", 0))
            who = {"tallyd": lambda n: queries.ask(place + "/tallyd.sock", n, False, seconds)}
            if "PostgreSQL" not in left_out:
                host = stack.enter_context(postgres.running(home + "/pg", queries.rows_of(place)))
                who["PostgreSQL"] = lambda n: queries.pgbench(host, n, False, seconds)
            if "Redis" not in left_out:
                path = stack.enter_context(queries.redis(home))
                who["Redis"] = lambda n: queries.redis_benchmark(path, n, False, seconds)
            for clients in (1, 10, 100, 1000):
                for peer, ask in who.items():
                    try:
                        rate = ask(clients)
                    except RuntimeError as failure:
                        table.append({"what": "sessions", "units": clients, "peer": peer, "trouble": str(failure)})
                        continue
                    table.append({"what": "sessions", "units": clients, "peer": peer, "seconds": 1 / rate, "ns_a_unit": 1e9 / rate})
                    print(f"  sessions {clients:>9} {peer:<10} {rate:9.0f}/s", file=sys.stderr, flush=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return table
