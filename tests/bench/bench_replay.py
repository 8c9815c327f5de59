#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Replay from the spool into a broker, alone and beside live mail, of both layouts and of an earlier build.

    contrib/dev bench replay [--baseline BUILD_DIR] [--sinks A,B] [--layouts A,B] [--messages N] [--report FILE] [...]

For each sink, after a warm-up of its broker, layouts and baseline take turns in each round, every second time in the reverse
order; each is started anew in an empty folder. The broker is paused (SIGSTOP: its connections get no answer) while SMTP
brings --messages, which the spool takes as the output's fallback; then the broker goes on. A figure of replay begins with
the first message that the broker settled and ends with the empty spool. Live mail comes at one rate, at the same random
moments, to an empty spool and then beside the replay of as many messages again. Each time the broker must hold as many
messages as got a 250: other counts fail that server.
Figures are medians of the rounds; each target is a ratio of two figures of this run.
"""
import argparse
import contextlib
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import replay_targets  # noqa: E402
import report  # noqa: E402
from bench import attempt, build_folder, machine, say, words  # noqa: E402
from load import WRITTEN_BEHIND, Cell, Load, check_taken  # noqa: E402
from proc import cpu_seconds  # noqa: E402
from replay_log import ReplayLog  # noqa: E402
from replay_targets import Into  # noqa: E402
from servers import lsmtpd  # noqa: E402
from servers.base import Unavailable  # noqa: E402
from sinks import SINKS  # noqa: E402
from support import brokers  # noqa: E402
from support.daemon import merge  # noqa: E402
from support.tls import Authority  # noqa: E402
from support.wait import Timeout, wait_until  # noqa: E402

COUNTING = ("rabbitmq4", "artemis", "rabbitmq4-0-9-1", "rabbitmq3", "rabbitmq3-0-9-1", "brokerj")  # say what they hold
SLOWEST = 100           # messages a second of replay, with which it may just be done in time
LIVE_CONNECTIONS = 100  # at once: a message that finds none free waits, and its time counts


class IntoSink:
    """lsmtpd with an output into options.sink, and the spool as its fallback."""

    def more(self):
        # The mail that comes during the first attempt to connect waits for its end. All lanes are to find the broker at once.
        return merge(self.options.sink.configuration(self.options),
                     {"plugin": {"sink": {"options": {"connect_timeout": "1s", "reconnect_last": "200ms"}}}})


class Files(IntoSink, lsmtpd.Files):
    pass


class Journal(IntoSink, lsmtpd.Journal):
    pass


class Baseline(IntoSink, lsmtpd.Baseline):
    pass


LAYOUTS = {"files": Files, "journal": Journal}


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--baseline", type=build_folder, help="a build folder of an earlier commit, with its default layout")
    add("--sinks", type=words(COUNTING), default=list(COUNTING[:3]), help=f"some of {','.join(COUNTING)}")
    add("--layouts", type=words(LAYOUTS), default=list(LAYOUTS), help=",".join(LAYOUTS))
    add("--messages", type=int, default=20000, help="in the spool when the broker goes on")
    add("--size", type=int, default=4096, help="octets of a message")
    add("--connections", type=int, default=30, help="that bring the messages for the spool")
    add("--live-rate", type=float, default=0, help="live mail a second; default a third of what the sink takes")
    add("--live-seconds", type=float, default=15, help="of live mail at most; else four fifths of the replay without it")
    add("--rounds", type=int, default=3)
    add("--quick", action="store_true", help="one round of 2000 messages")
    add("--directory", default="/var/tmp", help="of spools and brokers")
    add("--workers", type=int, default=0, help="lsmtpd's; 0 = the cores it may use")
    add("--log", choices=["info", "debug"], default="info", help="lsmtpd's log level")
    add("--json", type=pathlib.Path, help="writes every measurement")
    add("--report", type=pathlib.Path, help="writes the tables into this Markdown file, too")
    options = parser.parse_args(argv)
    if options.quick:
        options.rounds, options.messages = 1, 2000
    # As load.py, servers/ and sinks.py want them.
    options.window, options.pinned, options.format = 4, lambda who: [], "json"
    return options


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.results = replay_targets.ReplayResults()
        self.kinds = [*([Baseline] if options.baseline else []), *(LAYOUTS[each] for each in options.layouts)]
        self.lanes = options.workers or len(os.sched_getaffinity(0))
        self.failed = False

    @contextlib.contextmanager
    def server(self, sink, kind):
        """A new one, whose broker is paused until sink.resume()."""
        server = kind(self.folder, argparse.Namespace(**{**vars(self.options), "sink": sink}))
        sink.pause()
        try:
            server.start()
            try:
                yield server
            finally:
                server.stop()
        finally:
            sink.resume()
            sink.purge()

    def load(self, server, cell, *amount, begin=lambda: None):
        """smtp_load's result; begin() comes right before the first message."""
        load = Load(server, cell, self.options, *amount)
        try:
            load.connected()
            begin()
            load.measuring()
            result = load.result()
            load.close()
            check_taken(result)
            return result
        finally:
            load.kill()

    def fill(self, server):
        count = self.options.messages
        self.load(server, Cell(size=self.options.size, connections=self.options.connections), "--messages", count)
        wait_until(lambda: server.stored() == count, WRITTEN_BEHIND,
                   lambda: f"{count} messages in the spool, which has {server.stored()}")

    def live(self, server, rate, seconds, begin=lambda: None):
        return self.load(server, Cell("one", self.options.size, LIVE_CONNECTIONS), "--rate", rate, "--seconds", seconds,
                         begin=begin)

    def ledger(self, sink, expected, seconds=10):
        """Returns how many messages are at the broker: as many as got a 250, and no more. Then it has none."""
        with contextlib.suppress(Timeout):
            wait_until(lambda: sink.depth() >= expected, seconds, "all of them", every=0.25)
        if (found := sink.depth()) != expected:
            raise Unavailable(f"{sink.name} has {found} of {expected} messages")
        sink.purge()
        return found

    def warm_up(self, sink):
        """Replay that is not counted, for a broker may be slower at first. Returns the rate of live mail."""
        count = self.options.messages
        with self.server(sink, self.kinds[-1]) as server:
            self.fill(server)
            with ReplayLog(server, sink.ready) as log:
                sink.resume()
                log.wait_empty(count, 60 + count / SLOWEST)
                log.wait_begun(self.lanes)
            if self.options.live_rate:
                return self.options.live_rate
            most = self.load(server, Cell("one", self.options.size, self.options.connections), "--seconds", 3,
                             "--warm-up", 0.5)["rate"]
        say(f"{sink.name}: {most:.0f} messages/s of live mail")
        return round(most / 3)

    def alone(self, sink, kind, rate):
        """Replay without live mail, then live mail with an empty spool."""
        count = self.options.messages
        with self.server(sink, kind) as server:
            self.fill(server)
            with ReplayLog(server, sink.ready) as log:
                cpu = cpu_seconds(*server.pids())
                sink.resume()
                log.wait_empty(count, 60 + count / SLOWEST)
                cpu = cpu_seconds(*server.pids()) - cpu
                seconds = log.ended() - log.began()
                log.wait_begun(self.lanes)
            arrived = self.ledger(sink, count)
            live_seconds = max(0.1, min(self.options.live_seconds, seconds * 0.8))
            live = self.live(server, rate, live_seconds)
            arrived_live = self.ledger(sink, live["messages"])
        return {"messages": count, "arrived": arrived, "live_alone": live["messages"], "arrived_live": arrived_live,
                "seconds": seconds, "rate": count / seconds, "cpu_us": cpu / count * 1e6,
                "live_rate": rate, "live_seconds": live_seconds,
                "alone_p50_ms": live["message_p50_ms"], "alone_p99_ms": live["message_p99_ms"]}

    def beside(self, sink, kind, rate, seconds):
        """Replay beside live mail, which begins when all lanes take it and ends, as a rule, before replay does."""
        count = self.options.messages
        with self.server(sink, kind) as server:
            self.fill(server)
            with ReplayLog(server, sink.ready) as log:
                began = []

                def begin():
                    sink.resume()
                    log.wait_begun(self.lanes)
                    began.append(time.time())

                live = self.live(server, rate, seconds, begin)
                log.wait_empty(count, 60 + count / SLOWEST)
                arrived = self.ledger(sink, count + live["messages"])
                return {"live_messages": live["messages"], "arrived_both": arrived,
                        "live_spooled": len(log) - count,
                        "beside_rate": len(log) / (log.ended() - log.began()),
                        "covered": min(1, max(0, log.ended() - began[0]) / seconds),
                        "beside_p50_ms": live["message_p50_ms"], "beside_p99_ms": live["message_p99_ms"]}

    def measure(self, sink, kind, rate):
        found = self.alone(sink, kind, rate)
        found |= self.beside(sink, kind, rate, found["live_seconds"])
        return found | {"p99_ratio": found["beside_p99_ms"] / found["alone_p99_ms"]}

    def add(self, number, sink, kind, rate):
        cell = Into(sink.name, self.options.size)
        found = attempt(self.results, cell, kind.name, lambda: self.measure(sink, kind, rate))
        if not found:
            self.failed = True
            return
        self.results.add(cell, kind.name, found)
        say(f"round {number}: {sink.name}: {kind.name}: {found['rate']:.0f} replayed/s, {found['cpu_us']:.1f} us of CPU a "
            f"message; live mail's p99 {found['alone_p99_ms']:.2f} ms, beside replay {found['beside_p99_ms']:.2f} ms")

    def sink(self, name, authority):
        folder = self.folder / name
        folder.mkdir()
        sink = SINKS[name](folder, authority)
        try:
            sink.start()
            rate = self.warm_up(sink)
            for number in range(1, self.options.rounds + 1):
                for kind in self.kinds if number % 2 else reversed(self.kinds):
                    self.add(number, sink, kind, rate)
        except (brokers.Unavailable, Unavailable, Timeout) as reason:
            self.failed = True
            say(f"{name}: left out: {reason}")
            for kind in self.kinds:
                self.results.leave_out(Into(name, self.options.size), kind.name, " ".join(str(reason).split())[:120])
        finally:
            sink.end()


def written(options, results):
    report.written(options, results, f"{machine()}; {options.rounds} rounds; {options.messages} messages in the spool\n\n"
                   f"{replay_targets.figures(results)}\n\n{replay_targets.table(results)}\n")


def main(argv=None):
    options = parse(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # daemons and brokers are ended, too
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lsmtpd-bench-", dir=options.directory))
    bench = Bench(options, folder)
    try:
        (folder / "tls").mkdir()
        authority = Authority(folder / "tls")
        for name in options.sinks:
            bench.sink(name, authority)
    except KeyboardInterrupt:
        say("interrupted: what there is")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    written(options, bench.results)
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
