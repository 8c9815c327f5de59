# SPDX-License-Identifier: Apache-2.0
"""The bench itself: its programs, its tables, and that its load client believes no wrong reply."""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading

import pytest

from support.certificates import Certificates, table
from support.daemon import BUILD
from support.faults import STRACED, can_mount
from support.nats import NEW_SERVER

BENCH = pathlib.Path(__file__).parents[1] / "bench"
LOAD = BUILD / "tests/smtp_load"
MESSAGES = 60


def load(port, *options):
    return subprocess.run([LOAD, *options, f"127.0.0.1:{port}"], capture_output=True, text=True, timeout=60)


def test_a_small_run_has_a_row_for_each_server_and_a_line_for_each_target(tmp_path):
    done = subprocess.run(
        [sys.executable, BENCH / "bench.py", "--servers", "bare,lsmtpd-null,lsmtpd-spool", "--messages",
         str(MESSAGES), "--rounds", "2", "--modes", "kept,one,pipelined,bdat", "--sizes", "4K", "--connections",
         "5", "--rtt", "20", "--no-growth", "--no-calls", "--no-bare-spool", "--directory", tmp_path,
         "--json", tmp_path / "raw.json"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    raw = json.loads((tmp_path / "raw.json").read_text())["measurements"]
    assert len(raw) == 6 * 3  # modes and the two that are far away, servers
    for each in raw:
        assert each["reason"] is None and len(each["runs"]) == 2, each
        for run in each["runs"]:
            assert (run["messages"], run["failures"]) == (MESSAGES, 0)
            assert run["cpu_us"] > 0 and run["peak"] >= run["idle"] > 0
            assert 0 < run["reply_p50_ms"] <= run["reply_p99_ms"] <= run["message_max_ms"]
    tables = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} == {4, 11}
    assert "left out" not in done.stdout
    judged = [line for line in tables if line.startswith("| null, kept: CPU")]
    assert len(judged) == 1
    assert not list(tmp_path.glob("lsmtpd-bench-*"))


def test_a_small_run_of_the_outputs_has_a_line_for_each_figure(nats):
    # bare senders are built where their libraries are found
    sinks = [name for name, sender in (("http", "http"), ("nats", "nats"), ("nats-synced", "nats"))
             if (BUILD / f"tests/{sender}_sender").exists()]
    assert sinks or not os.environ.get("CI"), "there is no bare sender"
    done = subprocess.run([sys.executable, BENCH / "bench_outputs.py", "--messages", str(MESSAGES), "--sessions", "5",
                           "--sinks", *sinks], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in sinks:
        lines = [line[17:] for line in done.stdout.splitlines() if line.startswith(f"{name:16} ")]
        if name == "nats-synced" and not NEW_SERVER.exists():
            assert len(lines) == 1 and lines[0].startswith("left out: "), lines
            continue
        assert [line.split("  ")[0].split(":")[0] for line in lines] == [
            "null output beside the sender", "bare sender beside that", "both", "idle", "lsmtpd, connections kept",
            "lsmtpd, one a connection", "in the spool", "to both apart"], done.stdout
        assert f"{MESSAGES} accepted" in lines[1] and lines[6].endswith(" 0")


def test_a_message_takes_as_many_round_trips_as_its_mode_has_flights(daemon):
    port = daemon().address()[1]
    rtt = 40
    for mode, trips in (("one", 7), ("kept", 4), ("one-pipelined", 5), ("pipelined", 2), ("bdat", 1)):
        done = load(port, "--mode", mode, "--rtt", str(rtt), "--connections", "2", "--messages", "8")
        assert done.returncode == 0, done.stdout + done.stderr
        # Not faster than light; how much slower depends on the machine.
        assert json.loads(done.stdout)["message_p50_ms"] >= trips * rtt


@pytest.mark.parametrize("mode", ["kept", "one", "pipelined", "bdat"])
def test_every_message_of_the_load_is_in_the_spool(daemon, mode):
    server = daemon()
    done = load(server.address()[1], "--mode", mode, "--size", "3000", "--connections", "3", "--messages", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    stored = server.spool.messages()
    assert json.loads(done.stdout)["messages"] == len(stored) == 20
    assert {len(each.content) for each in stored} == {3000}


def test_the_load_client_speaks_tls(daemon, tmp_path):
    pair = Certificates(tmp_path / "certificates").issue()
    server = daemon({"listener": [{"name": "mx", "address": "127.0.0.1:0", "chain": "default", "tls": "implicit"}],
                     "tls": table(pair)})
    for mode in ("kept", "one", "bdat"):
        done = load(server.address()[1], "--tls", "--mode", mode, "--size", "20000", "--connections", "3", "--messages", "9")
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["messages"] == 9
    stored = server.spool.messages()
    assert {(len(each.content), each.json["protocol"]) for each in stored} == {(20000, "ESMTPS")} and len(stored) == 27
    assert load(server.address()[1], "--messages", "1", "--patience", "1").returncode == 1, "in the clear there is no banner"


def test_the_bench_of_tls_measures_round_trips_beside_handshakes(tmp_path):
    done = subprocess.run([sys.executable, BENCH / "bench_tls.py", "--rounds", "1", "--seconds", "1", "--parts", "latency",
                           "--report", tmp_path / "report.md"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    worst = re.search(r"^\| worst round trip beside 200 handshakes/s, ms \| [^|]* \| ([\d.]+) \|$",
                      (tmp_path / "report.md").read_text(), re.M)
    assert worst and float(worst[1]) > 0


class Liar:
    """Answers each line in turn from a list, and then no more."""

    def __init__(self, *replies):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, args=(replies,), daemon=True)
        self.thread.start()

    def _serve(self, replies):
        client, _ = self.listener.accept()
        with client, client.makefile("rb") as lines:
            for reply in replies:
                client.sendall(reply)
                lines.readline()


HELLO = (b"220 liar\r\n", b"250-liar\r\n250 PIPELINING\r\n")


@pytest.mark.parametrize("replies, problem", [
    ((b"554 no\r\n",), "reply to the banner: 554 no"),
    ((*HELLO, b"451 later\r\n"), "reply to MAIL: 451 later"),
    ((*HELLO, b"250 ok\r\n", b"250 ok\r\n", b"250 not 354\r\n"), "reply to DATA: 250 not 354"),
    ((*HELLO, b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"452 full\r\n"), "reply to the content: 452 full"),
    (HELLO, "hung up while it owed a reply to MAIL"),
])
def test_the_load_client_reports_a_wrong_reply(replies, problem):
    liar = Liar(*replies)
    done = load(liar.port, "--connections", "1", "--messages", "1")
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert result["messages"] == 0 and result["failures"] == 1
    assert problem in result["problems"][0]


def test_the_load_client_says_which_extension_is_missing():
    done = load(Liar(*HELLO).port, "--mode", "bdat", "--connections", "1", "--messages", "1")
    assert (done.returncode, done.stderr) == (3, "smtp_load: the server does not offer CHUNKING\n")


def test_the_load_client_keeps_its_rate_and_counts_a_message_from_its_moment(daemon):
    server = daemon()
    port = server.address()[1]
    one = ("--mode", "one", "--recipient", "r@rate.example", "--seconds")
    done = json.loads(load(port, *one, "2", "--rate", "50", "--seed", "7").stdout)
    assert done["failures"] == 0 and 60 < done["messages"] < 140
    stored = server.spool.messages()
    assert len(stored) == done["messages"] and {each.json["recipients"][0] for each in stored} == {"<r@rate.example>"}
    # Each takes 0.12 s, one at a time, and twenty a second come.
    done = json.loads(load(port, *one, "1", "--rate", "20", "--connections", "1", "--rtt", "20").stdout)
    assert done["failures"] == 0 and done["message_max_ms"] > 1000 > done["message_mean_ms"] / 2
    assert done["seconds_after_the_last"] > 0.5


@pytest.mark.parametrize("variant", [[], ["--flushers", "3"], ["--committers", "2"], ["--sync", "each"],
                                     ["--sync", "syncfs"], ["--uring"]])
def test_the_bare_spool_writes_every_message_and_removes_its_folder(tmp_path, variant):
    count = 70  # no multiple of the group
    done = subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=linkat,fsync", "-o", tmp_path / "calls", BUILD / "tests/bare_spool",
         *variant, "--messages", str(count), "--group", "16", tmp_path], capture_output=True, text=True,
        env={**os.environ, **STRACED})
    if done.returncode == 3:
        pytest.skip("built without liburing")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["messages"] == count
    calls = (tmp_path / "calls").read_text()
    if "--uring" not in variant:
        assert calls.count("linkat(") == count
    assert calls.count("fsync(") == 5  # the directory's, one a group
    assert not list(tmp_path.glob("bare-spool-*"))


@pytest.mark.skipif(not can_mount(), reason="only root can mount an image")
def test_the_bench_has_a_private_disk(tmp_path):
    done = subprocess.run(
        [sys.executable, BENCH / "bench.py", "--servers", "lsmtpd-spool", "--messages", "20", "--rounds", "1",
         "--modes", "kept", "--sizes", "4K", "--connections", "2", "--rtt", "0", "--no-growth", "--no-calls",
         "--no-bare-spool", "--ram-disk", "ext4"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "ext4 in memory" in done.stdout and "left out" not in done.stdout
    assert "lsmtpd-bench-disk" not in pathlib.Path("/proc/mounts").read_text()
