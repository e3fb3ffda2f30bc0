#!/usr/bin/env python3
"""Python's standard library, a loop over lines."""

import collections
import datetime
import json
import os

from answer import arguments, give

shape, _, directory = arguments()


def count():
    counts = collections.Counter()
    for name in os.listdir(directory):
        with open(os.path.join(directory, name), "rb") as lines:
            for line in lines:
                event = json.loads(line)
                time = event["time"]
                if shape == "wide":
                    time = int(datetime.datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp())
                counts[event["action"], time - time % 3600] += 1
    return [(*key, n) for key, n in counts.items()]


give(count)
