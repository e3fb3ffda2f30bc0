"""What was measured, as CSV files, SVG charts and the tables of docs/BENCHMARKS.md. A run of some
sections, or of some rows of batch, replaces these alone; the page is made from what stands in the CSV files."""

import csv
import datetime
import json
import os
import re

import batch as section_batch

HERE = os.path.dirname(os.path.abspath(__file__))
OURS, THEIRS = "#c2410c", "#64748b"
SECTIONS = ("batch", "stream", "queries", "growth")


def write(results, about, out):
    data = os.path.join(out, "benchmarks")
    os.makedirs(data, exist_ok=True)
    for section, rows in results.items():
        if section == "batch":
            measured = {row["row"] for row in rows}
            rows = [row for row in read(data, section) if row["row"] not in measured] + rows
        columns = list(dict.fromkeys(key for row in rows for key in row))
        with open(os.path.join(data, section + ".csv"), "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: round(value, 6) if isinstance(value, float) else value for key, value in row.items()} for row in rows)
        with open(os.path.join(data, section + ".json"), "w", encoding="utf-8") as file:
            json.dump({"date": datetime.date.today().isoformat(), **about}, file, indent=1, ensure_ascii=False)
            file.write("\n")
    charts(data)
    with open(os.path.join(HERE, "page.md"), encoding="utf-8") as file:
        page = file.read()
    page = page.replace("<!-- versions -->", versions(data))
    for section in SECTIONS:
        page = page.replace(f"<!-- {section} -->", table_of(data, section))
    with open(os.path.join(out, "BENCHMARKS.md"), "w", encoding="utf-8") as file:
        file.write(page)


def read(data, section):
    path = os.path.join(data, section + ".csv")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def about(data, section):
    with open(os.path.join(data, section + ".json"), encoding="utf-8") as file:
        return json.load(file)


def versions(data):
    """Each program once, with what it had in the newest section that knew it."""
    found, left_out = {}, {}
    for section in SECTIONS:
        if read(data, section):
            what = about(data, section)
            found |= {name: version for name, version in what["versions"].items() if version}
            left_out |= what["left_out"]
    lines = [[name, (re.search(r"\d+(\.\d+)+", version) or [version])[0]] for name, version in found.items()]
    text = "; ".join(" ".join(line) for line in lines) + "."
    return text + "".join(f" {name} was left out: {why}." for name, why in left_out.items() if name not in found)


def number(text, digits=3):
    """Three significant digits, thousands apart."""
    if text in ("", None):
        return ""
    value = float(text)
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def markdown(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)])


def table_of(data, section):
    rows = read(data, section)
    if not rows:
        return "Not measured yet."
    what = about(data, section)
    note = "; " + what["note"] if "note" in what else ""
    text = f"Measured on {what['date']}; {what['machine']}{note}.\n\n" + {"batch": batch, "stream": stream, "queries": queries, "growth": growth}[section](rows)
    pictures = sorted(name for name in os.listdir(data) if name.startswith(section) and name.endswith(".svg"))
    return text + "".join(f"\n\n![{section}](benchmarks/{name})" for name in pictures)


def batch(rows):
    parts = []
    for name in section_batch.ROWS:
        own = [row for row in rows if row["row"] == name]
        if not own:
            continue
        lines = [
            [
                row["peer"],
                row["threads"],
                number(row["gb_s"]),
                spread(row) if row["gb_s"] else row["trouble"],
                number(row["gb_s_with_start"]),
                number(row["peak_mb"]) if float(row["peak_mb"] or 0) else "",
                number(row["tallyd_is_faster"]) + (" ×" if row["tallyd_is_faster"] else ""),
                f"{int(row['bytes']) / 1e6:,.0f}",
            ]
            for row in sorted(own, key=lambda row: -float(row["gb_s"] or 0))
        ]
        head = ["who", "threads", "GB/s", "lowest–highest of passes", "GB/s with its start", "peak MB", "tallyd ÷ it", "MB read"]
        parts.append(f"### {section_batch.ROWS[name][2]}\n\n" + markdown(head, lines))
    return "\n\n".join(parts)


def spread(row):
    return f"{number(row['gb_s_min'])}–{number(row['gb_s_max'])} of {row['passes']}" if row["passes"] != "1" else "once"


def stream(rows):
    lines = [
        [row["peer"], number(row["rate"]), number(row["p50_ms"]), number(row["p99_ms"]), number(row["max_ms"]), number(row["files"]), number(row["unseen"])]
        for row in rows
        if row["what"] == "arrivals" and not row.get("trouble")
    ]
    text = markdown(["who", "files a second", "p50 ms", "p99 ms", "max ms", "files seen", "never seen"], lines)
    first = [[row["peer"], number(row["seconds"]), number(row["peak_mb"])] for row in rows if row["what"] == "first answer"]
    text += "\n\nFrom the start of the program to the first right answer, and peak memory over the arrivals:\n\n" + markdown(["who", "seconds", "peak MB"], first)
    sample = {}
    for row in rows:
        if row["what"] == "sample" and row["seconds"]:
            sample.setdefault(row["peer"], []).append((float(row["seconds"]), float(row["peak_mb"])))
    lines = [[peer, number(sorted(s for s, _ in runs)[len(runs) // 2]), number(max(m for _, m in runs))] for peer, runs in sample.items()]
    return text + "\n\nThe 50-file sample at one file per trigger, whole processes:\n\n" + markdown(["who", "seconds", "peak MB"], lines)


def queries(rows):
    parts = []
    for title, connect, busy in (("Connections that stay", "0", "0"), ("A connection a question", "1", "0"), ("Connections that stay, while tallyd counts at full speed", "0", "1"), ("A connection a question, while tallyd counts at full speed", "1", "1")):
        own = [row for row in rows if row["connect"] == connect and row["busy"] == busy]
        if not own:
            continue
        clients = sorted({int(row["clients"]) for row in own})
        lines = []
        for who in dict.fromkeys(row["who"] for row in own):
            per = {int(row["clients"]): row for row in own if row["who"] == who}
            lines.append([who, *(number(per[n]["per_second"]) if n in per else "" for n in clients)])
        parts.append(f"{title}, questions a second:\n\n" + markdown(["who", *(f"{n} clients" if n > 1 else "1 client" for n in clients)], lines))
    return "\n\n".join(parts)


def growth(rows):
    """A table for each thing that grows: what one more costs whom."""
    parts = []
    for what in dict.fromkeys(row["what"] for row in rows):
        own = [row for row in rows if row["what"] == what]
        who = list(dict.fromkeys(row["peer"] for row in own))
        lines = []
        for units in dict.fromkeys(row["units"] for row in own):
            cells = {row["peer"]: row for row in own if row["units"] == units}
            lines.append([f"{int(units):,}", *(cost_of(cells.get(peer)) for peer in who)])
        parts.append(markdown([what, *(f"{peer}: ns for each (seconds, peak MB)" for peer in who)], lines))
    return "\n\n".join(parts)


def cost_of(row):
    if row is None or not row.get("ns_a_unit"):
        return (row or {}).get("trouble") or ""
    peak = f", {number(row['peak_mb'])}" if float(row.get("peak_mb") or 0) else ""
    return f"{number(row['ns_a_unit'])} ({number(row['seconds'])}{peak})"


def charts(data):
    """SVG charts, where matplotlib is there to draw them."""
    try:
        import matplotlib
    except ImportError:
        print("no charts: matplotlib is not installed (apt install python3-matplotlib)")
        return
    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "tally", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    from matplotlib import pyplot

    def save(figure, name):
        figure.tight_layout()
        figure.savefig(os.path.join(data, name), metadata={"Date": None})
        pyplot.close(figure)

    batch_rows = [row for row in read(data, "batch") if row["row"] == "narrow" and row["gb_s"] and row["peer"] not in ("read()", "wc -l")]
    if batch_rows:
        batch_rows.sort(key=lambda row: float(row["gb_s"]))
        figure, axes = pyplot.subplots(figsize=(8, 0.32 * len(batch_rows) + 1))
        axes.barh([f"{row['peer']}, {row['threads']} thread{'s' * (row['threads'] != '1')}" for row in batch_rows], [float(row["gb_s"]) for row in batch_rows],
                  color=[OURS if row["peer"] == "tallyd" else THEIRS for row in batch_rows])
        axes.set_xscale("log")
        axes.set_xlabel("GB/s of the notebook's shape (logarithmic)")
        save(figure, "batch.svg")
    stream_rows = [row for row in read(data, "stream") if row["what"] == "arrivals" and row.get("p50_ms")]
    if stream_rows:
        figure, axes = pyplot.subplots(figsize=(8, 3.5))
        for peer in dict.fromkeys(row["peer"] for row in stream_rows):
            own = [row for row in stream_rows if row["peer"] == peer]
            for column, style in (("p50_ms", "-"), ("p99_ms", "--")):
                axes.plot([float(row["rate"]) for row in own], [float(row[column]) for row in own], style, marker="o", color=OURS if peer == "tallyd" else THEIRS, label=f"{peer}, {column[:3]}")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("files a second")
        axes.set_ylabel("ms from rename to answer")
        axes.legend(frameon=False)
        save(figure, "stream.svg")
    growth_rows = [row for row in read(data, "growth") if row.get("ns_a_unit")]
    for what in dict.fromkeys(row["what"] for row in growth_rows):
        figure, axes = pyplot.subplots(figsize=(8, 3.2))
        for peer, color in (("tallyd", OURS), ("DuckDB", THEIRS), ("Spark", "#94a3b8"), ("PostgreSQL", "#475569"), ("Redis", "#a8a29e")):
            own = [row for row in growth_rows if row["what"] == what and row["peer"] == peer]
            if own:
                axes.plot([int(row["units"]) for row in own], [float(row["ns_a_unit"]) for row in own], marker="o", color=color, label=peer)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel(what)
        axes.set_ylabel("ns for each")
        axes.legend(frameon=False)
        save(figure, f"growth-{what}.svg")
