# SPDX-License-Identifier: Apache-2.0
"""Changes that an operator makes under load: restarts and reloads one after the other, more replicas, fewer replicas."""
import signal

from bed import Run
from support.matrix import only_long
from support.wait import wait_until


@only_long
def test_a_rolling_restart_with_a_changed_configuration(bed):
    """A key that a reload cannot change, as an upgrade may bring one."""
    run = Run(bed)
    run.accepts(1000)
    for each in bed.replicas:
        each.config["server"]["workers"] = 1
        each.write_config()
        each.process.signal(signal.SIGTERM)
        bed.balancer.wait_state(each, "DOWN")
        assert each.readyz() in (503, None)
        assert each.process.wait(60) == 0
        run.accepts(300)  # by the others
        each.start()
        bed.balancer.wait_state(each, "UP")
        run.accepts(700)
    run.settled("rolling restart with changed workers")
    assert all(each.said("drain_delayed") and each.said("stopped") for each in bed.replicas)
    assert not any(each.said("ending") for each in bed.replicas), "a transaction was cut off"


@only_long
def test_a_rolling_reload_of_a_changed_configuration(bed):
    run = Run(bed)
    run.accepts(1000)
    for each in bed.replicas:
        options = each.config["plugin"]["broker"]["options"]
        options["in_flight"] = 100_000_000
        each.write_config()
        refused = each.ctl("reload", check=1)
        assert "in_flight" in refused.stdout + refused.stderr
        wait_until(lambda: each.admin.value("lsmtpd_config_last_reload_successful") == 0, 5, "the metric to say so")
        options["in_flight"] = 500
        each.write_config()
        each.ctl("reload")
        each.wait_log("reloaded")
        wait_until(lambda: each.admin.value("lsmtpd_config_last_reload_successful") == 1, 5, "the metric to say so")
        assert each.readyz() == 200
        run.accepts(1000)
    found = run.settled("rolling reload")
    assert not found.twice and not found.twice_unknown, "a reload sends nothing again"


@only_long
def test_three_replicas_become_five_and_then_two(bed):
    """Those that leave have mail in their spools: two send it first, and that of a third, which reaches no broker, is given to
    another replica."""
    run = Run(bed)
    run.accepts(1000)
    bed.replica()
    bed.replica()
    bed.start()
    run.accepts(2000)
    leaving = bed.replicas[2:]
    assert all(each.said("accepted") for each in leaving)
    bed.part(leaving, bed.brokers.hosts)
    wait_until(lambda: all(len(each.spool) > 20 for each in leaving), 120, "mail to wait in each spool that leaves", 0.2)
    given, *flushed = leaving
    left = given.ctl("drain", "--flush", "--within", "2s", check=1)
    assert "wait" in left.stdout + left.stderr
    assert given.stop(60) == 0
    waited = len(given.spool)
    assert waited > 20
    bed.network.heal()
    for each in flushed:
        each.ctl("drain", "--flush")
        assert each.readyz() == 503 and len(each.spool) == 0
        bed.balancer.wait_state(each, "DOWN")
        assert each.stop(60) == 0
    taken = bed.replicas[0]
    taken.cli("spool", "import", given.spool.folder, "--config", taken.config_file, check=0)
    assert len(given.spool) == 0
    run.accepts(2000)
    run.settled("3 -> 5 -> 2 replicas", moved_to_another_spool=waited)
