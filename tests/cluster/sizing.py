# SPDX-License-Identifier: Apache-2.0
"""The sizing formula of docs/scaling.md. Times in seconds, rates in messages a second."""
import collections
import dataclasses
import random
import statistics

from quota import PERIOD

LONG = 20_000  # messages of a simulation, after which its mean stays
TICK = 0.004   # the kernel sees at one of these that a quota is spent: CONFIG_HZ=250, as in Debian


@dataclasses.dataclass(frozen=True)
class Replica:
    """What was measured of one replica, with the mail and the brokers that it is for."""
    cores: float            # of CPU that it may use
    full: float             # the messages a second that it takes at most
    cpu: tuple              # (share of that rate, CPU of a message): the lower the rate, the fewer messages share a wake-up
    replay: float           # messages a second that leave the spool where no other mail comes
    stored: float           # bytes of a message in the spool
    reconnect: float        # from the end of an outage until messages go out again


class Sizing:
    """So many replicas of that kind, of which each gets the same share of the mail."""

    def __init__(self, replica, count):
        self._of, self._count = replica, count

    @property
    def capacity(self):
        return self._count * self._of.full

    def cpu(self, rate):
        """Of a message, between the points that were measured."""
        load, points = rate / self.capacity, sorted(self._of.cpu)
        if load <= points[0][0]:
            return points[0][1]
        for (low, first), (high, second) in zip(points, points[1:]):
            if load <= high:
                return first + (load - low) / (high - low) * (second - first)
        return points[-1][1]

    def used(self, rate):
        """Share of their CPU that the replicas use."""
        return rate / self._count * self.cpu(rate) / self._of.cores

    def rate_of(self, used):
        """At which they use that share of their CPU."""
        low, high = 0.0, self.capacity
        for _ in range(50):
            rate = (low + high) / 2
            low, high = (rate, high) if self.used(rate) < used else (low, rate)
        return high

    def time(self, rate, alone, moments=None):
        """Of a message, below the capacity: that of one which meets no other, and what it waits for others; medians. `moments` are
        those at which messages came."""
        cpu = self.cpu(rate)
        return alone + statistics.median(simulated(rate, cpu, self._of.cores, self._count, moments)) - cpu

    def waiting_clients(self, rate, seconds):
        """Messages that clients still hold after so long at a rate above the capacity."""
        return max(0, rate - self.capacity) * seconds

    def clients_served_after(self, rate, seconds):
        """Until the last of these has its 250, where no more come; and the mean time of a message that came before, since sessions
        share the CPU."""
        return self.waiting_clients(rate, seconds) / self.capacity

    def backlog(self, rate, outage):
        """Messages in all spools at the end of an outage of the brokers."""
        return rate * (outage + self._of.reconnect)

    def volume(self, rate, outage):
        """Bytes in the spool of each replica."""
        return self.backlog(rate, outage) / self._count * self._of.stored

    def drained_after(self, messages, rate):
        """Until the spools are empty: replay has the CPU that mail of that rate leaves."""
        left = 1 - rate / self.capacity
        return messages / (self._count * self._of.replay * left)


class _Replica:
    """Sessions that share a core, until the quota of the period is spent; then all wait for the next period. What they had more
    until the tick is taken from the next quota."""

    def __init__(self, cores, cpu, dice):
        self._quota, self._cpu, self._dice = cores * PERIOD, cpu, dice
        self._now = self._spent = self._share = 0.0  # share: of CPU that each session got since the beginning
        self._ends, self._more = PERIOD, dice.uniform(0, TICK)
        self.sessions = collections.deque()  # (share at which it ends, when it came)
        self.times = []

    def take(self):
        self.sessions.append((self._share + self._cpu, self._now))

    def advance(self, until):
        while self._now < until:
            step = min(until, self._ends) - self._now
            left = self._quota + self._more - self._spent
            if self.sessions and left > 1e-9:
                of_first = (self.sessions[0][0] - self._share) * len(self.sessions)
                step = min(step, left, of_first)
                self._share += step / len(self.sessions)
                self._spent += step
            self._now += step
            while self.sessions and self.sessions[0][0] - self._share < 1e-9:
                self.times.append(self._now - self.sessions.popleft()[1])
            if self._ends - self._now < 1e-9:
                self._begin_period()

    def _begin_period(self):
        self._now = max(self._now, self._ends)
        self._ends += PERIOD
        self._spent = max(0.0, self._spent - self._quota)
        self._more = self._dice.uniform(0, TICK)


def _random_moments(rate):
    dice, now = random.Random(1), 0.0
    for _ in range(LONG):
        now += dice.expovariate(rate)
        yield now


def simulated(rate, cpu, cores, count, moments=None):
    """Times of messages that come at these moments, or of many at random ones, each to the replica with the fewest sessions (in
    turn, where several have as few). The dice begin the same way each time."""
    dice, now = random.Random(2), 0.0
    replicas = [_Replica(cores, cpu, dice) for _ in range(count)]
    for now in moments or _random_moments(rate):
        for each in replicas:
            each.advance(now)
        chosen = min(replicas, key=lambda each: len(each.sessions))
        chosen.take()
        replicas.remove(chosen)
        replicas.append(chosen)
    for each in replicas:
        while each.sessions:
            each.advance(now := now + PERIOD)
    return [time for each in replicas for time in each.times]
