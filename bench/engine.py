#!/usr/bin/env python3
"""make bench-engine: the engine against the read() loop, in one run.

Makes the sets of bench/gen_events below $TALLY_BENCH_DIR (default
/var/tmp/tally-bench) once, then runs the read() loop of 256 KiB and
`tallyd --available-now` over them in turn, the first pass thrown away, and
prints medians. The whole process is measured: listing, reading, counting,
checkpoint, mirror, snapshot. Options: names of rows; --passes N; --csv FILE;
--cost: what counting, mirror and checkpoint each cost instead
(bench/bench_cycle), for those of the rows that count one query by one thread.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

TOP = os.environ.get("top_builddir", os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
WORK = os.environ.get("TALLY_BENCH_DIR", "/var/tmp/tally-bench")

SLIDING = "[query sliding]\nwindow = 15 minutes\nslide = 5 minutes\n"

# name: (set, options of the generator, threads, environment, what stands behind the source's path, what)
ROWS = {
    "narrow": ("v1", [], 1, {}, "", "2 GB, two actions, ascending times, 1 thread"),
    "narrow-2": ("v1", [], 2, {}, "", "the same, 2 threads"),
    "narrow-portable": ("v1", [], 1, {"TALLYD_SCAN_LEVEL": "portable"}, "", "the same, 1 thread, portable path"),
    "narrow-judge": ("v1", [], 1, {"TALLYD_SCAN_LEVEL": "judge"}, "", "the same, 1 thread, the judge alone"),
    "two-queries": ("v1", [], 1, {}, SLIDING, "the same, 1 thread, a second query of 15 minutes sliding by 5"),
    "wide": ("v2", [], 1, {}, "", "1 GB, 135-byte lines, ISO times, nested fields, 1 thread"),
    "wide-judge": ("v2", [], 1, {"TALLYD_SCAN_LEVEL": "judge"}, "", "the same, the judge alone"),
    "many": ("v3", [], 1, {}, "", "1 GB, 100 actions x 10,000 windows, random times, 1 thread"),
    "many-2": ("v3", [], 2, {}, "", "the same, 2 threads"),
    "many-whole": ("v3", [], 1, {}, "max_bytes_per_trigger = 0\n", "1 GB of many groups as one batch, 1 thread"),
    "malformed": ("v1", ["--malformed", "200000", "--bytes", "500 MB"], 1, {}, "", "500 MB, every fifth line malformed, 1 thread"),
    "small": ("v4", [], 1, {}, "", "100,000 files of 20 lines, 1 thread"),
    "small-2": ("v4", [], 2, {}, "", "the same, 2 threads"),
    "sample": ("v0", [], 1, {}, "", "50 files of 2,000 lines"),
}


def make_set(name, options):
    """The directory of a set, made once."""
    label = name + "".join(o.replace(" ", "").replace("-", "") for o in options)
    path = os.path.join(WORK, label)
    if not os.path.exists(path):
        print(f"making {path}", file=sys.stderr)
        os.makedirs(WORK, exist_ok=True)
        partial = path + ".new"
        shutil.rmtree(partial, ignore_errors=True)
        subprocess.run([os.path.join(TOP, "bench/gen_events"), "--set", name, *options, partial], check=True)
        os.rename(partial, path)
    return path


def read_loop(paths, threads):
    output = subprocess.run(
        [os.path.join(TOP, "bench/read_files"), str(threads)], input="\n".join(paths), text=True, capture_output=True, check=True
    ).stdout.split()
    return float(output[0]), int(output[1])


def count(path, threads, environment, extra):
    """Seconds of wall time, events, and the peak resident bytes of one run."""
    with tempfile.TemporaryDirectory(dir=WORK) as state:
        config = os.path.join(state, "tallyd.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"[tallyd]\nthreads = {threads}\nstate_dir = {state}/state\n[source events]\npath = {path}\n{extra}[query counts]\n")
        sql = "select events from queries where name = 'counts'"
        command = [os.path.join(TOP, name) for name in ("bench/run_measured", "tallyd")]
        command += ["--config", config, "--available-now", "--sql", sql]
        output = subprocess.run(command, stdout=subprocess.PIPE, env={**os.environ, **environment}, check=True).stdout.split()
        # The answer, seconds of wall and of CPU time, peak memory.
        return float(output[1]), int(output[0]), int(output[3])


def show_costs(options):
    """Where the time goes, in the process itself."""
    for name in options.rows or ["narrow", "many"]:
        set_name, generator, threads, _, _, what = ROWS[name]
        path = make_set(set_name, generator)
        print(f"{name}: {what}", flush=True)
        command = [os.path.join(TOP, "bench/bench_cycle"), "--turns", str(options.passes), "--threads", str(threads), "--state", WORK, path]
        subprocess.run(command, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help="rows to run; default: all")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--csv")
    parser.add_argument("--cost", action="store_true")
    options = parser.parse_args()
    if options.cost:
        show_costs(options)
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    table = []
    print(f"{'row':<16} {'read() GB/s':>11} {'tallyd GB/s':>11} {'M events/s':>10} {'ratio':>6} {'min-max':>12} {'peak MB':>8}  what")
    for name in options.rows or ROWS:
        set_name, generator, threads, environment, extra, what = ROWS[name]
        path = make_set(set_name, generator)
        paths = [os.path.join(path, f) for f in os.listdir(path)]
        reads, counts, peak = [], [], 0
        for turn in range(options.passes + 1):
            # Some machines drop what nobody read for seconds: each turn begins warm.
            read_loop(paths, threads)
            seconds, size = read_loop(paths, threads)
            took, events, memory = count(path, threads, environment, extra)
            if turn > 0:
                reads.append(seconds)
                counts.append(took)
                peak = max(peak, memory)
        ratios = [r / c for r, c in zip(reads, counts)]
        read, took = statistics.median(reads), statistics.median(counts)
        row = [name, size / read / 1e9, size / took / 1e9, events / took / 1e6, statistics.median(ratios), min(ratios), max(ratios), peak / 1e6, what]
        table.append(row)
        print(f"{name:<16} {row[1]:>11.2f} {row[2]:>11.2f} {row[3]:>10.1f} {row[4]:>6.2f} {row[5]:>6.2f}-{row[6]:<5.2f} {row[7]:>8.1f}  {what}", flush=True)
    if options.csv:
        with open(options.csv, "w", encoding="utf-8") as file:
            file.write("row,read_gb_s,tallyd_gb_s,m_events_s,ratio,ratio_min,ratio_max,peak_mb,what\n")
            file.writelines(",".join(f'"{c}"' if i == 8 else str(c) for i, c in enumerate(row)) + "\n" for row in table)


if __name__ == "__main__":
    main()
