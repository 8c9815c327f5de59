# SPDX-License-Identifier: Apache-2.0
"""For half an hour: mixed load into all targets of one daemon, while the brokers go up and down. The
ledgers are exact and the memory is flat. Run by contrib/dev test soak [MINUTES]."""
import itertools
import os
import threading
import time

import pytest
from test_amqp_brokers import body, config

from support import report
from support.daemon import sanitized
from support.load import Ledger, Load, fingerprint
from support.wait import wait_until

MINUTES = float(os.environ.get("LSMTPD_SOAK", "0"))
QUEUE = "soak"
DOWN_SECONDS = 8
SIZES = (200, 1024, 4096, 4096, 30_000, 100_000)
MANNERS = ("data", "bdat", "alone", "data", "bdat", "abort", "data")


class Target:
    """The target of one listener's mail: its load, and the messages that came out."""

    def __init__(self, name):
        self.name, self.ledger, self.prints = name, Ledger(), []

    def begin(self, server):
        self.load = Load(server.address(self.name), self.ledger, threads=4, sizes=SIZES, pace=0.1, manners=MANNERS)

    def missing(self):
        return set(self.ledger.accepted) - {number for number, _ in self.prints}


class SpoolTarget(Target):
    duplicates = False

    def settle(self, server):
        self._spool = server.spool

    def collect(self):
        for each in self._spool.messages():
            self.prints.append(fingerprint(each.content))
            each.path.unlink()


class BrokerTarget(Target):
    def __init__(self, broker):
        super().__init__(broker.name)
        self.broker, self.duplicates = broker, not broker.detects_duplicates

    def settle(self, server):
        self._spool = server.spool_at(server.folder / f"spool-{self.name}")

    def collect(self):
        count = self.broker.depth(QUEUE)
        if count:
            self.prints += [fingerprint(body(each)) for each in self.broker.receive(QUEUE, count, 120)]

    def waiting(self):
        return len(self._spool)


def configuration(folder, targets):
    changes = {"listener": [], "plugin": {}, "chain": {}, "log": {"level": "info"}}
    for target in targets:
        changes["listener"].append({"name": target.name, "address": "127.0.0.1:0", "protocol": "smtp",
                                    "chain": target.name})
        output = "spool"
        if isinstance(target, BrokerTarget):
            output = f"out-{target.name}"
            plugin = config(target.broker, QUEUE, deadline="3s", format="rfc822")["plugin"]["broker"]
            changes["plugin"][output] = {**plugin, "fallback": f"spool-{target.name}"}
            changes["plugin"][f"spool-{target.name}"] = {
                "use": "output_json_spool", "deadline": "60s",
                "options": {"directory": str(folder / f"spool-{target.name}")}}
        changes["chain"][target.name] = {"steps": [output]}
    changes["chain"]["default"] = None
    return changes


class Memory(threading.Thread):
    """The daemon's resident memory, once a second."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self._server, self._over, self.samples = server, threading.Event(), []
        self.start()

    def run(self):
        while not self._over.wait(1):
            self.samples.append(self._server.memory())

    def end(self):
        self._over.set()
        self.join()
        # The first tenth fills pools and caches.
        steady = self.samples[len(self.samples) // 10:]
        half = len(steady) // 2
        return max(steady[:half]), max(steady[half:])


@pytest.mark.skipif(not MINUTES, reason="contrib/dev test soak [MINUTES]")
def test_soak(daemon, tmp_path, artemis, brokerj, rabbitmq3, rabbitmq4):
    brokers = [artemis, brokerj, rabbitmq3, rabbitmq4]
    targets = [SpoolTarget("spool"), *map(BrokerTarget, brokers)]
    for broker in brokers:
        broker.create_queue(QUEUE)
    server = daemon(configuration(tmp_path / "daemon", targets), started=False)
    server.start(60)
    for target in targets:
        target.settle(server)
        target.begin(server)
    memory, descriptors = Memory(server), server.descriptors()
    faults = up_and_down(targets, time.monotonic() + MINUTES * 60)
    first, second = memory.end()
    for target in targets:
        target.load.stop()
    for target in targets[1:]:
        wait_until(lambda: target.waiting() == 0, 300, lambda: f"{target.name}: {target.waiting()} to be replayed")
    for target in targets:
        wait_until(lambda: target.collect() or not target.missing(), 120,
                   lambda: f"{target.name}: {len(target.missing())} messages to come", every=1)
        check(target, faults, first, second)
    assert server.descriptors() <= descriptors
    assert sanitized() or second < first * 1.1 + 8 * 2**20, f"memory grew from {first} to {second} bytes"


def up_and_down(targets, end):
    """One broker after the other is killed or stopped for some seconds, until the time is over."""
    faults = 0
    for target, kill in itertools.cycle(itertools.product(targets[1:], (True, False))):
        before = target.ledger.count(2)
        target.broker.kill() if kill else target.broker.pause()
        for other in targets:
            if other is not target:
                other.collect()
        wait_until(lambda: target.ledger.count(2) - before > 20 * DOWN_SECONDS, 60, "the fallback to take mail")
        target.broker.resume()
        target.broker.start()
        target.broker.wait_ready()
        target.collect()
        faults += 1
        if time.monotonic() > end:
            return faults


def check(target, faults, first, second):
    found = target.ledger.compare(target.prints)
    report.record("soak", target.name, target.ledger, found, minutes=MINUTES, faults_of_brokers=faults,
                  slowest_reply=f"{target.load.slowest:.1f} s",
                  memory=f"{first / 2**20:.1f} MB, then {second / 2**20:.1f} MB at most")
    target.ledger.check(found, duplicates_allowed=target.duplicates)
