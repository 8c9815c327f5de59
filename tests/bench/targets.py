# SPDX-License-Identifier: Apache-2.0
"""The targets of lsmtpd's speed, each a ratio of two things measured in the same run."""
from load import Cell
from report import BESIDE, MIB, markdown, number

BASE = Cell()
FAR = 315  # ms


class Judge:
    def __init__(self, results):
        self.results = results
        self.rows = []

    def ratio(self, key, cell, one, other, other_cell=None):
        above = self.results.median(cell, one, key)
        below = self.results.median(other_cell or cell, other, key)
        return above / below if above is not None and below else None

    def say(self, text, value, limit, at_least=False, unit="", beside=""):
        if value is None:
            self.rows.append((text, "not measured", ""))
            return
        met = value >= limit if at_least else value <= limit
        shown = f"{value:.2f}" if value < 100 else number(value)
        self.rows.append((text, f"{shown}{unit}{beside}", "yes" if met else "**no**"))

    def core(self):
        for mode in ("one", "kept", "pipelined", "bdat"):
            cell = Cell(mode)
            self.say(f"null, {mode}: CPU a message at most 1.35 of the bare responder's",
                     self.ratio("cpu_us", cell, "lsmtpd-null", "bare"), 1.35)
            self.say(f"null, {mode}: messages/s at least 0.8 of the bare responder's",
                     self.ratio("rate", cell, "lsmtpd-null", "bare"), 0.8, True)
        for cell, factor in ((BASE, 1.4), (Cell("pipelined"), 2.5), (Cell(size=MIB), 10)):
            self.say(f"null, {cell}: at least {factor} times smtp-sink's rate",
                     self.ratio("rate", cell, "lsmtpd-null", "smtp-sink"), factor, True)

    def spool(self):
        variant, limit = self.results.best_bare_spool()
        rate = self.results.median(BASE, "lsmtpd-spool", "rate")
        beside = self.results.bare_spool_rates().get(BESIDE)
        self.say(f"spool: at least 0.8 of the bare file calls' rate ({variant})",
                 rate / limit if rate and limit else None, 0.8, True,
                 beside=f" (of their rate beside SMTP: {rate / beside:.2f})" if rate and beside else "")
        for peer, factor in (("smtp-sink", 0.45), ("postfix", 6)):
            self.say(f"spool: at least {factor} times {peer}'s rate",
                     self.ratio("rate", BASE, "lsmtpd-spool", peer), factor, True)
        calls = self.results.calls.get((BASE, "lsmtpd-spool"))
        # The spool flushes files with fdatasync and the directory with fsync.
        self.say("spool, 30 connections: directory flushes a message, far fewer than one: at most 0.25",
                 calls and calls.get("fsync", 0.0), 0.25)

    def memory(self):
        idle = [self.results.median(cell, "lsmtpd-spool", "idle") for cell in self.results.cells]
        idle = [each / MIB for each in idle if each]
        self.say("spool: resident idle at most 12 MiB", max(idle, default=None), 12, unit=" MiB")
        crowd = Cell(connections=5000)
        both = [self.results.median(crowd, "lsmtpd-null", key) for key in ("connected", "idle")]
        self.say("an idle connection: at most 4 KiB",
                 (both[0] - both[1]) / crowd.connections / 1024 if all(both) else None, 4, unit=" KiB")
        peaks = [run["peak"] / MIB for servers in self.results.cells.values()
                 for name, runs in servers.items() if name.startswith("lsmtpd") for run in runs]
        self.say("peak in every mode: below 128 MiB", max(peaks, default=None), 128, unit=" MiB")

    def distance(self):
        for mode, server, trips in (("one-pipelined", "lsmtpd-null", 5), ("pipelined", "lsmtpd-null", 2)):
            time = self.results.median(Cell(mode, rtt=FAR), server, "message_p50_ms")
            kind = "a new connection" if mode.startswith("one") else "a kept connection"
            # The server's own time comes on top: a twentieth of a round trip is left to it.
            self.say(f"{FAR} ms away, a message on {kind}: at most {trips} round trips",
                     time / FAR if time else None, trips + 0.05)

    def growth(self):
        # The kernel's part grows too: the bare responder's ratio shows by how much.
        crowd = Cell(connections=5000)
        bare = self.ratio("cpu_us", crowd, "bare", "bare", BASE)
        self.say("5,000 connections: CPU a message at most 1.2 of that at 30",
                 self.ratio("cpu_us", crowd, "lsmtpd-null", "lsmtpd-null", BASE), 1.2,
                 beside=f" (the bare responder: {bare:.2f})" if bare else "")
        self.say("a crowded spool: CPU a message at most 1.2 of an empty one's",
                 self.ratio("cpu_us", BASE, "lsmtpd-spool-crowded", "lsmtpd-spool"), 1.2)
        bare = self.ratio("cpu_us", BASE, "bare-2", "bare")
        self.say("two workers: no more CPU a message than one",
                 self.ratio("cpu_us", BASE, "lsmtpd-null-2", "lsmtpd-null"), 1.0,
                 beside=f" (the bare responder: {bare:.2f})" if bare else "")

    def table(self):
        for judge in (self.core, self.spool, self.memory, self.distance, self.growth):
            judge()
        return markdown(("target", "measured", "met"), self.rows)


def table(results):
    return Judge(results).table()
