# SPDX-License-Identifier: Apache-2.0
"""The sizing formula of docs/scaling.md. Times in seconds, rates in messages a second."""
import collections
import dataclasses
import functools
import random
import statistics

from quota import PERIOD

LONG = 20_000  # messages of a simulation, after which its mean stays


@dataclasses.dataclass(frozen=True)
class Replica:
    """What was measured of one replica, with the mail and the brokers that it is for."""
    cores: float            # of CPU that it may use
    full: float             # the messages a second that it takes at most
    busy_cpu: float         # CPU of a message at that rate
    calm_cpu: float         # CPU of a message at `calm` of that rate, where fewer messages share a wake-up
    calm: float
    time: float             # of a message at that rate, from its connection to its 250
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
        """Of a message, between the two points that were measured."""
        of, load = self._of, rate / self.capacity
        way = min(1, max(0, (load - of.calm) / (1 - of.calm)))
        return of.calm_cpu + way * (of.busy_cpu - of.calm_cpu)

    def time(self, rate):
        """Of a message, below the capacity: that which was measured, and what more the sessions wait for each other."""
        of = self._of
        return of.time - simulated(of.calm * of.full, of.calm_cpu, of.cores, 1) \
            + simulated(rate, self.cpu(rate), of.cores, self._count)

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
    """Sessions that share a core, until the quota of the period is spent; then all wait for the next period."""

    def __init__(self, cores, cpu):
        self._quota, self._cpu = cores * PERIOD, cpu
        self._now = self._begin = self._spent = self._share = 0.0  # share: of CPU that each session got since the beginning
        self.sessions = collections.deque()  # (share at which it ends, when it came)
        self.times = []

    def take(self):
        self.sessions.append((self._share + self._cpu, self._now))

    def advance(self, until):
        while self._now < until:
            ends = self._begin + PERIOD
            step = min(until, ends) - self._now
            left = self._quota - self._spent
            if self.sessions and left > 1e-9:
                of_first = (self.sessions[0][0] - self._share) * len(self.sessions)
                step = min(step, left, of_first)
                self._share += step / len(self.sessions)
                self._spent += step
                self._now += step
                while self.sessions and self.sessions[0][0] - self._share < 1e-9:
                    self.times.append(self._now - self.sessions.popleft()[1])
            else:
                self._now += step
            if ends - self._now < 1e-9:
                self._now = max(self._now, ends)
                self._begin, self._spent = ends, 0.0


@functools.lru_cache
def simulated(rate, cpu, cores, count, messages=LONG):
    """Mean time of so many messages that come at random moments, each to the replica with the fewest sessions (in turn, where
    several have as few). The dice begin the same way each time."""
    dice, replicas, now = random.Random(1), [_Replica(cores, cpu) for _ in range(count)], 0.0
    for _ in range(messages):
        now += dice.expovariate(rate)
        for each in replicas:
            each.advance(now)
        chosen = min(replicas, key=lambda each: len(each.sessions))
        chosen.take()
        replicas.remove(chosen)
        replicas.append(chosen)
    for each in replicas:
        while each.sessions:
            each.advance(now := now + PERIOD)
    return statistics.mean(time for each in replicas for time in each.times)
