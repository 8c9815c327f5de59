#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures lsmtpd into message brokers.

    contrib/dev bench amqp [--brokers NAME...] [--messages N] [--size BYTES] [--large] [--replay N]

For each broker, with the same mails: smtp-source into lsmtpd with a null output while a bare Proton C++ sender
(target amqp_sender) sends as many messages into the broker, so both halves of the work without what joins them; then
smtp-source into lsmtpd with output_amqp. With --large also the memory at 100 messages of 10 MB at once, and with
--replay N the time from the broker's start to an empty spool of N messages, and what the queue holds then.
CPU is that of the daemon (and of the bare sender where it says so), from /proc/PID/stat; the broker and smtp-source
take theirs from the same cores.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
import servers.lsmtpd  # noqa: E402
from large import large_messages  # noqa: E402
from proc import cpu_seconds  # noqa: E402
from support import clients  # noqa: E402
from support.artemis import Artemis  # noqa: E402
from support.brokerj import BrokerJ  # noqa: E402
from support.daemon import BUILD, Daemon  # noqa: E402
from support.rabbitmq import RabbitMq3, RabbitMq4  # noqa: E402
from support.tls import Authority  # noqa: E402
from support.wait import wait_until  # noqa: E402

KINDS = {kind.name: kind for kind in (Artemis, BrokerJ, RabbitMq3, RabbitMq4)}


def address(broker):
    return "/queue/bench" if broker.name == "rabbitmq3" else broker.target("bench")


def configuration(broker, arguments):
    changes = servers.lsmtpd.configuration(argparse.Namespace(log="info", workers=arguments.workers, output="spool"))
    changes["plugin"] = {"broker": {"use": "output_amqp", "deadline": "30s", "fallback": "spool", "options": {
        "urls": [broker.url], "address": address(broker), "username": broker.user, "reconnect_last": "1s",
        "password": broker.password, "format": arguments.format}}}
    changes["chain"] = {"default": {"steps": ["broker"]}}
    return changes


def load(server, arguments, kept):
    clients.with_smtp_source(server, "-s", str(arguments.sessions), "-m", str(arguments.messages), "-l",
                             str(arguments.size), "-f", "s@example.org", "-t", "r@example.org",
                             *(["-d"] if kept else []), timeout=600)


def figures(name, count, seconds, cpu, rest=""):
    print(f"{name:40} {count / seconds:8.0f} messages/s {cpu / count * 1e6:6.1f} us of CPU a message {rest}",
          flush=True)


def apart(broker, folder, arguments):
    """SMTP into nothing, and the bare sender into the broker, at once."""
    options = argparse.Namespace(log="info", workers=arguments.workers, output="null")
    server = Daemon(folder / "null", servers.lsmtpd.configuration(options)).start()
    cpu, start = cpu_seconds(server.pid), time.monotonic()
    sender = subprocess.Popen(
        [arguments.sender, f"{broker.host}:{broker.port}", address(broker), str(arguments.messages),
         str(arguments.size), broker.user, broker.password], stdout=subprocess.PIPE, text=True)
    load(server, arguments, True)
    smtp = time.monotonic() - start
    output, _ = sender.communicate(timeout=600)
    both = time.monotonic() - start
    cpu = cpu_seconds(server.pid) - cpu
    if sender.returncode != 0:
        raise SystemExit(f"{broker.name}: the bare sender failed: {output}")
    figures(f"{broker.name:10} null output beside the sender", arguments.messages, smtp, cpu)
    print(f"{broker.name:10} bare sender beside that: {output.strip()}", flush=True)
    of_sender = float(re.search(r"([0-9.]+) us", output).group(1)) * arguments.messages / 1e6
    figures(f"{broker.name:10} both", arguments.messages, both, cpu + of_sender)
    server.stop()


def joined(broker, server, arguments, kept):
    cpu, start = cpu_seconds(server.pid), time.monotonic()
    load(server, arguments, kept)
    seconds = time.monotonic() - start
    figures(f"{broker.name:10} lsmtpd, {'connections kept' if kept else 'one a connection'}", arguments.messages,
            seconds, cpu_seconds(server.pid) - cpu, f"{server.memory() / 2**20:.1f} MB resident")
    broker.purge("bench")


def with_broker(broker, folder, arguments):
    server = Daemon(folder / "amqp", configuration(broker, arguments)).start()
    server.wait_log("attached to the target", 30)
    print(f"{broker.name:10} idle: {server.memory() / 2**20:.1f} MB resident", flush=True)
    for kept in (True, False):
        joined(broker, server, arguments, kept)
    if arguments.large:
        large_messages(server, 100, 10_000_000)
        broker.purge("bench")
    print(f"{broker.name:10} in the spool: {len(server.spool)}", flush=True)
    if arguments.replay:
        replay(broker, server, arguments)
    server.stop()


def replay(broker, server, arguments):
    broker.kill()
    count = arguments.replay
    clients.with_smtp_source(server, "-d", "-s", "100", "-m", str(count), "-l", str(arguments.size), "-f",
                             "s@example.org", "-t", "r@example.org", timeout=600)
    spooled = len(server.spool)
    cpu, start = cpu_seconds(server.pid), time.monotonic()
    broker.start()
    ready = time.monotonic()
    wait_until(lambda: spool_is_empty(server), 600, "the spool to be empty", every=0.2)
    end = time.monotonic()
    print(f"{broker.name:10} replay of {spooled}: {end - start:.1f} s from the broker's start, {end - ready:.1f} s from "
          f"its first answer, {(cpu_seconds(server.pid) - cpu) / max(spooled, 1) * 1e6:.1f} us of CPU a message, "
          f"{server.memory() / 2**20:.1f} MB resident, {broker.depth('bench')} in the queue", flush=True)


def spool_is_empty(server):
    with os.scandir(server.spool.folder) as entries:
        return not any(each.name.endswith(".json") for each in entries)


def main():
    parser = argparse.ArgumentParser(description="measure lsmtpd into message brokers")
    parser.add_argument("--brokers", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--messages", type=int, default=30000)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--format", choices=["json", "rfc822"], default="json")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--replay", type=int, default=0)
    parser.add_argument("--sender", default=BUILD / "amqp_sender", type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lsmtpd-bench-", dir="/var/tmp") as name:
        folder = pathlib.Path(name)
        (folder / "tls").mkdir()
        authority = Authority(folder / "tls")
        for kind in arguments.brokers:
            broker = KINDS[kind](folder / kind, authority)
            try:
                broker.start()
                broker.create_queue("bench")
                (folder / kind / "daemons").mkdir()
                apart(broker, folder / kind / "daemons", arguments)
                broker.purge("bench")
                with_broker(broker, folder / kind / "daemons", arguments)
            finally:
                broker.end()


if __name__ == "__main__":
    main()
