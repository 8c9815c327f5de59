# SPDX-License-Identifier: Apache-2.0
"""The fault matrix with a broker and the spool as its fallback: after every fault, each message with 250 is in the
broker once everything works again. The normal suite takes one broker, the long matrix all four."""
import random

import pytest
from test_amqp_brokers import body, config, drained, receive_all

from support import network, report
from support.daemon import merge, sanitized
from support.faults import STRACED, Injected, SmallDisk, can_mount
from support.load import Ledger, Load, number_of
from support.matrix import only_long, pick
from support.report import Timing
from support.wait import wait_until

MEMORY = 128 * 2**20  # limit of the daemon's memory under any load
MANNERS = ("data", "bdat")
SIZES = (200, 1024, 4096)


@pytest.fixture(params=pick(["artemis"], ["artemis", "brokerj", "rabbitmq3", "rabbitmq4"]))
def broker(request):
    found = request.getfixturevalue(request.param)
    found.resume()
    return found.start()


def prepared(daemon, broker, queue, small=False, environment=None, **options):
    """A daemon, not started; small: its spool watches the room on a small disk."""
    room = {"min_free": "64KiB", "min_free_inodes": 5} if small else {}
    changes = {"log": {"level": "info"}, "plugin": {"spool": {"options": room}}}
    return daemon(merge(config(broker, queue, format="rfc822", **options), changes), started=False,
                  environment=environment)


def attached(made):
    made.start()
    made.wait_log("attached to the target", 60)
    return made


def settled(row, broker, queue, made, ledger, twice=None, **figures):
    """Takes all that came and checks the ledger. twice: numbers that may have come more than once; a
    broker that detects duplicates has none, with the others any, but each time with the same id."""
    got = receive_all(broker, queue, set(ledger.accepted), 200)
    ids = {}
    for message in got:
        ids.setdefault(number_of(body(message)), set()).add(str(message.id))
    found = ledger.compare(body(message) for message in got)
    report.record(row, broker.name, ledger, found, **figures)
    assert not [number for number, each in ids.items() if len(each) > 1], "sent again with another id"
    ledger.check(found, duplicates_allowed=() if broker.detects_duplicates else True if twice is None else twice)
    return found


def numbers_in(spool):
    return {number_of(each) for each in spool.contents()}


class Watch:
    """The daemon's memory, looked at whenever a test has time for it."""

    def __init__(self, made):
        self._made, self.peak = made, 0
        self.look()

    def look(self):
        self.peak = max(self.peak, self._made.memory())
        return True

    def check(self):
        self.look()
        assert sanitized() or self.peak < MEMORY, f"{self.peak / 2**20:.0f} MB resident"
        return f"{self.peak / 2**20:.0f} MB"


def accepts(load, watch, count, seconds=120):
    """So many more are accepted; the memory is watched meanwhile."""
    for _ in range(10):
        load.wait_accepted(count // 10, seconds)
        watch.look()


@pytest.mark.parametrize("part", range(pick(1, 4)))
def test_kill_9_of_the_daemon_at_random(daemon, broker, queue, part):
    made = prepared(daemon, broker, queue)
    chance, ledger, restarts, waited = random.Random(part), Ledger(), Timing(), set()
    kills = pick(6, 50)
    for _ in range(kills):
        restarts.take(made.start)
        load = Load(made.address(), ledger, threads=8, sizes=SIZES, manners=MANNERS)
        load.wait_accepted(chance.randrange(1, pick(200, 1000)))
        made.kill()
        load.stop()
        waited |= numbers_in(made.spool)
    attached(made)
    drained(made, 120)
    assert made.stop() == 0
    settled(f"kill -9 of the daemon, at random, part {part + 1}", broker, queue, made, ledger, twice=waited,
            kills=kills, restart=str(restarts))


@only_long  # the normal suite has test_amqp_brokers.py's
def test_kill_9_of_the_broker(daemon, broker, queue):
    made = attached(prepared(daemon, broker, queue, deadline="3s"))
    ledger, watch, rounds, slowest = Ledger(), Watch(made), 3, 0
    for _ in range(rounds):
        load = Load(made.address(), ledger, sizes=SIZES, manners=MANNERS)
        accepts(load, watch, 1000)
        broker.kill()
        accepts(load, watch, 500)
        load.stop()
        slowest = max(slowest, load.slowest)
        broker.start()
        drained(made, 120)
    settled("kill -9 of the broker under load", broker, queue, made, ledger, kills=rounds,
            slowest_reply=f"{slowest:.1f} s", memory=watch.check())


# `contrib/dev test faults -k id_cache`. Artemis remembers the ids of the last 20,000 messages of an address: a resend
# that comes later is stored twice.
@only_long
@pytest.mark.parametrize("broker", ["artemis"], indirect=True)
def test_three_kills_under_60_000_messages_stay_within_the_id_cache(daemon, broker, queue):
    made = attached(prepared(daemon, broker, queue, deadline="3s"))
    ledger, watch, most = Ledger(), Watch(made), 0
    load = Load(made.address(), ledger, threads=8, sizes=SIZES, manners=MANNERS)
    for _ in range(3):
        accepts(load, watch, 15_000, 600)
        broker.kill()
        accepts(load, watch, 2_000, 300)  # the fallback has them
        most = max(most, len(made.spool))
        broker.start()
    accepts(load, watch, max(10, 60_000 - len(ledger.accepted)), 600)
    load.stop()
    drained(made, 300)
    assert len(ledger.accepted) >= 60_000
    settled("three kills of the broker under 60,000 messages", broker, queue, made, ledger, kills=3,
            in_the_spool=most, memory=watch.check())


def back_under_load(made, broker, queue):
    """The broker has the live mail again; waiting messages are replayed meanwhile."""
    depth = broker.depth(queue)
    wait_until(lambda: broker.depth(queue) > depth, 60, "mail to reach the broker again", every=0.2)


@only_long  # as above
def test_the_broker_is_stopped_for_a_while(daemon, broker, queue):
    made = attached(prepared(daemon, broker, queue, deadline="2s"))
    ledger, watch = Ledger(), Watch(made)
    load = Load(made.address(), ledger, sizes=SIZES, pace=0.01, manners=MANNERS)
    accepts(load, watch, 300)
    broker.pause()
    accepts(load, watch, pick(300, 1000))  # the fallback has it
    broker.resume()
    accepts(load, watch, 300)
    load.stop()
    drained(made, 120)
    settled("SIGSTOP of the broker under load", broker, queue, made, ledger,
            slowest_reply=f"{load.slowest:.1f} s", memory=watch.check())


@pytest.fixture
def between(broker):
    """(namespace, relay): the daemon's way to the broker."""
    why = network.why_none()
    if why:
        pytest.skip(why)
    namespace = network.Namespace()
    relay = network.Relay(namespace, (broker.host, broker.port))
    yield namespace, relay
    relay.close()
    namespace.close()


def through(broker, relay):
    host, port = relay.address
    # Broker-J knows its own address only: Open.hostname stays as without the relay.
    return {"urls": [f"amqp://{host}:{port}"], "virtual_host": broker.virtual_host or broker.host,
            "idle_timeout": "4s", "connect_timeout": "3s"}


@pytest.mark.parametrize("silence", pick(["cut"], ["cut", "blackhole"]))
def test_a_silent_partition(daemon, broker, queue, between, silence):
    namespace, relay = between
    made = attached(prepared(daemon, broker, queue, deadline="2s", **through(broker, relay)))
    ledger, watch = Ledger(), Watch(made)
    load = Load(made.address(), ledger, sizes=SIZES, pace=0.01, manners=MANNERS)
    accepts(load, watch, 300)
    getattr(namespace, silence)()
    accepts(load, watch, pick(300, 1500))
    namespace.heal()
    back_under_load(made, broker, queue)
    load.stop()
    drained(made, 120)
    settled(f"silent partition ({silence})", broker, queue, made, ledger,
            slowest_reply=f"{load.slowest:.1f} s", memory=watch.check())


@only_long
def test_a_slow_link(daemon, broker, queue, between):
    namespace, relay = between
    made = attached(prepared(daemon, broker, queue, deadline="5s", **through(broker, relay)))
    ledger, watch = Ledger(), Watch(made)
    namespace.slow("4mbit")
    load = Load(made.address(), ledger, threads=30, sizes=(4096, 30_000, 100_000), manners=MANNERS)
    accepts(load, watch, 500, 200)
    load.stop()
    assert relay.connections == made.config["server"]["workers"], "the slow link was given up"
    namespace.heal()
    drained(made, 120)
    settled("slow link (4 Mbit/s, 30 clients)", broker, queue, made, ledger,
            slowest_reply=f"{load.slowest:.1f} s", memory=watch.check())


needs_mount = pytest.mark.skipif(not can_mount(), reason="only root can mount a tmpfs")


@needs_mount
@pytest.mark.parametrize("options", pick(["size=1M"], ["size=1M", "size=64M,nr_inodes=40"]))
def test_the_disk_is_full_and_the_broker_is_down(daemon, broker, queue, options):
    made = prepared(daemon, broker, queue, small=True)
    ledger = Ledger()
    with SmallDisk(made.spool.folder, options):
        attached(made)
        load = Load(made.address(), ledger, threads=4, sizes=(20_000,), pace=0.02)
        load.wait_accepted(20)
        broker.kill()
        wait_until(lambda: ledger.count(4) > 20, 60, "4xx")
        broker.start()
        load.wait_accepted(300)
        load.stop()
        drained(made, 120)
        settled(f"disk full ({options}), broker down", broker, queue, made, ledger)
        assert {reply[:9] for reply, _ in ledger.entries.values() if reply and reply[0] == "4"} \
            <= {"452 4.3.1", "451 4.3.0"}
        assert made.stop() == 0


@needs_mount
def test_the_disk_is_full_and_the_broker_is_up(daemon, broker, queue):
    made = prepared(daemon, broker, queue, small=True)
    ledger = Ledger()
    with SmallDisk(made.spool.folder, "size=1M"):
        attached(made)
        (made.spool.folder / "junk").write_bytes(b"x" * 1_000_000)
        made.wait_log("the spool takes no messages now", 60)
        load = Load(made.address(), ledger, sizes=SIZES, manners=MANNERS)
        load.wait_accepted(pick(500, 3000))
        load.stop()
        assert ledger.count(4) + ledger.count(5) == 0
        settled("disk full, broker up", broker, queue, made, ledger)
        assert made.stop() == 0


@only_long  # the normal suite has test_faults.py's
@pytest.mark.parametrize("call", ["fdatasync", "fsync", "linkat"])
def test_the_disk_fails_and_the_broker_is_down(daemon, broker, queue, call):
    made = attached(prepared(daemon, broker, queue, environment=STRACED))
    ledger = Ledger()
    load = Load(made.address(), ledger, sizes=SIZES, pace=0.01)
    load.wait_accepted(50)
    broker.kill()
    with Injected(made, f"{call}:error=EIO:when=5"):
        load.wait_accepted(200)
    load.stop()
    assert ledger.count(4) > 0
    assert made.log_lines("the disk failed: the message was refused; check the disk and the directory")
    broker.start()
    drained(made, 120)
    got = receive_all(broker, queue, set(ledger.accepted), 120)
    found = ledger.check([body(each) for each in got], duplicates_allowed=not broker.detects_duplicates,
                         refused_may_stay=True)
    report.record(f"EIO of {call}, broker down", broker.name, ledger, found)


@pytest.mark.parametrize("signals", pick([1], [1, 2]))
def test_sigterm_under_load(daemon, broker, queue, signals):
    made = prepared(daemon, broker, queue)
    ledger = Ledger()
    for _ in range(pick(1, 5)):
        attached(made)
        load = Load(made.address(), ledger, sizes=SIZES, manners=MANNERS)
        load.wait_accepted(pick(100, 500))
        for _ in range(signals):
            made.process.signal(15)
        status = made.process.wait(40)
        load.stop()
        assert signals == 2 or status == 0
    attached(made)
    drained(made, 60)
    assert made.stop() == 0
    settled(f"SIGTERM under load, {signals}x", broker, queue, made, ledger)
