# SPDX-License-Identifier: Apache-2.0
"""`contrib/dev bench replay`: its ledger, its tables, and a short run of all of it into one broker."""
import json
import os
import pathlib
import subprocess
import sys
import types

import pytest

from support.brokers import Unavailable
from support.daemon import BUILD
from support.rabbitmq import RabbitMq4

BENCH = pathlib.Path(__file__).parents[1] / "bench"
sys.path.append(str(BENCH))
import bench_replay  # noqa: E402
import replay_targets  # noqa: E402
from servers import base  # noqa: E402

MESSAGES = 300
SERVERS = ("lsmtpd-baseline", "lsmtpd-files", "lsmtpd-journal")


@pytest.fixture
def sink(authority, tmp_path):
    """The name of one that can be had: the bench starts a broker of its own."""
    try:
        RabbitMq4(tmp_path / "broker", authority).find()
    except Unavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(str(reason))
        pytest.skip(str(reason))
    return "rabbitmq4"


def test_a_short_run_counts_every_message_and_has_a_row_for_each_server_and_target(tmp_path, sink):
    done = subprocess.run(
        [sys.executable, BENCH / "bench_replay.py", "--sinks", sink, "--baseline", BUILD, "--rounds", "1", "--messages",
         str(MESSAGES), "--live-rate", "100", "--directory", tmp_path, "--json", tmp_path / "raw.json",
         "--report", tmp_path / "report.md"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("lsmtpd-bench-*"))
    found = {}
    for each in json.loads((tmp_path / "raw.json").read_text())["measurements"]:
        assert each["cell"]["sink"] == sink and each["reason"] is None and len(each["runs"]) == 1, each
        found[each["server"]] = each["runs"][0]
    assert tuple(found) == SERVERS
    for name, each in found.items():
        assert each["messages"] == MESSAGES and each["rate"] > 0 and each["cpu_us"] > 0, (name, each)
        assert (each["arrived"], each["arrived_live"]) == (MESSAGES, each["live_alone"]), (name, each)
        assert each["arrived_both"] == MESSAGES + each["live_messages"] > MESSAGES, (name, each)
        assert 0 < each["alone_p50_ms"] <= each["alone_p99_ms"] and 0 < each["beside_p50_ms"] <= each["beside_p99_ms"]
    lines = done.stdout.splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| lsmtpd-")] == [f"| {name}" for name in SERVERS]
    targets = [line for line in lines if line.startswith(f"| {sink}, ")]
    assert len(targets) == 4 and sum("2.5 times the baseline's rate" in line for line in targets) == 2
    assert all(line.endswith(("| yes |", "| **no** |")) for line in targets[:2]), targets
    assert all("live mails are too few" in line or "replay was over after" in line for line in targets[2:]), targets
    assert (tmp_path / "report.md").read_text().strip() == done.stdout.strip()


@pytest.mark.parametrize("held", [9, 11])
def test_a_server_fails_whose_broker_holds_another_count(tmp_path, held):
    bench = bench_replay.Bench(bench_replay.parse(["--rounds", "2"]), tmp_path)
    broker = types.SimpleNamespace(name="broker", depth=lambda: held, purge=lambda: None)
    bench.measure = lambda *_: {"rate": 1.0, "p99_ratio": 1.0, "cpu_us": 1.0, "alone_p99_ms": 1.0, "beside_p99_ms": 1.0}
    bench.add(1, broker, bench_replay.Journal, 1)
    bench.measure = lambda *_: bench.ledger(broker, 10, seconds=0.1)
    with pytest.raises(base.Unavailable, match=f"broker has {held} of 10 messages"):
        bench.measure()
    assert not bench.failed
    bench.add(2, broker, bench_replay.Journal, 1)
    assert bench.failed
    assert f"| lsmtpd-journal | **failed**: broker has {held} of 10 messages |" in replay_targets.figures(bench.results)
    assert "not measured" in replay_targets.table(bench.results)


def test_the_p99_is_judged_where_enough_live_mail_came_during_replay():
    results, cell = replay_targets.ReplayResults(), replay_targets.Into("broker", 4096)
    for server, rate, covered, messages in (("lsmtpd-baseline", 1000, 1, 900), ("lsmtpd-files", 2400, 0.5, 900),
                                            ("lsmtpd-journal", 2600, 1, 900), ("few", 2500, 1, 20)):
        results.add(cell, server, {"rate": rate, "p99_ratio": 1.2, "covered": covered, "live_messages": messages})
    lines = replay_targets.table(results).splitlines()[2:]
    assert [[part.strip() for part in line.split("|")[2:4]] for line in lines] == [
        ["2.40", "**no**"], ["2.60", "yes"], ["2.50", "yes"],
        ["not measured: replay was over after 50% of the live mail", ""], ["1.20 (the baseline: 1.20)", "yes"],
        ["not measured: 20 live mails are too few", ""]]
