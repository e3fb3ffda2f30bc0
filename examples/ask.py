#!/usr/bin/env python3
"""Ask tallyd over its socket with the standard library only.

    ask.py SOCKET 'select action, sum(count) from counts group by action'

Speaks JSON frames (tally-protocol(7)): a request is a line, the answer is
lines until one that says "ok" or "error".
"""

import json
import socket
import sys


def ask(path, sql, params=()):
    """Yields the rows of one statement as lists; raises RuntimeError with the daemon's sentence."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        request = {"id": 1, "sql": sql, "params": list(params)}
        connection.sendall(json.dumps(request).encode() + b"\n")
        for line in connection.makefile("rb"):
            frame = json.loads(line)
            if "error" in frame:
                raise RuntimeError(frame["error"]["message"])
            yield from frame.get("rows", ())
            if frame.get("ok"):
                return
    raise RuntimeError("the connection ended before the answer was whole")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        for row in ask(sys.argv[1], sys.argv[2], sys.argv[3:]):
            print(*row, sep="\t")
    except (OSError, RuntimeError) as error:
        sys.exit(f"{sys.argv[1]}: {error}")
