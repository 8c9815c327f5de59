# SPDX-License-Identifier: Apache-2.0
"""Mail at a given rate from both client hosts, by smtp_load, and what it took: a connection with TLS for each message."""
import dataclasses
import json
import pathlib
import statistics
import subprocess
import tempfile

from support.daemon import BUILD
from support.wait import wait_until

SIZE = 4096
WARM_UP = 2  # seconds


def _ticks():
    """(all, idle) of the machine's cores."""
    fields = [int(each) for each in pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return sum(fields), fields[3] + fields[4]


@dataclasses.dataclass
class Figures:
    messages: int
    rate: float       # answered with 250, a second
    time: float       # seconds of a message from its connection to its 250: the mean
    middle: float     # the median of that
    moments: list     # seconds, when a message was begun, in order; those of the warm-up too
    late: float       # seconds until 99 % of them had it
    after: float      # seconds from the last message that was begun until the last 250
    failures: int
    cpu: float        # of the replicas, seconds a message
    idle: float       # share of the machine's cores that nobody used


class Offered:
    """Begins at once. rate: at random moments, whatever the replicas do; none: each of `connections` at its pace."""

    def __init__(self, bed, seconds, rate=None, connections=2000, warm_up=WARM_UP, recipients=("r@example.org",)):
        self._replicas = [each for each in bed.replicas if each.running()]
        clients = [(client, recipient) for client in bed.clients for recipient in recipients]
        self._moments = [tempfile.NamedTemporaryFile("r") for _ in clients]
        self._loads = [self._load(bed, client, [
            "--seconds", seconds, "--warm-up", warm_up, "--connections", connections // len(clients), "--seed", number,
            "--recipient", recipient, *(["--rate", rate / len(clients), "--moments", moments.name] if rate else [])])
            for number, ((client, recipient), moments) in enumerate(zip(clients, self._moments), 1)]
        for each in self._loads:
            self._expect(each, "ready")
            each.stdin.write("\n")
            each.stdin.flush()
        for each in self._loads:
            self._expect(each, "measuring")
        self._cpu, self._begin = self._cpu_seconds(), _ticks()

    @staticmethod
    def _load(bed, client, options):
        with client.inside():
            return subprocess.Popen(
                [str(each) for each in (BUILD / "tests/smtp_load", "--step", "--tls", "--mode", "one", "--size", SIZE, *options,
                                        "{}:{}".format(*bed.balancer.address))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @staticmethod
    def _expect(load, word):
        line = load.stdout.readline()
        assert line.strip() == word, f"smtp_load: {line}"

    def _cpu_seconds(self):
        return sum(each.cpu_seconds() for each in self._replicas)

    def result(self):
        """Waits for the end of the load."""
        found = [json.loads(each.stdout.readline()) for each in self._loads]
        cpu = self._cpu_seconds() - self._cpu
        everything, idle = (now - before for now, before in zip(_ticks(), self._begin))
        for each in self._loads:
            each.stdin.close()
            each.wait()
            each.stdout.close()
        messages = sum(each["messages"] for each in found)
        assert messages, found
        moments = sorted(float(line) for each in self._moments for line in each)
        for each in self._moments:
            each.close()
        return Figures(
            messages, sum(each["rate"] for each in found),
            sum(each["message_mean_ms"] * each["messages"] for each in found) / messages / 1000,
            statistics.mean(each["message_p50_ms"] for each in found) / 1000, moments,
            max(each["message_p99_ms"] for each in found) / 1000, max(each["seconds_after_the_last"] for each in found),
            sum(each["failures"] for each in found), cpu / messages, idle / everything)

    def kill(self):
        for each in self._loads:
            each.kill()
            each.wait()
        for each in self._moments:
            each.close()


def run_only(bed, count):
    """The first `count` replicas, and no others."""
    wanted, others = bed.replicas[:count], bed.replicas[count:]
    for each in others:
        if each.running():
            assert each.stop() == 0
    for each in wanted:
        if not each.running():
            each.start()
    for each in wanted:
        each.wait_output(True)
    if bed.balancer.process is None:
        bed.balancer.start()
    for each in bed.replicas:
        bed.balancer.wait_state(each, "UP" if each in wanted else "DOWN")


def spools_empty(bed, seconds=120):
    for each in bed.replicas:
        wait_until(lambda each=each: len(each.spool) == 0, seconds, f"{each.name}'s spool to be empty", 0.1)
