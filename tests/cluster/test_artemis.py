# SPDX-License-Identifier: Apache-2.0
"""Replicas behind HAProxy into a pair of Artemis: with a shared store each fault, with a replicated one the kills. Artemis drops
a message whose id it has: none comes twice."""
import pytest

from bed import Run
from changes import *  # noqa: F403
from faults import *  # noqa: F403
from faults import ready
from support import amqp
from support.matrix import LONG, only_long

if not LONG:
    pytest.skip("the whole only: contrib/dev test cluster", allow_module_level=True)


@pytest.fixture
def bed(bed_of, artemis_shared):
    made = bed_of(artemis_shared, "output_amqp")
    for _ in range(3):
        made.replica()
    return made.start()


def primary_killed(bed, rounds):
    run = Run(bed)
    for _ in range(rounds):
        run.accepts(1500)
        bed.brokers.primary.kill()
        run.accepts(1000)
        assert bed.brokers.live is bed.brokers.backup
        for each in bed.replicas:
            each.wait_output(True)
            assert each.said("connection to the broker lost") and each.readyz() == 200
        run.accepts(1000)  # into the backup
        bed.brokers.start()
        for each in bed.replicas:
            each.wait_output(True)
    run.accepts(500)
    run.settled("kill -9 of the primary", kills=rounds)


def test_the_primary_is_killed(bed):
    primary_killed(bed, 2)


@only_long
def test_the_primary_is_parted_from_the_backup(bed):
    """The lock of the store decides: the backup takes nothing while the primary holds it."""
    run = Run(bed)
    run.accepts(1500)
    bed.network.part([bed.brokers.primary.place], [bed.brokers.backup.place])
    run.accepts(4000)
    assert not amqp.answers(bed.brokers.backup)
    assert ready(bed) == [200] * 3
    bed.network.heal()
    run.accepts(1000)
    run.settled("the primary parted from the backup")
    assert not any(each.said("connection to the broker lost") for each in bed.replicas)
