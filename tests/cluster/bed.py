# SPDX-License-Identifier: Apache-2.0
"""The test bed: clients on two hosts, a balancer, replicas of lsmtpd, a cluster of brokers; and a run on it, with the ledger of
all that was acknowledged."""
import signal

from support import report
from support.load import Ledger, Load, number_of
from support.wait import wait_until
from test_amqp_brokers import body, receive_all

from replicas import BALANCER, FIRST_REPLICA, Balancer, Replica

SIZES = (200, 1024, 4096)
MANNERS = ("data", "bdat", "alone")
# Seconds. The longest that a client waits, for the greeting or for a whole message, whatever the fault: the output's deadline,
# or the balancer's tcp-ut, with room for a machine whose cores are all taken.
DEADLINE = 20
OUTPUT_DEADLINE = "4s"


class Bed:
    """Order of calls: made; replica() as often as wanted; start(); Run; close()."""

    def __init__(self, network, brokers, output, queue, folder):
        self.network, self.brokers, self.output, self.queue, self.folder = network, brokers, output, queue, folder
        self.clients = [network.host("client1", 11), network.host("client2", 12)]
        self.balancer = Balancer(network.host("balancer", BALANCER), folder)
        self.replicas, self.runs = [], []

    def replica(self, changes=None, **options):
        """One more, not started. changes: of its configuration; options: of its output."""
        number = len(self.replicas)
        host = self.network.host(f"mx{number + 1}", FIRST_REPLICA + number)
        folder = self.folder / host.name
        folder.mkdir()
        made = Replica(host, self.balancer.host, folder, {
            "plugin": {
                "spool": {"use": "output_json_spool", "options": {"directory": str(folder / "spool"), "min_free": "64KiB",
                                                                  "min_free_inodes": 5}},
                "broker": {"use": self.output, "deadline": OUTPUT_DEADLINE, "fallback": "spool", "options": {
                    **self.brokers.options(self.output, self.queue, number), "format": "rfc822",
                    "username": self.brokers.user, "password": self.brokers.password,
                    "connect_timeout": "3s", "reconnect_last": "2s", "stall": "10s", **options}}},
            "chain": {"default": {"steps": ["broker"]}}, **(changes or {})})
        self.replicas.append(made)
        return made

    def start(self):
        for each in self.replicas:
            if not each.running():
                each.start()
        for each in self.replicas:
            each.wait_output(True)
        if not (self.balancer.process and self.balancer.process.running()):
            self.balancer.start()
        for each in self.replicas:
            self.balancer.wait_state(each, "UP")
        return self

    def part(self, some, others):
        self.network.part([each.host for each in some], others)

    def close(self):
        """Ends all processes; those that run must leave cleanly."""
        self.network.heal()
        for each in self.runs:  # of a test that failed
            each.stop()
        running = [each for each in self.replicas if each.running()]
        for each in running:
            each.process.signal(signal.SIGTERM)
        try:
            for each in running:
                assert each.process.wait(60) == 0, f"{each.name} ended with {each.process.returncode}:\n{each.process.tail(80)}"
        finally:
            for each in self.replicas:
                if each.process:
                    each.process.kill()
            if self.balancer.process:
                self.balancer.kill()


class Run:
    """Load from both client hosts through the balancer. accepts() as often as wanted, then settled()."""

    def __init__(self, bed, threads=3, pace=0.01):
        self._bed, self.ledger, self._loads = bed, Ledger(), []
        bed.runs.append(self)
        for client in bed.clients:
            with client.inside():
                self._loads.append(Load(bed.balancer.address, self.ledger, threads=threads, sizes=SIZES, pace=pace,
                                        manners=MANNERS))

    def accepts(self, count, seconds=120):
        self._loads[0].wait_accepted(count, seconds)

    def stop(self):
        for each in self._loads:
            each.stop()

    @property
    def longest(self):
        return max(each.longest for each in self._loads)

    def settled(self, row, **figures):
        """Ends the load, waits until the replicas that run have nothing left, takes all from the broker, and checks the ledger:
        nothing lost; without a fault's help nothing twice; nobody waited beyond the deadline."""
        self.stop()
        for each in self._bed.replicas:
            wait_until(lambda each=each: not each.running() or len(each.spool) == 0, 120,
                       lambda each=each: f"{each.name}'s spool to be empty; {len(each.spool)} wait:\n{each._log_tail()}", 0.1)
        got = receive_all(self._bed.brokers, self._bed.queue, set(self.ledger.accepted), 200)
        ids = {}
        for message in got:
            ids.setdefault(number_of(body(message)), []).append(str(message.id))
        found = self.ledger.compare(body(message) for message in got)
        report.record(row, f"{self._bed.brokers.name}, {self._bed.output}", self.ledger, found,
                      longest_wait=f"{self.longest:.1f} s", **figures)
        self.ledger.check(found, duplicates_allowed=() if self._bed.brokers.detects_duplicates else True)
        twice = {number: each for number, each in ids.items() if len(each) > 1}
        assert all(len(set(each)) == 1 for each in twice.values()), f"sent again with another id: {twice}"
        self._explain({each[0] for each in twice.values()})
        assert self.longest < DEADLINE, f"a client waited for {self.longest:.1f} s"
        return found

    def _explain(self, twice):
        """A message comes twice only where an output's answer did not come, so that the fallback sent it again."""
        replayed = {line["id"] for each in self._bed.replicas for line in each.said("replayed")}
        assert twice <= replayed, f"twice, and never sent again by a fallback: {sorted(twice - replayed)[:20]}"


