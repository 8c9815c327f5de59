#!/usr/bin/env python3
"""Measures lsmtpd into message brokers: run it as contrib/dev does, or with LSMTPD_BUILD set.

For each broker: a bare Proton C++ sender (tests/amqp_sender of the build, target amqp_sender), smtp-source into
lsmtpd with a null output, smtp-source into lsmtpd with output_amqp; then, with --large, the memory at 100 messages
of 10 MB at once, and with --replay N the time from the broker's start to an empty spool of N messages.
CPU is the daemon's alone, from /proc/PID/stat; the broker takes its own from the same cores.
"""
import argparse
import os
import pathlib
import subprocess
import tempfile
import time

import bench
from bench import cpu_seconds
from support import clients
from support.artemis import Artemis
from support.brokerj import BrokerJ
from support.daemon import BUILD, Daemon
from support.rabbitmq import RabbitMq3, RabbitMq4
from support.tls import Authority
from support.wait import wait_until

KINDS = {kind.name: kind for kind in (Artemis, BrokerJ, RabbitMq3, RabbitMq4)}


def address(broker):
    return "/queue/bench" if broker.name == "rabbitmq3" else broker.target("bench")


def configuration(broker, arguments):
    changes = bench.configuration(argparse.Namespace(log="info", workers=arguments.workers, output="spool"))
    changes["plugin"] = {"broker": {"use": "output_amqp", "deadline": "30s", "fallback": "spool", "options": {
        "urls": [broker.url], "address": address(broker), "username": broker.user, "reconnect_last": "1s",
        "password": broker.password, "format": arguments.format}}}
    changes["chain"] = {"default": {"steps": ["broker"]}}
    return changes


def bare(broker, arguments):
    done = subprocess.run([arguments.sender, f"{broker.host}:{broker.port}", address(broker), str(arguments.messages),
                           str(arguments.size), broker.user, broker.password], capture_output=True, text=True,
                          timeout=300)
    print(f"{broker.name:10} bare sender     {done.stdout.strip()}{done.stderr.strip()}", flush=True)


def smtp(server, name, arguments, kept):
    cpu, start = cpu_seconds(server.pid), time.monotonic()
    clients.with_smtp_source(server, "-s", str(arguments.sessions), "-m", str(arguments.messages), "-l",
                             str(arguments.size), "-f", "s@example.org", "-t", "r@example.org",
                             *(["-d"] if kept else []), timeout=600)
    seconds = time.monotonic() - start
    cpu = cpu_seconds(server.pid) - cpu
    print(f"{name:26} {'kept' if kept else 'one each':9}{arguments.messages / seconds:8.0f} messages/s "
          f"{cpu / arguments.messages * 1e6:6.1f} us of CPU a message {server.memory() / 2**20:6.1f} MB", flush=True)


def null(folder, arguments):
    options = argparse.Namespace(log="info", workers=arguments.workers, output="null")
    server = Daemon(folder / "null", bench.configuration(options)).start()
    smtp(server, "null output", arguments, True)
    server.stop()


def with_broker(broker, folder, arguments):
    server = Daemon(folder / "amqp", configuration(broker, arguments)).start()
    server.wait_log("attached to the target", 30)
    print(f"{broker.name:10} idle: {server.memory() / 2**20:.1f} MB resident", flush=True)
    for kept in (True, False):
        smtp(server, f"{broker.name:10} lsmtpd", arguments, kept)
        broker.purge("bench")
    if arguments.large:
        bench.large_messages(server, 100, 10_000_000)
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
    broker.start()
    start = time.monotonic()
    cpu = cpu_seconds(server.pid)
    wait_until(lambda: next(os.scandir(server.spool.folder), None) is None or len(server.spool) == 0, 600,
               "the spool to be empty", every=0.5)
    print(f"{broker.name:10} replay of {spooled}: {time.monotonic() - start:.1f} s, "
          f"{(cpu_seconds(server.pid) - cpu) / max(spooled, 1) * 1e6:.1f} us of CPU a message, "
          f"{server.memory() / 2**20:.1f} MB resident", flush=True)


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
                bare(broker, arguments)
                broker.purge("bench")
                (folder / kind / "daemons").mkdir()
                null(folder / kind / "daemons", arguments)
                with_broker(broker, folder / kind / "daemons", arguments)
            finally:
                broker.end()


if __name__ == "__main__":
    main()
