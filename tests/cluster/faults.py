# SPDX-License-Identifier: Apache-2.0
"""Faults that do not depend on the kind of brokers, each under load. test_rabbitmq.py and test_artemis.py take them in, each with
a `bed` of its own: three replicas that run."""
import statistics

from bed import Run
from support.faults import SmallDisk
from support.matrix import only_long, pick
from support.relay import Relay
from support.wait import wait_until


def ready(bed):
    return [each.readyz() for each in bed.replicas if each.running()]


def test_without_a_fault(bed):
    run = Run(bed)
    run.accepts(pick(500, 5000))
    run.stop()
    found = run.settled("none")
    assert not found.twice and not found.twice_unknown
    assert len(run.ledger.accepted) == len(run.ledger.entries), "something was refused"
    for each in bed.replicas:
        assert each.said("accepted"), f"no mail went to {each.name}"
        assert {line["peer"].rsplit(":", 1)[0] for line in each.said("accepted")} <= {host.address for host in bed.clients}


def test_a_daemon_is_killed(bed):
    run, victim = Run(bed), bed.replicas[0]
    run.accepts(pick(200, 1500))
    for _ in range(pick(1, 3)):
        victim.kill()
        bed.balancer.wait_state(victim, "DOWN")
        assert victim.readyz() is None
        run.accepts(pick(200, 1000))  # by the others
        victim.restart()
        bed.balancer.wait_state(victim, "UP")
        run.accepts(pick(200, 500))
    run.settled("kill -9 of a daemon")


@only_long
def test_the_balancer_is_killed(bed):
    run = Run(bed)
    for _ in range(3):
        run.accepts(1500)
        bed.balancer.kill()
        assert ready(bed) == [200] * 3
        bed.balancer.start()
    run.accepts(1500)
    run.settled("kill -9 of the balancer")


@only_long
def test_a_daemon_is_parted_from_the_brokers(bed):
    run, victim = Run(bed), bed.replicas[0]
    run.accepts(1500)
    bed.part([victim], bed.brokers.hosts)
    run.accepts(1500)
    victim.wait_output(False)
    run.accepts(1500)
    assert ready(bed) == [200] * 3 and bed.balancer.state(victim) == "UP", "its fallback takes the mail"
    waiting = victim.admin.value("lsmtpd_spool_messages", plugin="spool", state="waiting")
    assert waiting > 0 and victim.said("backlog_began")
    assert victim.said("connection to the broker lost") or victim.said("giving the connection up")
    assert not any(each.said("connection to the broker lost") for each in bed.replicas[1:])
    bed.network.heal()
    victim.wait_output(True)
    run.accepts(1000)
    run.settled("a daemon parted from the brokers", waiting_in_its_spool=int(waiting))
    victim.wait_log("backlog_gone")


@only_long
def test_the_clients_are_parted_from_a_daemon(bed):
    run, victim = Run(bed), bed.replicas[0]
    run.accepts(1500)
    bed.network.part([bed.balancer.host], [victim.host])
    bed.balancer.wait_state(victim, "DOWN", 30)
    run.accepts(3000)
    assert ready(bed) == [200] * 3, "it is well, as whoever reaches it sees"
    before = len(victim.said("accepted"))
    bed.network.heal()
    bed.balancer.wait_state(victim, "UP", 30)
    wait_until(lambda: len(victim.said("accepted")) > before, 60, "mail to go there again", 0.5)
    run.accepts(500)
    run.settled("the balancer parted from a daemon")


@only_long
def test_a_slow_link(bed):
    """50 ms each way, and 160 KB/s a direction."""
    victim, host = bed.replicas[0], bed.network.host("slow", 60)
    with host.inside():
        relays = [Relay(*url.removeprefix("amqp://").split(":"), 5672 + number, here=host.address, delay=0.05, piece=8192)
                  for number, url in enumerate(bed.brokers.urls)]
    try:
        victim.stop()
        victim.config["plugin"]["broker"]["options"]["urls"] = [each.url for each in relays]
        victim.write_config()
        victim.start()
        bed.start()
        run = Run(bed)
        run.accepts(4000, 300)
        slow, quick = (statistics.median(line["chain_ms"] for line in each.said("accepted")) for each in bed.replicas[:2])
        assert slow >= 100 and slow > quick
        assert ready(bed) == [200] * 3 and not victim.said("connection to the broker lost")
        run.settled("a slow link (50 ms, 160 KB/s)", median_there=f"{slow:.0f} ms", median_beside=f"{quick:.0f} ms")
    finally:
        for each in relays:
            each.close()


@only_long
def test_a_full_disk(bed):
    victim = bed.replicas[0]
    victim.stop()
    with SmallDisk(victim.spool.folder):
        victim.start()
        bed.start()
        junk = victim.spool.folder / "junk"
        junk.write_bytes(b"x" * 1_000_000)
        victim.wait_log("the spool takes no messages now", 60)
        run = Run(bed)
        run.accepts(1500)
        assert ready(bed) == [200] * 3 and not run.ledger.count(4), "the broker takes the mail"
        bed.part([victim], bed.brokers.hosts)
        bed.balancer.wait_state(victim, "DOWN", 60)
        assert victim.readyz() == 503
        refused = run.ledger.count(4)
        run.accepts(2000)
        bed.network.heal()
        junk.unlink()
        bed.balancer.wait_state(victim, "UP", 60)
        victim.wait_log("the spool takes messages again", 60)
        run.accepts(500)
        run.settled("a full disk on one daemon, parted from the brokers", refused_before_it_was_down=refused)
        assert {reply[:9] for reply, _ in run.ledger.entries.values() if reply and reply[0] == "4"} \
            <= {"452 4.3.1", "451 4.3.0", "451 4.4.1", "451 4.4.2"}
        assert victim.stop() == 0
