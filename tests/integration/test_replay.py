# SPDX-License-Identifier: Apache-2.0
"""Mail in the spool for an output that is down comes out once it is up, after any fault of the daemon, the files and
the clock meanwhile."""
import itertools

import pytest

from support import report
from support.daemon import merge, sanitized
from support.faults import STRACED, ThreadsTraced, wrong_clock
from support.load import Ledger, Load, number_of
from support.matrix import pick
from support.recorder import Recorder
from support.report import Timing
from support.wait import wait_until

SIZES = (200, 1024)
REPLAY_THREADS = "spool-keeper spool-remover"


@pytest.fixture
def recorder(tmp_path):
    found = Recorder(tmp_path)
    found.down()
    return found


def fill(server, ledger, count, sizes=SIZES):
    load = Load(server.address(), ledger, sizes=sizes)
    load.wait_accepted(count)
    load.stop()


def drained(server, seconds=90):
    wait_until(lambda: len(server.spool) == 0, seconds,
               lambda: f"the spool to be replayed; {len(server.spool)} are left:\n{server._log_tail()}")


def calls_of_replay(server, recorder, ledger):
    """The system calls that the spool is seen to make while it gives messages back."""
    server.start()
    with ThreadsTraced(server, REPLAY_THREADS) as traced:
        fill(server, ledger, 20)
        recorder.up()
        drained(server)
    recorder.down()
    assert server.stop() == 0
    return traced.calls()


@pytest.mark.parametrize("refused, needed", [(False, {"openat", "unlinkat"}), (True, {"renameat", "fsync"})],
                         ids=["taken", "refused"])
def test_killed_at_each_system_call_of_replay(daemon, recorder, refused, needed):
    options = {"reject_to": "r@example.org"} if refused else {}
    server = daemon(recorder.configuration(**options), started=False, environment=STRACED)
    ledger, kills, waited = Ledger(), 0, set()
    calls = calls_of_replay(server, recorder, ledger)
    assert needed <= set(calls), calls
    calls = pick(sorted(needed), calls)
    for call, when in itertools.product(calls, pick((1, 7), (1, 2, 3, 7, 11, 16))):
        recorder.down()
        server.start()
        fill(server, ledger, 12)
        with ThreadsTraced(server, REPLAY_THREADS, f"{call}:signal=KILL:when={when}"):
            recorder.up()
            wait_until(lambda: not server.process.running() or len(server.spool) == 0, 60,
                       "the system call that kills, or the spool to drain without it")
        kills += not server.process.running()
        server.kill()
        waited |= {number_of(each) for each in server.spool.contents()}
    assert kills >= len(calls)
    server.start()
    drained(server)
    assert server.stop() == 0
    out = server.spool.dead() if refused else recorder.contents()
    # Stored by the output, and killed before the spool forgot it: messages in the spool at a kill may come twice.
    found = ledger.check(out, duplicates_allowed=waited)
    report.record(f"kill -9 at each system call of replay, {'dead letters' if refused else 'taken'}",
                  "spool", ledger, found, calls=" ".join(calls), kills=kills)


def test_killed_at_random_while_it_replays(daemon, recorder):
    server = daemon(recorder.configuration(), started=False)
    ledger, restarts, waited, rounds = Ledger(), Timing(), set(), pick(5, 50)
    for turn in range(rounds):
        recorder.down()
        restarts.take(server.start)
        fill(server, ledger, 60)
        before = len(server.spool)
        recorder.up()
        wait_until(lambda: len(server.spool) <= before * (turn % 5) / 5, 60, "some to be replayed")
        server.kill()
        waited |= {number_of(each) for each in server.spool.contents()}
    server.start()
    drained(server)
    assert server.stop() == 0
    found = ledger.check(recorder.contents(), duplicates_allowed=waited)
    report.record("kill -9 of the daemon during replay, at random", "spool", ledger, found, kills=rounds,
                  restart=str(restarts))


def test_a_message_that_is_always_refused_is_a_dead_letter_and_the_others_pass(daemon, recorder):
    server = daemon(recorder.configuration(reject_to="poison@example.org"))
    ledger, poison = Ledger(), b"Subject: poison\r\n\r\nx\r\n"
    fill(server, ledger, 30)
    with server.client() as client:
        for _ in range(3):
            client.envelope(recipients=("poison@example.org",))
            assert client.data(poison).startswith("250")
    fill(server, ledger, 30)
    recorder.up()
    drained(server)
    assert list(server.spool.dead()) == [poison] * 3
    reasons = list((server.spool.folder / "dead").glob("*.reason"))
    assert len(reasons) == 3 and all("told so" in each.read_text() for each in reasons)
    found = ledger.check(recorder.contents())
    report.record("three messages that are always refused", "spool", ledger, found, dead_letters=3)


def deliver(server, recipient="r@example.org"):
    """The reply to the first command that was refused, or to the content."""
    with server.client() as client:
        client.command("EHLO client.example", 250)
        client.send(b"MAIL FROM:<s@example.org>\r\n")
        if (reply := client.reply()).startswith("250"):
            client.command(f"RCPT TO:<{recipient}>", 250)
            reply = client.data(b"Subject: x\r\n\r\nx\r\n")
    return reply


def with_max_age(configuration, age):
    return merge(configuration, {"plugin": {"spool": {"options": {"max_age": age}}}})


def test_a_message_that_is_refused_for_max_age_is_a_dead_letter_and_stops_no_other(daemon, recorder):
    recorder.up()
    server = daemon(with_max_age(recorder.configuration(tempfail_to="poison@example.org"), "5s"))
    assert deliver(server, "poison@example.org").startswith("250")
    began = server.wait_log("backlog_began")
    assert (began["fallback"], began["outputs"], began["waiting"]) == ("spool", ["recorder"], 1)
    assert began["reason"] == "not this one"

    def dead():
        assert deliver(server).startswith("250")  # its output takes others meanwhile
        return list(server.spool.dead())

    wait_until(dead, 90, "the message to be a dead letter", every=0.5)
    error, = [line for line in server.log_lines() if line["level"] == "error"]
    assert (error["message"], error["outcome"]) == ("replayed", "dead_letter")
    assert "max_age" in error["detail"] and "not this one" in error["detail"]
    assert server.wait_log("backlog_gone")["dead_letters"] == 1
    first, *others = server.log_lines("accepted")
    assert (first["fallback"], first["reason"]) == (["spool"], "not this one") and "output" not in first
    assert all(line["output"] == ["recorder"] and "fallback" not in line for line in others)


def test_mail_is_refused_while_the_output_takes_nothing_for_max_age(daemon, recorder):
    server = daemon(with_max_age(recorder.configuration(), "3s"))
    assert deliver(server).startswith("250")
    stopped = server.wait_log("fallback_stopped", 40, stopped=True)
    assert (stopped["level"], stopped["fallback"], stopped["output"]) == ("error", "spool", "recorder")
    assert stopped["oldest_s"] >= 3
    assert deliver(server).startswith("452 4.3.1")
    assert "max_age" in server.wait_log("refused")["why"]
    recorder.up()
    drained(server)
    assert deliver(server).startswith("250")
    server.wait_log("fallback_stopped", 40, stopped=False)
    assert server.wait_log("backlog_gone", 40)["delivered"] == 1
    assert not list(server.spool.dead())


def test_torn_and_strange_files_go_to_quarantine_and_the_others_pass(daemon, recorder):
    server = daemon(recorder.configuration())
    ledger = Ledger()
    fill(server, ledger, 20)
    assert server.stop() == 0
    whole = server.spool.files()[0].read_bytes()
    torn = {"empty": b"", "half": whole[:len(whole) // 2], "zeros": bytes(4096), "text": b"not JSON",
            "list": b"[1, 2]", "object": b"{}", "deep": b"[" * 100_000, "utf8": b"\xff\xfe" + whole}
    for name, text in torn.items():
        (server.spool.folder / f"{name}.json").write_bytes(text)
    (server.spool.folder / "folder.json").mkdir()
    (server.spool.folder / "link.json").symlink_to("/etc/hostname")
    (server.spool.folder / "notes.txt").write_text("not ours")
    recorder.up()
    server.start()
    drained(server)
    kept = {each.name.removesuffix(".json") for each in (server.spool.folder / "quarantine").iterdir()}
    assert kept == set(torn) | {"folder", "link"}
    assert (server.spool.folder / "notes.txt").exists()
    found = ledger.check(recorder.contents())
    report.record("torn and strange files in the spool", "spool", ledger, found, quarantine=len(kept))


@pytest.mark.skipif(sanitized(), reason="a sanitizer wants to be loaded first")
@pytest.mark.parametrize("first, then", [("+1d", "-1d"), ("-1d", "+1d")])
def test_a_wrong_clock_loses_nothing(daemon, recorder, first, then):
    server = daemon(recorder.configuration(), started=False)
    ledger = Ledger()
    for offset in (first, then):
        server.environment = wrong_clock(offset)
        server.start()
        fill(server, ledger, 50)
        server.kill()
    server.environment = {}
    server.start()
    fill(server, ledger, 50)
    recorder.up()
    drained(server)
    assert server.stop() == 0
    found = ledger.check(recorder.contents())
    report.record(f"clock off by {first}, then {then}", "spool", ledger, found)
