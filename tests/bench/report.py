# SPDX-License-Identifier: Apache-2.0
"""Medians of the rounds, and the tables about them, in Markdown."""
import json
import statistics

import bare_spool

MIB = 1 << 20
BESIDE = f"{bare_spool.BESIDE}, beside SMTP into the null output (control)"


class Results:
    """cells[cell][server] -> a list of measurements, or the reason why there is none."""

    def __init__(self):
        self.cells = {}
        self.reasons = {}
        self.calls = {}
        self.bare_spool = {}

    def add(self, cell, server, measurement):
        self.cells.setdefault(cell, {}).setdefault(server, []).append(measurement)

    def leave_out(self, cell, server, reason):
        self.cells.setdefault(cell, {}).setdefault(server, [])
        self.reasons[cell, server] = reason

    def median(self, cell, server, key):
        """None when it was not measured."""
        found = [each[key] for each in self.cells.get(cell, {}).get(server, []) if key in each]
        return statistics.median(found) if found else None

    def bare_spool_rates(self):
        """Messages a second by variant."""
        return {variant: statistics.median(each["rate"] for each in found)
                for variant, found in self.bare_spool.items()}

    def best_bare_spool(self):
        """(variant, messages a second) of the fastest that is no control."""
        rates = {variant: rate for variant, rate in self.bare_spool_rates().items() if "control" not in variant}
        return max(rates.items(), key=lambda each: each[1]) if rates else (None, None)

    def raw(self):
        return {
            "measurements": [{"cell": vars(cell), "server": server, "runs": runs,
                              "reason": self.reasons.get((cell, server))}
                             for cell, servers in self.cells.items() for server, runs in servers.items()],
            "calls": [{"cell": vars(cell), "server": server, "a_message": calls}
                      for (cell, server), calls in self.calls.items()],
            "bare_spool": self.bare_spool}


def number(value, digits=1):
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}f}"


def written(options, results, text):
    """Prints the tables; into options.report too, and every measurement into options.json."""
    print(text, flush=True)
    if options.report:
        options.report.write_text(text)
    if options.json:
        options.json.write_text(json.dumps(results.raw(), indent=1) + "\n")


def _calls(results, cell, server):
    calls = results.calls.get((cell, server))
    if calls is None:
        return "", ""
    flushes = sum(calls.get(each, 0) for each in ("fsync", "fdatasync", "syncfs", "sync_file_range"))
    return number(sum(calls.values())), f"{flushes:.2f}"


HEAD = ("server", "messages/s", "MiB/s", "reply p50 ms", "reply p99 ms", "message p50 ms",
        "CPU us a message", "peak MiB", "calls a message", "flushes a message")


def row(results, cell, server):
    def median(key):
        return results.median(cell, server, key)
    if median("rate") is None:
        return (server, f"left out: {results.reasons.get((cell, server), 'not measured')}",
                *[""] * (len(HEAD) - 2))
    return (server, number(median("rate")), number(median("rate") * cell.size / MIB),
            number(median("reply_p50_ms"), 2), number(median("reply_p99_ms"), 2),
            number(median("message_p50_ms"), 2), number(median("cpu_us")),
            number(median("peak") / MIB), *_calls(results, cell, server))


def markdown(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def by_cell(results, head, row):
    """The rows of a table: the cells one after the other, their servers below each by row(results, cell, server)."""
    rows = []
    for cell, servers in results.cells.items():
        rows.append((f"**{cell}**", *[""] * (len(head) - 1)))
        rows += [row(results, cell, server) for server in servers]
    return rows


def table(results):
    rows = by_cell(results, HEAD, row)
    if results.bare_spool:
        rows.append(("**bare file calls, 4 KiB**", *[""] * (len(HEAD) - 1)))
        for variant, found in results.bare_spool.items():
            middle = {key: statistics.median(each[key] for each in found) for key in ("rate", "cpu_us")}
            rows.append((variant, number(middle["rate"]), *[""] * 4, number(middle["cpu_us"]), "", "", ""))
    return markdown(HEAD, rows)
