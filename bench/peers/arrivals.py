"""Files arriving at a steady rate, by rename, and a reader who asks for the total all the time:
how long after its rename is each file seen in the answer?"""

import os
import threading
import time


def measure(ask, directory, rate, seconds, patience=30):
    """ask() returns the number of events counted so far; each file holds one event. Returns
    (latencies in seconds, files never seen within `patience` after the last one)."""
    aside = directory + ".new"
    os.makedirs(aside, exist_ok=True)
    before = ask()
    wanted = max(5, int(rate * seconds))
    made = []
    for number in range(wanted):
        path = os.path.join(aside, f"a-{rate}-{number:06d}.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write('{"time":1469501107,"action":"Open"}\n')
        made.append(path)
    arrived = []

    def write():
        start = time.perf_counter()
        for number, path in enumerate(made):
            wait = start + number / rate - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            # The instant before the rename: nobody can have seen the file earlier.
            arrived.append(time.perf_counter())
            os.rename(path, os.path.join(directory, os.path.basename(path)))

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    end = None
    while len(seen) < wanted:
        total = ask() - before
        now = time.perf_counter()
        seen.extend(now for _ in range(total - len(seen)))
        if not writer.is_alive():
            end = end or now + patience
            if now > end:
                break
    writer.join()
    return [at - since for at, since in zip(seen, arrived)], wanted - len(seen)


def say(latencies, unseen):
    """One line that stream.py reads."""
    latencies = sorted(latencies)
    at = lambda share: latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000 if latencies else float("nan")
    print(f"p50_ms={at(0.5):.3f} p99_ms={at(0.99):.3f} max_ms={at(1):.3f} files={len(latencies)} unseen={unseen}", flush=True)
