# SPDX-License-Identifier: Apache-2.0
"""The targets of `bench flushes`, each a ratio of two things measured in the same run, and the table of the figures."""
import dataclasses

from load import Cell
from report import MIB, by_cell, markdown, number
from targets import Judge

BARE = "bare loop"


@dataclasses.dataclass(frozen=True)
class Place(Cell):
    """Where it is measured, and what else there is."""
    slow: bool = True
    beside: str = ""

    def __str__(self):
        return f"{'flushes delayed' if self.slow else 'in memory'}: {super().__str__()}{self.beside}"


SLOW_30, SLOW_200, SLOW_1 = (Place(connections=count) for count in (30, 200, 1))
MIXED = Place(beside=", beside 10 MiB")
MEMORY = Place(slow=False)
LARGE = Place(size=MIB, slow=False)

HEAD = ("server", "messages/s", "reply p50 ms", "reply p99 ms", "message p50 ms", "message p99 ms", "CPU us a message",
        "flushes a message")


def row(results, cell, server):
    def shown(key, digits=2):
        return number(results.median(cell, server, key), digits)
    if results.median(cell, server, "rate") is None:
        return (server, f"left out: {results.reasons.get((cell, server), 'not measured')}", *[""] * (len(HEAD) - 2))
    flushes = results.median(cell, server, "flushes") if cell.slow and not cell.beside else None
    return (server, shown("rate"), shown("reply_p50_ms"), shown("reply_p99_ms"), shown("message_p50_ms"),
            shown("message_p99_ms"), "" if cell.beside else shown("cpu_us", 1), ""if flushes is None else f"{flushes:.3f}")


def figures(results):
    return markdown(HEAD, by_cell(results, HEAD, row))


class FlushJudge(Judge):
    def least(self, text, limit, cell, one, other, key="rate", beside=""):
        self.say(text, self.ratio(key, cell, one, other), limit, True, beside=beside)

    def layout(self, name):
        return f"lsmtpd-{name}"

    def rates(self):
        for name, limit in (("journal", 0.85), ("files", 0.5)):
            self.least(f"{name}, 30 connections: rate at least {limit} of the bare loop's with 30 writers", limit, SLOW_30,
                       self.layout(name), BARE)
        self.least("journal, 30 connections: rate at least 4 times the baseline's", 4, SLOW_30, "lsmtpd-journal",
                   "lsmtpd-baseline")
        for name in ("journal", "files"):
            self.say(f"{name}, 30 connections: at most 0.1 flushes a message",
                     self.results.median(SLOW_30, self.layout(name), "flushes"), 0.1)
        for other, limit in (("baseline", 10), ("postfix", 8)):
            other_name = "postfix" if other == "postfix" else self.layout(other)
            files = self.ratio("rate", SLOW_200, "lsmtpd-files", other_name)
            self.least(f"journal, 200 connections: rate at least {limit} times the {other}'s", limit, SLOW_200,
                       "lsmtpd-journal", other_name, beside=f" (files: {files:.2f})" if files else "")

    def latencies(self):
        """From the final dot to the 250: the commands before it need no flush."""
        for name in ("journal", "files"):
            layout = self.layout(name)
            whole = self.results.median(SLOW_1, layout, "message_p50_ms")
            flush = self.results.median(SLOW_1, BARE, "reply_p50_ms")
            self.say(f"{name}, 1 connection: reply p50 at most 1.2 of one bare append and flush",
                     self.ratio("reply_p50_ms", SLOW_1, layout, BARE), 1.2,
                     beside=f" (with the commands before it: {whole / flush:.2f})" if whole and flush else "")
        for name in ("journal", "files"):
            slow = self.results.median(SLOW_30, self.layout(name), "reply_p99_ms")
            flush = self.results.median(SLOW_1, BARE, "reply_p50_ms")
            self.say(f"{name}, 30 connections: reply p99 at most 3 bare appends and flushes",
                     slow / flush if slow and flush else None, 3)
        for name in ("journal", "files"):
            self.say(f"{name}: p99 of 4 KiB mails beside 10 MiB ones at most 2 times the baseline's",
                     self.ratio("message_p99_ms", MIXED, self.layout(name), "lsmtpd-baseline"), 2)

    def memory(self):
        two = self.ratio("rate", MEMORY, "lsmtpd-journal", "lsmtpd-null-2")
        self.least("in memory, journal: rate at least 0.75 of the null output's", 0.75, MEMORY, "lsmtpd-journal",
                   "lsmtpd-null", beside=f" (of two workers': {two:.2f})" if two else "")
        self.least("in memory, journal: rate at least 1.0 times smtp-sink's", 1.0, MEMORY, "lsmtpd-journal", "smtp-sink")
        two = self.ratio("cpu_us", MEMORY, "lsmtpd-journal", "lsmtpd-null-2")
        self.say("in memory, journal: CPU a message at most 1.8 times the null output's",
                 self.ratio("cpu_us", MEMORY, "lsmtpd-journal", "lsmtpd-null"), 1.8,
                 beside=f" (of two workers': {two:.2f})" if two else "")
        self.least("in memory, files: rate at least 1.4 times the baseline's", 1.4, MEMORY, "lsmtpd-files",
                   "lsmtpd-baseline")
        files = self.ratio("rate", LARGE, "lsmtpd-files", BARE)
        self.least("in memory, journal, 1 MiB: rate at least 0.8 of the bare loop's beside SMTP into null", 0.8, LARGE,
                   "lsmtpd-journal", BARE, beside=f" (files: {files:.2f})" if files else "")

    def table(self):
        for judge in (self.rates, self.latencies, self.memory):
            judge()
        return markdown(("target", "measured", "met"), self.rows)


def table(results):
    return FlushJudge(results).table()
