# SPDX-License-Identifier: Apache-2.0
"""One measurement: a server, started for it, under smtp_load, with its CPU, memory and system calls."""
import dataclasses
import json
import re
import signal
import subprocess
import time

import proc
from servers.base import Unavailable
from support.daemon import BUILD
from support.wait import Timeout, wait_until

LACKS_EXTENSION = 3  # smtp_load's exit status
WRITTEN_BEHIND = 10  # seconds until files are there that a spool writes behind its journal


@dataclasses.dataclass(frozen=True)
class Cell:
    """The options of a measurement, the same for every server."""
    mode: str = "kept"
    size: int = 4096
    connections: int = 30
    rtt: int = 0

    def __str__(self):
        size = f"{self.size >> 20} MiB" if self.size >= 1 << 20 else f"{self.size >> 10} KiB"
        far = f", round trip {self.rtt} ms" if self.rtt else ""
        return f"{self.mode}, {size}, {self.connections} connections{far}"


def problem(result):
    """The first error, and the number of errors."""
    first = result["problems"][0].strip() if result["problems"] else "no message was taken"
    more = result["failures"] - 1
    return f"{first} (and {more} more)" if more > 0 else first


class Load:
    """smtp_load in steps: connected(), measuring(), result(), and the connections closed by close()."""

    def __init__(self, server, cell, options, *amount):
        self._popen = subprocess.Popen(
            [*options.pinned("client"), BUILD / "tests/smtp_load", "--step", "--mode", cell.mode, "--size",
             str(cell.size), "--connections", str(cell.connections), "--rtt", str(cell.rtt),
             "--window", str(options.window), *(["--tls"] if server.tls else []), *map(str, amount), server.address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def _line(self):
        line = self._popen.stdout.readline()
        if not line:
            self._popen.wait()
            complaint = self._popen.stderr.read().strip()
            if self._popen.returncode == LACKS_EXTENSION:
                raise Unavailable(complaint.removeprefix("smtp_load: the server "))
            raise Unavailable(f"smtp_load ended with {self._popen.returncode}: {complaint}")
        return line

    def _expect(self, word):
        line = self._line()
        if line.strip() != word:  # the result, early: with the errors
            raise Unavailable(problem(json.loads(line)))

    def connected(self):
        self._expect("ready")

    def measuring(self):
        self._popen.stdin.write("\n")
        self._popen.stdin.flush()
        self._expect("measuring")

    def result(self):
        return json.loads(self._line())

    def close(self):
        """The connections end with QUIT; the client's status says whether every reply was right."""
        self._popen.stdin.close()
        self._popen.stdout.read()
        return self._popen.wait()

    def kill(self):
        self._popen.kill()
        self._popen.wait()


def measure(server, cell, options, beside=None):
    """Starts the server, loads it, stops it; returns the measurements as a dict. beside(server): the Load of other
    messages meanwhile, which are not in the measurements."""
    server.start(cell.connections)
    load = other = None
    try:
        idle = proc.resident(*server.pids())
        amount = ["--messages", options.messages] if options.messages else [
            "--seconds", options.seconds, "--warm-up", options.warm_up]
        load = Load(server, cell, options, *amount)
        load.connected()
        connected = proc.resident(*server.pids())
        if beside:
            other = beside(server)
            other.connected()
            other.measuring()
        before = spent(server)
        load.measuring()
        if not options.messages:  # after the warm-up; a few messages would be over by now
            before = spent(server)
        result = load.result()
        cpu, flushes = (after - begin for after, begin in zip(spent(server), before))
        result |= {"cpu_us": cpu / max(1, result["messages"]) * 1e6, "flushes": flushes / max(1, result["messages"]),
                   "idle": idle, "connected": connected, "peak": proc.peak(*server.pids())}
        load.close()
        check_taken(result)
        if other and (complaint := other.result())["failures"]:
            raise Unavailable(f"beside it: {problem(complaint)}")
        check_stored(server, result)
        return result
    finally:
        for each in filter(None, (load, other)):
            each.kill()
        server.stop()


def spent(server):
    """(seconds of CPU, flushes) until now; flushes are counted by what is preloaded."""
    return proc.cpu_seconds(*server.pids()), server.preload.flushes() if server.preload else 0


def measure_beside(server, cell, options, messages, work):
    """work(), which returns a measurement of as many messages, while they go into `server` too; its rate is that until
    both are done."""
    server.start(cell.connections)
    load = None
    try:
        load = Load(server, cell, options, "--messages", messages)
        load.connected()
        begin = time.monotonic()
        load.measuring()
        found = work()
        check_taken(load.result())
        found["seconds"] = time.monotonic() - begin
        load.close()
        return found | {"rate": found["messages"] / found["seconds"]}
    finally:
        if load:
            load.kill()
        server.stop()


def check_taken(result):
    if result["failures"] or not result["messages"]:
        raise Unavailable(problem(result))


def check_stored(server, result):
    """A durable server has at least the counted messages (and those of the warm-up)."""
    if not server.durable:
        return
    try:
        wait_until(lambda: server.stored() >= result["messages"], WRITTEN_BEHIND, "all messages")
    except Timeout:
        raise AssertionError(f"{server.name} has {server.stored()} of {result['messages']} messages") from None


CALL = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")


def count_calls(server, cell, options, messages=400):
    """System calls a message by name, by strace, which slows everything: in a run apart."""
    server.start(cell.connections)
    load = tracer = None
    try:
        load = Load(server, cell, options, "--messages", messages)
        load.connected()
        report = server.folder / "calls.txt"
        pids = server.pids()
        tracer = subprocess.Popen(["strace", "-f", "-c", "-qq", "-o", report,
                                   *(f"-p{pid}" for pid in pids)], stderr=subprocess.PIPE, text=True)
        wait_until(lambda: tracer.poll() is not None or all(map(proc.traced, pids)), 20,
                   "strace to attach")
        load.measuring()
        result = load.result()
        tracer.send_signal(signal.SIGINT)
        complaint = tracer.communicate(timeout=20)[1]
        load.close()
        if not report.exists() or not result["messages"]:
            raise Unavailable(f"strace: {complaint.strip()} {problem(result)}")
        found = map(CALL.match, report.read_text().splitlines())
        return {each[2]: int(each[1]) / result["messages"]
                for each in found if each and each[2] != "total"}
    finally:
        for each in filter(None, (load, tracer)):
            each.kill()
        if tracer:
            tracer.wait()
        server.stop()
