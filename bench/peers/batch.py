"""The same question, counts by action and hour, over the same files, by everything that can
answer it. Peers take turns within each pass, the first pass is thrown away, and the answers
must be equal line by line."""

import hashlib
import os
import shutil
import statistics
import sys

import peers
from processes import Failed, Run

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import engine  # noqa: E402 - make bench's rows and its read() loop

# row: (set of gen_events, shape, what)
ROWS = {
    "narrow": ("v1", "narrow", "2 GB of the notebook's shape: `{\"time\":1469501107,\"action\":\"Open\"}`"),
    "wide": ("v2", "wide", "1 GB of 135-byte lines: ISO 8601 times, other and nested fields"),
    "many": ("v3", "narrow", "1 GB, 100 actions × 10,000 hours in random order: 1,000,000 groups"),
    "small": ("v4", "narrow", "100,000 files of 20 lines"),
    "sample": ("v0", "narrow", "50 files of 2,000 lines, 3.6 MB"),
}


def part_of(path, limit):
    """A directory with the first files of `path`, `limit` bytes of them: for the slow ones."""
    names = sorted(os.listdir(path))
    kept, size = [], 0
    for name in names:
        if size >= limit:
            part = f"{path}-{limit}"
            if not os.path.exists(part):
                shutil.rmtree(part + ".new", ignore_errors=True)
                os.makedirs(part + ".new")
                for keep in kept:
                    os.link(os.path.join(path, keep), os.path.join(part + ".new", keep))
                os.rename(part + ".new", part)
            return part
        kept.append(name)
        size += os.path.getsize(os.path.join(path, name))
    return path


def fingerprint(text):
    return hashlib.sha256("\n".join(sorted(text.split("\n"))).encode()).hexdigest()


def measure(row, passes, scale):
    """[(peer, threads, bytes, [Run])] of one row; a list instead of runs says why there are none."""
    set_name, shape, _ = ROWS[row]
    path = engine.make_set(set_name, [])
    if scale < 1 and row != "sample":
        path = part_of(path, int(sum(e.stat().st_size for e in os.scandir(path)) * scale))
    places, entries, right = {}, [], {}
    for peer in peers.COUNTERS:
        place = part_of(path, peer.limit) if peer.limit else path
        places[place] = sum(e.stat().st_size for e in os.scandir(place))
        for threads in peer.threads:
            entries.append([peer, threads, place, [], peer.missing()])
    for turn in range(passes + 1):
        for entry in entries:
            peer, threads, place, runs, trouble = entry
            if trouble or (peer.limit and turn > 1) or (peer.warm and turn == 0):
                continue
            # Some machines drop what nobody read for seconds: each turn begins warm.
            engine.read_loop([os.path.join(place, f) for f in os.listdir(place)], 2)
            try:
                run = Run(peer.command(shape, threads, place), {"TALLY_BENCH_DIR": engine.WORK, "top_builddir": engine.TOP})
            except Failed as failure:
                entry[4] = str(failure)
                continue
            if peer.counts and fingerprint(run.output) != right.setdefault(place, fingerprint(run.output)):
                entry[4] = "another answer than the first to answer"
                continue
            run.output = None
            if turn > 0:
                runs.append(run)
                print(f"  {row:<8} {peer.name:<12} {threads} {places[place] / run.counting / 1e9:8.3f} GB/s {run.peak / 1e6:8.1f} MB", file=sys.stderr, flush=True)
    return [(peer, threads, places[place], runs, trouble) for peer, threads, place, runs, trouble in entries]


def rows_of(row, measured):
    """Dictionaries for the CSV file and the table; throughput of the whole process and without its start."""
    own = {threads: statistics.median(r.seconds / size for r in runs) for peer, threads, size, runs, _ in measured if peer.name == "tallyd" and runs}
    table = []
    for peer, threads, size, runs, trouble in measured:
        line = {"row": row, "peer": peer.name, "threads": threads, "bytes": size, "trouble": trouble or ""}
        if runs:
            counting = sorted(size / r.counting for r in runs)
            line |= {
                "passes": len(runs),
                "gb_s": statistics.median(counting) / 1e9,
                "gb_s_min": counting[0] / 1e9,
                "gb_s_max": counting[-1] / 1e9,
                "gb_s_with_start": statistics.median(size / r.seconds for r in runs) / 1e9,
                "peak_mb": max(r.peak for r in runs) / 1e6,
                "tallyd_is_faster": statistics.median(r.counting for r in runs) / size / own[threads] if own.get(threads) else None,
            }
        table.append(line)
    return table


def forget(directory):
    """Removes the parts that were made of hard links."""
    for name in os.listdir(directory):
        if "-" in name and name.rpartition("-")[2].isdigit():
            shutil.rmtree(os.path.join(directory, name), ignore_errors=True)
