#!/usr/bin/python3
"""Throughput, CPU and memory of the daemon, measured from outside.

    contrib/dev bench [--messages N] [--sessions N] [--size BYTES] [--output spool|null]

Prints one line a measurement: smtp-source with kept connections and with one message a connection,
resident memory idle, with 5,000 idle connections, and after 100 messages of 10 MB at once.
CPU is user and system time of the daemon; client and daemon share the machine.
"""
import argparse
import os
import pathlib
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
from support import clients  # noqa: E402
from support.daemon import Daemon  # noqa: E402
from support.hostile import H  # noqa: E402
from support.smtp import queued_id, stuff  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def configuration(options):
    limits = {"connections": 10000, "connections_per_peer": 10000, "message_size": "12MiB"}
    changes = {"limits": limits, "log": {"level": options.log}, "server": {"workers": options.workers}}
    if options.output == "null":
        changes["plugin"] = {"null": {"use": "output_null"}}
        changes["chain"] = {"default": {"steps": ["null"]}}
    return changes


def smtp_source(server, options, kept):
    cpu, start = cpu_seconds(server.pid), time.monotonic()
    clients.with_smtp_source(server, "-s", str(options.sessions), "-m", str(options.messages), "-l",
                             str(options.size), "-f", "s@example.org", "-t", "r@example.org",
                             *(["-d"] if kept else []), timeout=600)
    seconds = time.monotonic() - start
    cpu = cpu_seconds(server.pid) - cpu
    print(f"{'kept connections' if kept else 'one a connection':20} "
          f"{options.messages / seconds:8.0f} messages/s  {cpu / options.messages * 1e6:6.1f} us of CPU "
          f"a message  {server.memory() / 2**20:6.1f} MB resident", flush=True)
    for stored in server.spool.folder.glob("*.json"):  # the folder itself is the daemon's
        stored.unlink()


def idle_connections(server, count):
    held = [server.client() for _ in range(count)]
    print(f"{count} idle connections: {server.memory() / 2**20:.1f} MB resident", flush=True)
    for client in held:
        client.close()


def large_messages(server, count, size):
    content = stuff(H + (b"y" * 998 + b"\r\n") * (size // 1000))
    busy = [server.client(timeout=300) for _ in range(count)]
    peak = 0
    for client in busy:
        client.envelope()
        client.command("DATA", 354)
    start = time.monotonic()
    third = len(content) // 3 + 1
    for part in (content[:third], content[third:2 * third], content[2 * third:]):
        for client in busy:
            client.send(part)
            peak = max(peak, server.memory())
    for client in busy:
        queued_id(client.reply())
        client.close()
    print(f"{count} messages of {size / 1e6:.0f} MB at once: {time.monotonic() - start:.1f} s, peak "
          f"{peak / 2**20:.1f} MB, then {server.memory() / 2**20:.1f} MB resident", flush=True)


def main():
    parser = argparse.ArgumentParser(description="measure the daemon from outside")
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--sessions", type=int, default=30)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--output", choices=["spool", "null"], default="spool")
    parser.add_argument("--log", default="info")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lsmtpd-bench-", dir="/var/tmp") as folder:
        server = Daemon(folder, configuration(options)).start()
        print(f"idle: {server.memory() / 2**20:.1f} MB resident", flush=True)
        try:
            for kept in (True, False, True, False):
                smtp_source(server, options, kept)
            server.stop()
            for measure, arguments in ((idle_connections, (5000,)),
                                       (large_messages, (100, 10_000_000))):
                server.start()
                measure(server, *arguments)
                server.stop()
        finally:
            server.kill()


if __name__ == "__main__":
    main()
