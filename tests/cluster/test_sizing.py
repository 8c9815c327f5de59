# SPDX-License-Identifier: Apache-2.0
"""The sizing formula by itself; test_scale.py compares it with replicas."""
import statistics

import pytest

from sizing import Replica, Sizing, simulated

ONE = Replica(cores=0.1, full=100, cpu=((0.3, 0.0015), (1, 0.001)), replay=400, stored=5000, reconnect=2)


def mean_time(*arguments):
    return statistics.mean(simulated(*arguments))


@pytest.mark.parametrize("load", [0.3, 0.6, 0.9])
def test_sessions_that_share_a_whole_core_take_the_time_of_the_queue_theory(load):
    """M/G/1 with processor sharing: service / (1 - load)."""
    assert mean_time(load * 1000, 0.001, 1, 1) == pytest.approx(0.001 / (1 - load), rel=0.1)


def test_a_quota_adds_no_wait_until_mail_comes_in_bursts():
    assert mean_time(20, 0.001, 0.1, 1) == pytest.approx(0.001, rel=0.1)
    assert mean_time(90, 0.001, 0.1, 1) > 0.015
    assert mean_time(270, 0.001, 0.1, 3) < mean_time(90, 0.001, 0.1, 1) / 2, "replicas help each other"


def test_above_the_capacity_the_time_grows_with_the_backlog():
    sizing = Sizing(ONE, 1)
    assert mean_time(150, 0.001, 0.1, 1, [number / 150 for number in range(30_000)]) == pytest.approx(sizing.clients_served_after(150, 200), rel=0.1)
    assert (sizing.waiting_clients(150, 20), sizing.clients_served_after(150, 20)) == (1000, 10)
    assert sizing.waiting_clients(90, 20) == 0


def test_an_outage_fills_the_spools_and_replay_has_the_rest_of_the_CPU():
    sizing = Sizing(ONE, 3)
    assert sizing.capacity == 300 and sizing.backlog(150, 58) == 9000
    assert sizing.volume(150, 58) == 9000 / 3 * 5000
    assert sizing.drained_after(9000, 0) == 7.5 and sizing.drained_after(9000, 150) == 15


def test_the_CPU_of_a_message_falls_from_the_calm_load_to_the_full_one():
    sizing = Sizing(ONE, 2)
    assert [sizing.cpu(rate) for rate in (10, 60, 130, 200)] == pytest.approx([0.0015, 0.0015, 0.00125, 0.001])
    assert sizing.time(60, 0.01) == pytest.approx(0.01, rel=0.01) and sizing.time(195, 0.01) > 0.012


def test_a_share_of_the_CPU_is_reached_at_a_lower_share_of_the_rate():
    sizing = Sizing(ONE, 2)
    assert sizing.used(60) == pytest.approx(0.45) and sizing.used(200) == pytest.approx(1)
    assert sizing.rate_of(0.45) == pytest.approx(60) and sizing.rate_of(1) == pytest.approx(200)


def test_the_moments_of_the_messages_may_be_given():
    sizing = Sizing(ONE, 1)
    apart, together = [number / 10 for number in range(100)], [number // 30 for number in range(100)]
    assert sizing.time(10, 0.01, apart) == pytest.approx(0.01, rel=0.01)
    assert sizing.time(10, 0.01, together) > 0.03, "30 at once spend the quota of several periods"


def test_what_a_session_had_until_the_tick_is_taken_from_the_next_quota():
    """So in the end they get no more than the quota."""
    times = mean_time(120, 0.001, 0.1, 1, [0] * 1000)
    assert times == pytest.approx(1000 * 0.001 / 0.1, rel=0.05)
