# SPDX-License-Identifier: Apache-2.0
"""The behaviour that every output has, whatever its sink: support/sinks.py is the table of sinks, and each case here
runs for all of them. LSMTPD_LONG=1 adds more brokers, and kills them."""
import signal

import pytest
from test_reload import reload

from support import report
from support.daemon import merge, sanitized
from support.load import Ledger, Load
from support.matrix import LONG, only_long
from support.sinks import SINKS
from support.smtp import queued_id, stuff
from support.wait import wait_until

MEMORY = 128 * 2**20
HEADER = b"From: s@example.org\r\nSubject: x\r\n\r\n"
MAIL = HEADER + b"hello\r\n"
# Twice as long in JSON, so that one which SIZE lets in is too large.
LINE_ENDS = b"\r\n"


@pytest.fixture(params=[each for each in SINKS if LONG or each.usual], ids=lambda kind: kind.name)
def sink(request, tmp_path):
    kind = request.param
    process = request.getfixturevalue(kind.broker) if kind.broker else None
    if process is not None:
        process.resume()
        process.start()
    made = kind(process, request.node.name.split("[")[0].removeprefix("test_"), tmp_path)
    made.begin()
    yield made
    made.end()


def start(daemon, sink, **changes):
    made = daemon(sink.configuration(**changes))
    if sink.ready:
        made.wait_log(sink.ready, 30)
    return made


def one(made, content=MAIL, parameters=""):
    """The first reply that is a refusal, or the last."""
    with made.client() as client:
        client.command("EHLO client.example", 250)
        return send(client, content, parameters)


def send(client, content=MAIL, parameters=""):
    reply = ""
    for line in (f"MAIL FROM:<s@example.org>{parameters}", "RCPT TO:<r@example.org>", "DATA"):
        client.send(line.encode() + b"\r\n")
        reply = client.reply()
        if reply[0] not in "23":
            client.command("RSET", 250)
            return reply
    client.send(stuff(content))
    return client.reply()


def fallback_empty(made, seconds=60):
    wait_until(lambda: len(made.spool) == 0, seconds, lambda: f"the fallback to be empty:\n{made._log_tail()}")


def contents(found):
    return [content for _, content in found]


def test_stored_means_that_it_is_there_byte_by_byte(daemon, sink):
    mails = [MAIL, HEADER + bytes(b for b in range(256) if b not in b"\r\n") + b"\r\n",
             HEADER + b".\r\n..\r\n" * 100, HEADER + b"0123456789abcde\r\n" * 60_000]
    made = start(daemon, sink)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        ids = [queued_id(send(client, mail)) for mail in mails]
    found = dict(sink.read(len(mails)))
    assert found == dict(zip(ids, mails))
    assert len(made.spool) == 0, "something went to the fallback"


def test_refused_is_for_good_and_stored_nowhere(daemon, sink):
    sink.needs("refuse")
    made = start(daemon, sink, format="json")
    reply = one(made, LINE_ENDS * (sink.limit * 5 // 16))
    assert reply.startswith("552 5.3.4"), reply
    assert len(made.spool) == 0
    assert sink.read(0) == []


def test_a_full_sink_is_a_tempfail_and_keeps_what_it_took(daemon, sink):
    sink.needs("fill")
    made = start(daemon, sink, fallback=False, **sink.fill())
    accepted = []
    with made.client() as client:
        client.command("EHLO client.example", 250)
        for number in range(30):
            content = HEADER + b"%d" % number + b"x" * 1000 + b"\r\n"
            reply = send(client, content)
            if reply[0] != "2":
                break
            accepted.append(content)
    assert reply.startswith(("451 4.3.0", "452 4.3.1")), reply
    assert sorted(contents(sink.read(len(accepted)))) == sorted(accepted)


def test_a_deadline_is_a_tempfail_and_its_outcome_may_come_late(daemon, sink):
    sink.needs("hold")
    made = start(daemon, sink, fallback=False, deadline="1s")
    sink.hold()
    reply = one(made)
    assert reply.startswith("451 4."), reply
    assert one(made)[0] == "4", "new mail waits as well, though no outcome came"
    sink.release()
    made.wait_log(sink.again)
    assert one(made).startswith("250")
    assert contents(sink.read(2)) == [MAIL, MAIL], "the first was sent before its deadline"


def test_a_late_outcome_takes_the_copy_out_of_the_fallback(daemon, sink):
    sink.needs("hold")
    made = start(daemon, sink, deadline="1s")
    sink.hold()
    identity = queued_id(one(made))
    assert made.spool.ids() == [identity]
    sink.release()
    fallback_empty(made)
    assert sink.read(1) == [(identity, MAIL)], "it came again"


def test_out_of_reach_fills_the_fallback_and_replay_brings_it_once(daemon, sink):
    sink.needs("cut")
    sink.cut()
    made = daemon(sink.configuration())
    mails = [HEADER + b"%d\r\n" % number for number in range(5)]
    ids = [queued_id(one(made, mail)) for mail in mails]
    assert sorted(made.spool.ids()) == sorted(ids)
    sink.mend()
    fallback_empty(made)
    assert dict(sink.read(len(mails))) == dict(zip(ids, mails))


def test_a_connection_that_is_lost_under_load_loses_nothing(daemon, sink):
    sink.needs("cut")
    made = start(daemon, sink)
    ledger = Ledger()
    load = Load(made.address(), ledger, threads=4, sizes=(200, 4096, 30_000), pace=0.01)
    try:
        for _ in range(2):
            load.wait_accepted(100)
            sink.cut()
            load.wait_accepted(30)
            sink.mend()
        load.wait_accepted(100)
    finally:
        load.stop()
    settle(made, sink, ledger)


def settle(made, sink, ledger):
    """All that was accepted has come; more than once where the sink cannot tell."""
    fallback_empty(made, 300)
    wait_until(lambda: sink.waiting() >= len(ledger.accepted), 60, "all of it to be in the sink")
    return ledger.check(contents(sink.read(sink.waiting())), duplicates_allowed=not sink.detects_duplicates)


def test_a_drain_waits_for_what_is_under_way(daemon, sink):
    sink.needs("hold")
    made = start(daemon, sink)
    sink.hold()
    with made.client() as client:
        client.envelope()
        client.command("DATA", 354)
        client.send(stuff(MAIL))
        wait_until(sink.under_way, 20, "the message to be on its way")
        made.process.signal(signal.SIGTERM)
        made.wait_log("draining")
        sink.release()
        identity = queued_id(client.reply())
    assert made.process.wait(30) == 0
    assert sink.read(1) == [(identity, MAIL)]
    assert len(made.spool) == 0


def test_a_reload_changes_its_options_and_loses_none(daemon, sink):
    made = start(daemon, sink)
    changes, targets = sink.move()
    ledger = Ledger()
    load = Load(made.address(), ledger, threads=2, sizes=(200, 4096), pace=0.01)
    try:
        load.wait_accepted(20)
        reload(made, {"plugin": {"sink": {"options": changes}}})
        load.wait_accepted(20)
    finally:
        load.stop()
    fallback_empty(made)
    assert len(ledger.accepted) == len(ledger.entries), "something was refused"
    found = [sink.read(sink.waiting(target), target) for target in targets]
    assert all(found), "nothing came after the reload, or before it"
    ledger.check(contents(sum(found, [])))


def test_memory_stays_bounded_while_the_sink_takes_nothing(daemon, sink):
    made = start(daemon, sink, deadline="1s")
    if "hold" not in sink.cannot:
        sink.hold()
    ledger = Ledger()
    load = Load(made.address(), ledger, threads=8, sizes=(4096, 100_000, 2_000_000))
    peak = 0
    try:
        for _ in range(4):
            load.wait_accepted(15, 120)
            peak = max(peak, made.memory())
    finally:
        load.stop()
    assert sanitized() or peak < MEMORY, f"{peak / 2**20:.0f} MB"


def test_its_secret_is_in_no_log_and_no_output(daemon, sink):
    sink.needs("secret")
    made = start(daemon, sink)
    assert one(made).startswith("250")
    wrong = daemon(merge(sink.configuration(), {"plugin": {"sink": {"options": sink.wrong()}}}))
    assert one(wrong).startswith("250"), "the fallback takes it"
    wrong.wait_log(sink.denied, 30)
    texts = [wrong.cli("check", "--config", wrong.config_file), made.cli("check", "--live", "--config", made.config_file),
             made.cli("check", "--print", "--config", made.config_file)]
    said = "".join(each.stdout + each.stderr for each in texts)
    said += "".join(path.read_text() for each in (made, wrong) for path in (each.log, each.output))
    assert sink.secret not in said


def test_size_follows_the_limit_of_the_sink(daemon, sink):
    sink.needs("size")
    made = start(daemon, sink)
    with made.client() as client:
        client.send("EHLO client.example\r\n")
        words = dict(line[4:].partition(" ")[::2] for line in client.reply_lines())
        announced = int(words["SIZE"])
        assert 0 < announced <= sink.limit
        client.command(f"MAIL FROM:<s@example.org> SIZE={announced + 1}", "552 5.3.4")
        client.command(f"MAIL FROM:<s@example.org> SIZE={announced}", 250)


@only_long
def test_kills_lose_nothing_of_fifty_thousand(daemon, sink):
    """The sink is killed under load, and each third time the daemon."""
    sink.needs("kill")
    made = start(daemon, sink, deadline="5s")
    ledger, kills = Ledger(), {"sink": 0, "daemon": 0}
    while ledger.count(2) < 50_000:
        load = Load(made.address(), ledger, threads=6, sizes=(200, 1024, 4096))
        try:
            load.wait_accepted(4000, 300)
            if sum(kills.values()) % 3 == 1:
                kills["daemon"] += 1
                made.kill()
            else:
                kills["sink"] += 1
                sink.kill()
                load.wait_accepted(500, 120)  # the fallback takes it
                sink.start()
        finally:
            load.stop()
        if not made.process.running():
            made.start()
    found = settle(made, sink, ledger)
    report.record("kill -9 of sink and daemon", sink.name, ledger, found, kills_of_sink=kills["sink"],
                  kills_of_daemon=kills["daemon"])
