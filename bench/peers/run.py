#!/usr/bin/env python3
"""make bench-peers: tallyd side by side with what one would use instead, in one run.

    run.py [--sections batch,stream,queries,growth] [--rows narrow,…] [--peers NAME,…] [--passes N]
           [--scale SHARE] [--out DIRECTORY]

Makes the files below $TALLY_BENCH_DIR (default /var/tmp/tally-bench; memory is a good place),
fetches the peers' Python packages once into $TALLY_PEERS_HOME, and writes DIRECTORY/*.csv, *.svg
and BENCHMARKS.md (default: docs/ of the source tree). A peer that cannot be had is left out with
the reason. Takes 30 to 60 minutes; --scale 0.1 reads a tenth of the bytes, for a look.
"""

import argparse
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.path.insert(0, HERE)

import batch  # noqa: E402
import engine  # noqa: E402
import growth  # noqa: E402
import peers  # noqa: E402
import queries  # noqa: E402
import report  # noqa: E402
import stream  # noqa: E402

SECTIONS = ("batch", "stream", "queries", "growth")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "unknown CPU")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    kernel = os.uname().release
    place = subprocess.run(["stat", "-f", "-c", "%T", engine.WORK], capture_output=True, text=True).stdout.strip()
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {kernel}, files on {place}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", default=",".join(SECTIONS))
    parser.add_argument("--rows", default=",".join(batch.ROWS))
    parser.add_argument("--peers", default="", help="only these, by name; default: all")
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--seconds", type=float, default=10, help="of each rate of arrivals and each measure of queries")
    parser.add_argument("--note", default="", help="for the page, such as what else the machine did")
    parser.add_argument("--out", default=os.path.join(HERE, "../../docs"))
    options = parser.parse_args()
    sections = options.sections.split(",")
    unknown = set(sections) - set(SECTIONS) | set(options.rows.split(",")) - set(batch.ROWS)
    if unknown:
        parser.error("unknown: " + ", ".join(sorted(unknown)))
    if options.peers:
        peers.COUNTERS[:] = [peer for peer in peers.COUNTERS if peer.name in options.peers.split(",")]
    os.makedirs(engine.WORK, exist_ok=True)
    peers.install()
    about = {"machine": machine(), "versions": {p.name: p.version() for p in peers.COUNTERS if not p.missing()}, "left_out": {p.name: p.missing() for p in peers.COUNTERS if p.missing()}}
    about["versions"] |= queries.versions()
    about["left_out"] |= queries.left_out()
    if options.note:
        about["note"] = options.note
    measures = {
        "batch": lambda: [line for row in options.rows.split(",") for line in batch.rows_of(row, batch.measure(row, options.passes, options.scale))],
        "stream": lambda: stream.arrivals(options.seconds) + stream.sample(options.passes),
        "queries": lambda: queries.measure(options.seconds, options.passes),
        "growth": lambda: growth.measure(options.passes) + growth.sessions(options.seconds / 5),
    }
    try:
        for section in (name for name in SECTIONS if name in sections):
            # Written at once, so that what has been measured is not lost with what comes after it.
            report.write({section: measures[section]()}, about, options.out)
    finally:
        batch.forget(engine.WORK)


if __name__ == "__main__":
    main()
