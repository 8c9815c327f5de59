# SPDX-License-Identifier: Apache-2.0
"""Replicas behind HAProxy into a RabbitMQ 4 cluster with a quorum queue. RabbitMQ detects no duplicates: a message whose outcome
did not come is sent again, and comes twice where the broker had it."""
import pytest

from bed import Run
from changes import *  # noqa: F403
from faults import *  # noqa: F403
from faults import ready
from support.matrix import only_long, pick
from support.wait import wait_until

OUTPUTS = pick(["output_amqp"], ["output_amqp", "output_amqp091"])


@pytest.fixture(params=OUTPUTS)
def bed(request, bed_of, rabbitmq):
    made = bed_of(rabbitmq, request.param)
    for _ in range(3):
        made.replica()
    return made.start()


def connected(bed, node):
    """The replicas that have connected to that node."""
    return [each for each in bed.replicas if each.said("connected to the broker", url=node.url)]


def lost(replicas, seconds=60):
    """Waits until each of them says that its connection has gone."""
    wait_until(lambda: all(each.said("connection to the broker lost") for each in replicas), seconds,
               lambda: "a lost connection of " + ", ".join(each.name for each in replicas), 0.2)


def test_the_leader_of_the_queue_is_killed(bed):
    run = Run(bed)
    run.accepts(pick(200, 1500))
    leader = bed.brokers.leader(bed.queue)
    touched = connected(bed, leader)
    assert touched
    leader.kill()
    run.accepts(pick(300, 2000))
    assert ready(bed) == [200] * 3, "MAIL gets 250 all the time"
    wait_until(lambda: bed.brokers.leader(bed.queue) is not leader, 60, "another leader", 0.2)
    for each in bed.replicas:
        each.wait_output(True)
    lost(touched)
    bed.brokers.start()
    run.accepts(pick(200, 1500))
    run.settled("kill -9 of the quorum leader",
                daemons_with_a_backlog=sum(bool(each.said("backlog_began")) for each in bed.replicas))


@only_long
def test_a_broker_node_is_killed(bed):
    """One that does not lead the queue."""
    run = Run(bed)
    run.accepts(1500)
    victim = next(node for node in bed.brokers.nodes if node is not bed.brokers.leader(bed.queue))
    touched = connected(bed, victim)
    assert touched
    victim.kill()
    run.accepts(2000)
    lost(touched)
    assert ready(bed) == [200] * 3
    for each in touched:
        each.wait_output(True)
        assert each.admin.value("lsmtpd_output_reconnects_total", plugin="broker") > 0
    bed.brokers.start()
    run.accepts(1500)
    run.settled("kill -9 of a broker node")


@only_long
def test_a_broker_is_parted_from_the_others(bed):
    """The leader. The daemons still reach it, until it pauses, being alone."""
    run = Run(bed)
    run.accepts(1500)
    alone = bed.brokers.leader(bed.queue)
    touched = connected(bed, alone)
    assert touched
    bed.network.part([alone.place], [node.place for node in bed.brokers.nodes if node is not alone])
    lost(touched, 90)
    for each in touched:
        each.wait_output(True, 90)
    run.accepts(2000)
    assert ready(bed) == [200] * 3
    bed.network.heal()
    bed.brokers.start()
    run.accepts(1500)
    run.settled("a broker parted from the others",
                daemons_with_a_backlog=sum(bool(each.said("backlog_began")) for each in bed.replicas))
