# SPDX-License-Identifier: Apache-2.0
"""The figures of the fault tests: one line a run, printed at the end and kept in a file."""
import json
import os
import pathlib
import time

COLUMNS = ("sent", "250", "4xx", "5xx", "no reply", "lost", "twice, 250", "twice, no reply")
RUNS = []
TABLES = {}


def add(title, **columns):
    """A row of a table of its own; each row of a title has the same columns."""
    TABLES.setdefault(title, []).append({name.replace("_", " "): value for name, value in columns.items()})


def tables():
    """Markdown."""
    parts = []
    for title, rows in TABLES.items():
        lines = [list(rows[0]), ["---"] * len(rows[0]), *(row.values() for row in rows)]
        parts.append(f"{title}\n\n" + "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines))
    return "\n".join(parts)


def record(row, target, ledger, found, control=False, **figures):
    """Adds a run. row: the fault; target: where the messages went; found: Ledger.compare()'s.
    figures: what else was measured, with its unit in the name."""
    counts = (len(ledger.entries), ledger.count(2), ledger.count(4), ledger.count(5),
              len(ledger.unanswered), len(found.lost), len(found.twice), len(found.twice_unknown))
    RUNS.append({"fault": row, "target": target, "control": control, **dict(zip(COLUMNS, counts)),
                 "figures": {name.replace("_", " "): value for name, value in figures.items()}})


def table(runs):
    """Markdown, with a sum for each target. Controls lose mail on purpose and stand below."""
    lines = ["| fault | target | " + " | ".join(COLUMNS) + " | figures |",
             "| --- | --- |" + " ---: |" * len(COLUMNS) + " --- |"]

    def line(fault, target, run, figures=""):
        lines.append(f"| {fault} | {target} | " + " | ".join(f"{run[each]:,}" for each in COLUMNS)
                     + f" | {figures} |")

    real = [run for run in runs if not run["control"]]
    for run in real + [run for run in runs if run["control"]]:
        line(run["fault"], run["target"], run,
             ", ".join(f"{name} {value}" for name, value in run["figures"].items()))
    for target in dict.fromkeys(run["target"] for run in real):
        line("**sum**", target, {each: sum(run[each] for run in real if run["target"] == target)
                                 for each in COLUMNS})
    return "\n".join(lines) + "\n"


def save(file):
    """Lays these runs over those that the file has, by fault and target: a matrix may be run in
    pieces. FILE.md gets the same as a table."""
    file = pathlib.Path(file)
    kept = json.loads(file.read_text()) if file.exists() else []
    runs = {(run["fault"], run["target"]): run for run in kept + RUNS}
    file.write_text(json.dumps(list(runs.values()), indent=1) + "\n")
    file.with_name(file.name + ".md").write_text(table(list(runs.values())))


def finish(terminal):
    file = os.environ.get("LSMTPD_REPORT")
    if RUNS:
        terminal.section("ledgers")
        terminal.write(table(RUNS))
        if file:
            save(file)
    if TABLES:
        terminal.section("figures")
        terminal.write(tables())
        if file:
            pathlib.Path(f"{file}.figures.md").write_text(tables())


class Timing:
    """Durations, as one figure."""

    def __init__(self):
        self._seconds = []

    def take(self, what):
        begin = time.monotonic()
        what()
        self._seconds.append(time.monotonic() - begin)

    def __str__(self):
        values = sorted(self._seconds)
        return f"{values[len(values) // 2]:.2f} s, at most {values[-1]:.2f} s" if values else "none"
