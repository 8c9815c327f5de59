#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the outputs to brokers and HTTP servers.

    contrib/dev bench outputs [--sinks NAME...] [--messages N] [--size BYTES] [--window N] [--rounds N] [--large] [--replay N]

In each round, for each sink, with the same mails: smtp-source into lsmtpd with a null output while a bare sender of the
sink's protocol (tests/bench/senders) sends as many messages into the sink, so both halves of the work without what joins
them; then smtp-source into lsmtpd with the output. The bare sender has --window messages unconfirmed, by default as many
as there are SMTP sessions: a session waits for its 250. The ratios of a round are those of these two. With --large also
the memory at 100 messages of 10 MB at once, and with --replay N the time from the sink's start to an empty spool of N
messages, and what the sink holds then.
CPU is that of the daemon (and of the bare sender where it says so), from /proc/PID/stat; the sink and smtp-source take
theirs from the same cores.
"""
import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import servers.lsmtpd  # noqa: E402
from large import large_messages  # noqa: E402
from proc import cpu_seconds  # noqa: E402
from sinks import SINKS, TARGET  # noqa: E402
from support import clients  # noqa: E402
from support.brokers import Unavailable  # noqa: E402
from support.daemon import BUILD, Daemon  # noqa: E402
from support.tls import Authority  # noqa: E402
from support.wait import wait_until  # noqa: E402


def configuration(sink, arguments):
    changes = servers.lsmtpd.configuration(argparse.Namespace(log="info", workers=arguments.workers, output="spool"))
    return {**changes, **sink.configuration(arguments)}


def load(server, arguments, kept):
    clients.with_smtp_source(server, "-s", str(arguments.sessions), "-m", str(arguments.messages), "-l",
                             str(arguments.size), "-f", "s@example.org", "-t", "r@example.org",
                             *(["-d"] if kept else []), timeout=600)


def figures(sink, name, count, seconds, cpu, rest=""):
    print(f"{sink.name:16} {name:32} {count / seconds:8.0f} messages/s {cpu / count * 1e6:6.1f} us of CPU a message {rest}",
          flush=True)


def apart(sink, folder, arguments):
    """SMTP into nothing, and the bare sender into the sink, at once. Returns (seconds, CPU seconds) of both."""
    options = argparse.Namespace(log="info", workers=arguments.workers, output="null")
    server = Daemon(folder / "null", servers.lsmtpd.configuration(options)).start()
    cpu, start = cpu_seconds(server.pid), time.monotonic()
    sender = subprocess.Popen(
        [BUILD / f"tests/{sink.sender}_sender", *sink.sender_arguments(), str(arguments.messages), str(arguments.size),
         str(arguments.window or arguments.sessions), *sink.login()], stdout=subprocess.PIPE, text=True)
    load(server, arguments, True)
    smtp = time.monotonic() - start
    output, _ = sender.communicate(timeout=600)
    both = time.monotonic() - start
    cpu = cpu_seconds(server.pid) - cpu
    if sender.returncode != 0:
        raise SystemExit(f"{sink.name}: the bare sender failed: {output}")
    figures(sink, "null output beside the sender", arguments.messages, smtp, cpu)
    print(f"{sink.name:16} bare sender beside that: {output.strip()}", flush=True)
    cpu += float(re.search(r"([0-9.]+) us", output).group(1)) * arguments.messages / 1e6
    figures(sink, "both", arguments.messages, both, cpu)
    server.stop()
    return both, cpu


def joined(sink, server, arguments, kept):
    cpu, start = cpu_seconds(server.pid), time.monotonic()
    load(server, arguments, kept)
    seconds = time.monotonic() - start
    cpu = cpu_seconds(server.pid) - cpu
    figures(sink, f"lsmtpd, {'connections kept' if kept else 'one a connection'}", arguments.messages, seconds, cpu,
            f"{server.memory() / 2**20:.1f} MB resident")
    sink.purge()
    return seconds, cpu


def with_sink(sink, folder, arguments):
    """Returns joined()'s result with kept connections."""
    server = Daemon(folder / "output", configuration(sink, arguments)).start()
    if sink.ready:
        server.wait_log(sink.ready, 30)
    print(f"{sink.name:16} idle: {server.memory() / 2**20:.1f} MB resident", flush=True)
    result = joined(sink, server, arguments, True)
    joined(sink, server, arguments, False)
    if arguments.large:
        large_messages(server, 100, 10_000_000)
        sink.purge()
    print(f"{sink.name:16} in the spool: {len(server.spool)}", flush=True)
    if arguments.replay:
        replay(sink, server, arguments)
    server.stop()
    return result


def replay(sink, server, arguments):
    sink.kill()
    count = arguments.replay
    clients.with_smtp_source(server, "-d", "-s", "100", "-m", str(count), "-l", str(arguments.size), "-f",
                             "s@example.org", "-t", "r@example.org", timeout=600)
    spooled = len(server.spool)
    cpu, start = cpu_seconds(server.pid), time.monotonic()
    sink.start()
    ready = time.monotonic()
    wait_until(lambda: spool_is_empty(server), 600, "the spool to be empty", every=0.2)
    end = time.monotonic()
    print(f"{sink.name:16} replay of {spooled}: {end - start:.1f} s from the sink's start, {end - ready:.1f} s from "
          f"its first answer, {(cpu_seconds(server.pid) - cpu) / max(spooled, 1) * 1e6:.1f} us of CPU a message, "
          f"{server.memory() / 2**20:.1f} MB resident, {sink.depth()} in {TARGET}", flush=True)


def spool_is_empty(server):
    with os.scandir(server.spool.folder) as entries:
        return not any(each.name.endswith(".json") for each in entries)


def measure(sink, folder, arguments):
    rates, costs = [], []
    for number in range(arguments.rounds):
        daemons = folder / f"daemons{number}"
        daemons.mkdir(parents=True)
        seconds, cpu = apart(sink, daemons, arguments)
        sink.purge()
        own_seconds, own_cpu = with_sink(sink, daemons, arguments)
        rates.append(seconds / own_seconds)
        costs.append(own_cpu / cpu)
        print(f"{sink.name:16} to both apart: rate {rates[-1]:.2f}, CPU {costs[-1]:.2f}", flush=True)
    if arguments.rounds > 1:
        print(f"{sink.name:16} medians of {arguments.rounds} rounds: rate {statistics.median(rates):.2f}, "
              f"CPU {statistics.median(costs):.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="measure the outputs to brokers and HTTP servers")
    parser.add_argument("--sinks", nargs="*", choices=SINKS, default=list(SINKS))
    parser.add_argument("--messages", type=int, default=30000)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--window", type=int, default=0, help="messages of the bare sender that are unconfirmed (--sessions)")
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--format", choices=["json", "raw"], default="json")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--replay", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lsmtpd-bench-", dir="/var/tmp") as name:
        folder = pathlib.Path(name)
        (folder / "tls").mkdir()
        authority = Authority(folder / "tls")
        for kind in arguments.sinks:
            (folder / kind).mkdir()
            sink = SINKS[kind](folder / kind, authority)
            try:
                sink.start()
                measure(sink, folder / kind, arguments)
            except Unavailable as why:
                print(f"{kind:16} left out: {why}", flush=True)
            finally:
                sink.end()


if __name__ == "__main__":
    main()
