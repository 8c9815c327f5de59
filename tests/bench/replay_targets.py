# SPDX-License-Identifier: Apache-2.0
"""The targets of `bench replay`, each a ratio of two things measured in the same run, and the table of the figures."""
import dataclasses

from report import Results, by_cell, markdown, number
from targets import Judge

BASELINE = "lsmtpd-baseline"
COVERED = 0.9  # of the live mail has to come while replay lasts
ENOUGH = 500   # live mails for a p99: five of them are slower


@dataclasses.dataclass(frozen=True)
class Into:
    """The sink, and the size of the messages."""
    sink: str
    size: int

    def __str__(self):
        return f"{self.sink}, {self.size} octets"


class ReplayResults(Results):
    """A server that failed once has no figures: its ledger is wrong, or it stopped."""

    def median(self, cell, server, key):
        return None if (cell, server) in self.reasons else super().median(cell, server, key)


# Column, key of the measurement, digits.
COLUMNS = (("replayed/s", "rate", 1), ("seconds", "seconds", 2), ("CPU us a message", "cpu_us", 1),
           ("live mail/s", "live_rate", 1),
           ("empty spool: p50 ms", "alone_p50_ms", 2), ("p99 ms", "alone_p99_ms", 2),
           ("beside replay: p50 ms", "beside_p50_ms", 2), ("p99 ms", "beside_p99_ms", 2), ("ratio of the p99", "p99_ratio", 2),
           ("replayed/s beside live mail", "beside_rate", 1), ("live mail during replay", "covered", 2),
           ("live mail to the spool", "live_spooled", 0))
HEAD = ("server", *(name for name, _, _ in COLUMNS))


def row(results, cell, server):
    if results.median(cell, server, "rate") is None:
        return (server, f"**failed**: {results.reasons.get((cell, server), 'not measured')}", *[""] * (len(HEAD) - 2))
    return (server, *(number(results.median(cell, server, key), digits) for _, key, digits in COLUMNS))


def figures(results):
    return markdown(HEAD, by_cell(results, HEAD, row))


class ReplayJudge(Judge):
    def rate(self, cell, server):
        self.say(f"{cell.sink}, {server}: replay at least 2.5 times the baseline's rate, without live mail",
                 self.ratio("rate", cell, server, BASELINE), 2.5, True)

    def latency(self, cell, server):
        text = f"{cell.sink}, {server}: live mail's p99 beside replay at most 1.3 times that with an empty spool"
        covered, messages = (self.results.median(cell, server, key) for key in ("covered", "live_messages"))
        if covered is not None and covered < COVERED:
            self.rows.append((text, f"not measured: replay was over after {covered:.0%} of the live mail", ""))
            return
        if messages is not None and messages < ENOUGH:
            self.rows.append((text, f"not measured: {messages:.0f} live mails are too few", ""))
            return
        baseline = self.results.median(cell, BASELINE, "p99_ratio")
        self.say(text, self.results.median(cell, server, "p99_ratio"), 1.3,
                 beside=f" (the baseline: {baseline:.2f})" if baseline else "")

    def table(self):
        for judge in (self.rate, self.latency):
            for cell, servers in self.results.cells.items():
                for server in servers:
                    if server != BASELINE:
                        judge(cell, server)
        return markdown(("target", "measured", "met"), self.rows)


def table(results):
    return ReplayJudge(results).table()
