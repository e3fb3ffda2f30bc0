#!/usr/bin/env python3
"""ClickHouse in the process (chdb): its engine over files, told the structure."""

import chdb
from answer import arguments, give

shape, threads, directory = arguments()
kind = "Int64" if shape == "narrow" else "DateTime(\\'UTC\\')"
hour = "time - time % 3600" if shape == "narrow" else "toUnixTimestamp(toStartOfHour(time))"


def count():
    answer = chdb.query(
        f"SELECT action, {hour} AS hour, count() FROM file('{directory}/*', JSONEachRow, 'time {kind}, action String') "
        f"GROUP BY action, hour SETTINGS max_threads = {threads}, date_time_input_format = 'best_effort', "
        "input_format_skip_unknown_fields = 1",
        "TabSeparated",
    )
    return [line.split("\t") for line in str(answer).splitlines()]


give(count)
