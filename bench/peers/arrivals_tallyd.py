#!/usr/bin/env python3
"""arrivals_tallyd.py DIRECTORY SECONDS RATE…: tallyd, asked over its socket in plain text."""

import os
import socket
import subprocess
import sys
import time

from arrivals import measure, say

directory, seconds, *rates = sys.argv[1:]
home = directory + ".tallyd"
os.makedirs(directory)
os.makedirs(home)
with open(os.path.join(directory, "first.json"), "w", encoding="utf-8") as first:
    first.write('{"time":1469501107,"action":"Open"}\n')
start = time.perf_counter()
daemon = subprocess.Popen(
    [os.path.join(os.environ.get("top_builddir", "."), "tallyd"), "--events", directory, "--socket", home + "/s", "--state-dir", home + "/state"],
    stderr=subprocess.DEVNULL,
)
connection = None
while connection is None:
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(home + "/s")
    except OSError:
        connection = None
        time.sleep(0.0005)
answers = connection.makefile("r")


def ask():
    connection.sendall(b"select coalesce(sum(count), 0) from counts;\n")
    return int(answers.readline())


while ask() < 1:
    pass
print(f"first_answer_s={time.perf_counter() - start:.4f}")
for rate in rates:
    say(*measure(ask, directory, float(rate), float(seconds)))
daemon.terminate()
daemon.wait()
