"""The answer every counting program gives: CSV lines of action, hour (seconds since 1970) and
count, in any order, on standard output; and on standard error how long the counting took
without the program's own start, as `seconds=1.234`. So any two of them can be compared.

Each program is called as PROGRAM SHAPE THREADS DIRECTORY; SHAPE is narrow (numbers as time)
or wide (ISO 8601 times, other fields around).
"""

import sys
import time


def arguments():
    shape, threads, directory = sys.argv[1:]
    if shape not in ("narrow", "wide"):
        sys.exit(f"{sys.argv[0]}: \"{shape}\" is neither narrow nor wide")
    return shape, int(threads), directory


def give(count):
    """Calls count(), which returns rows of (action, hour, count), and prints what it must."""
    start = time.perf_counter()
    rows = count()
    print(f"seconds={time.perf_counter() - start:.6f}", file=sys.stderr)
    sys.stdout.writelines(f"{action},{int(hour)},{int(n)}\n" for action, hour, n in rows)
