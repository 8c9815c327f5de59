# SPDX-License-Identifier: Apache-2.0
"""A replicated pair of Artemis, and kills of either."""
import pytest

from bed import Run
from faults import ready
from support.matrix import LONG
from test_artemis import primary_killed

if not LONG:
    pytest.skip("the whole only: contrib/dev test cluster", allow_module_level=True)


@pytest.fixture
def bed(bed_of, artemis_replicated):
    made = bed_of(artemis_replicated, "output_amqp")
    for _ in range(3):
        made.replica()
    return made.start()


def test_the_primary_is_killed(bed):
    primary_killed(bed, 2)


def test_the_backup_is_killed(bed):
    run = Run(bed)
    run.accepts(1500)
    bed.brokers.backup.kill()
    run.accepts(2000)
    assert ready(bed) == [200] * 3 and bed.brokers.live is bed.brokers.primary
    bed.brokers.start()
    run.accepts(1500)
    run.settled("kill -9 of the backup")
