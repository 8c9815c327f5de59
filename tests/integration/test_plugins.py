# SPDX-License-Identifier: Apache-2.0
"""The daemon with plugins that misbehave: a clear error or the right reply, and it goes on serving.
tests/fixtures/README.md describes each fixture."""
import signal
import socket

import pytest

from support.daemon import BUILD, merge
from support.hostile import H
from support.smtp import queued_id
from support.wait import wait_until

FIXTURES = BUILD / "tests" / "fixtures"
MAIL = H + b"x\r\n"


def chain(plugin, steps, **changes):
    """A configuration with one more plugin."""
    return merge({"plugin": plugin, "chain": {"default": {"steps": steps}}}, changes)


def filtered(name, options, **host):
    return chain({"filter": {"use": str(FIXTURES / f"{name}.so"), "options": options, **host}},
                 ["filter", "spool"])


def output(name, options, **host):
    return chain({"out": {"use": str(FIXTURES / f"{name}.so"), "options": options, **host}}, ["out"])


def deliver(server, content=MAIL):
    with server.client() as client:
        client.envelope()
        return client.data(content)


@pytest.mark.parametrize("name, said", [
    ("no_entry", "lsmtpd_entry"), ("wrong_abi", "999"), ("fails_init", "init"),
    ("throws_in_init", "init"), ("no_factory", "factory"), ("fails_create", "fails_create"),
    ("throws_in_create", "throws_in_create"), ("fails_start", "the disk is on fire"),
    ("fails_start_silently", "start failed"), ("throws_in_start", "threw an exception"),
])
def test_a_plugin_that_cannot_start_is_a_clear_error(daemon, name, said):
    server = daemon(filtered(name, {}), started=False)
    server.launch()
    assert server.process.wait(20) not in (0, -6, -11)
    shown = server.process.tail() + server._log_tail()
    assert said in shown and (name in shown or "filter" in shown), shown
    server.process = None


@pytest.mark.parametrize("options, reply, stored", [
    ({"mode": "continue"}, "250", 1),
    ({"mode": "discard"}, "250", 0),
    ({"mode": "reject", "code": 550, "enhanced": "5.7.26", "text": "no"}, "550 5.7.26 no", 0),
    ({"mode": "tempfail", "code": 450, "enhanced": "4.2.1", "text": "soon"}, "450 4.2.1 soon", 0),
    ({"mode": "slow", "delay": "20ms"}, "250", 1),
    ({"mode": "never"}, "451", 0),
    ({"mode": "on_cancel"}, "451", 0),
    ({"mode": "after_cancel", "delay": "20ms"}, "451", 0),
    ({"mode": "twice"}, "250", 1),
    ({"mode": "twice_later", "delay": "20ms"}, "250", 1),
    ({"mode": "thread"}, "250", 1),
    ({"mode": "wrong_call"}, "250", 1),
    ({"mode": "edits_too_late"}, "250", 1),
    ({"mode": "leaks_pin"}, "250", 1),
    ({"mode": "reads"}, "250", 1),
    ({"mode": "throws"}, "451", 0),
    ({"mode": "throws_int"}, "451", 0),
    ({"mode": "throws_after_answer"}, "250", 1),
    ({"mode": "crlf"}, "5", 0),
    ({"mode": "long"}, "5", 0),
    ({"mode": "bad_code"}, "554 5.7.1", 0),
    ({"mode": "bad_class"}, "451 4.7.1", 0),
    ({"mode": "bad_enhanced"}, "5", 0),
    ({"mode": "unknown_kind"}, "451", 0),
    ({"mode": "stored"}, "451", 0),
    ({"mode": "small_size"}, "250", 1),
], ids=lambda value: value["mode"] if isinstance(value, dict) else "")
def test_a_bad_filter_gets_the_right_reply_and_the_daemon_goes_on(daemon, options, reply, stored):
    # The leak is the plugin's, which the test needs, and not the daemon's.
    leaks = {"ASAN_OPTIONS": "detect_leaks=0"} if options.get("mode") == "leaks_pin" else {}
    server = daemon(filtered("bad_filter", options, deadline="500ms"), environment=leaks)
    for number in (1, 2):
        got = deliver(server)
        assert got.startswith(reply), got
        assert len(got) <= 510
        assert len(server.spool) == stored * number
    with server.client() as client:
        client.command("NOOP", 250)


def test_a_plugin_that_blocks_its_loop_is_named_while_it_does(daemon):
    server = daemon(filtered("bad_filter", {"mode": "blocks", "delay": "9s"}, deadline="30s"))
    with server.client() as client:
        client.envelope()
        client.command("DATA", 354)
        client.send(MAIL + b".\r\n")
        stuck = server.wait_log("loop_stuck", plugin="filter", **{"in": "filter.message"})
        assert stuck["level"] == "error" and stuck["worker"] in (0, 1) and 5000 <= stuck["ms"] < 9000
        assert not server.log_lines("loop_turns_again") and not server.log_lines("loop_blocked")
        again = server.wait_log("loop_turns_again", plugin="filter", worker=stuck["worker"])
        assert again["ms"] >= 9000
        queued_id(client.reply())


@pytest.mark.parametrize("on_timeout, reply", [("tempfail", "451"), ("reject", "554"),
                                               ("continue", "250")])
def test_on_timeout_decides_when_a_filter_never_answers(daemon, on_timeout, reply):
    server = daemon(filtered("bad_filter", {"mode": "never"}, deadline="200ms",
                             on_timeout=on_timeout))
    assert deliver(server).startswith(reply)


def test_edits_of_a_filter_are_stored(daemon):
    server = daemon(filtered("bad_filter", {"mode": "edits"}))
    queued_id(deliver(server))
    stored = server.spool.only()
    assert stored.content != MAIL
    assert stored.json["recipients"] != ["<r@example.org>"]
    line = server.wait_log("accepted")
    assert (line["size"], line["size_after_filters"]) == (len(MAIL), len(stored.content))


def test_edits_of_a_filter_that_answers_tempfail_are_dropped(daemon):
    server = daemon(filtered("bad_filter", {"mode": "edits_then_tempfail"}))
    assert deliver(server).startswith("4")
    assert len(server.spool) == 0


@pytest.mark.parametrize("where", ["validate", "create", "message", "work", "done", "timer", "admission"])
def test_an_exception_in_the_sdk_is_tempfail_and_no_crash(daemon, where):
    server = daemon(filtered("throwing_filter", {"where": where}, deadline="500ms"), started=False)
    server.launch()
    try:
        wait_until(server._listening, 20, "to listen")
    except AssertionError:
        assert where in ("validate", "create")
        assert server.process.returncode in (1, 2)
        assert "thrown on purpose" in server.process.tail() + server._log_tail()
        server.process = None
        return
    with server.client() as client:
        client.command("EHLO c.example", 250)
        client.send(b"MAIL FROM:<s@example.org>\r\nRCPT TO:<r@example.org>\r\nDATA\r\n")
        replies = [client.reply() for _ in range(3)]
        if replies[2].startswith("354"):
            client.send(MAIL + b".\r\n")
            replies.append(client.reply())
        assert replies[-1][0] in "425"
    with server.client() as client:
        client.command("NOOP", 250)


@pytest.mark.parametrize("options, refused_at", [
    ({"helo": "bad.example"}, "EHLO bad.example"), ({"from": "bad@example.org"}, "MAIL FROM:<bad@example.org>"),
    ({"rcpt": "bad@example.org"}, "RCPT TO:<bad@example.org>"),
], ids=["HELO", "MAIL", "RCPT"])
@pytest.mark.parametrize("delay", ["0s", "20ms"])
def test_a_session_filter_refuses_before_there_is_a_message(daemon, options, refused_at, delay):
    server = daemon(filtered("session_filter", {**options, "verdict": "reject", "code": 550, "enhanced": "5.7.1",
                                                "text": "not you", "delay": delay}))
    with server.client() as client:
        if not refused_at.startswith("EHLO"):
            client.command("EHLO good.example", 250)
        if refused_at.startswith("RCPT"):
            client.command("MAIL FROM:<s@example.org>", 250)
        client.command(refused_at, "550 5.7.1 not you")
        client.command("RSET", 250)
        client.envelope()
        queued_id(client.data(MAIL))


def test_a_drain_without_time_left_cancels_session_filters(daemon):
    server = daemon(filtered("session_filter", {"helo": "slow.example", "delay": "1h"}, deadline="1h")
                    | {"timeouts": {"drain": "500ms"}})
    with server.client() as client:
        client.send(b"EHLO slow.example\r\n")
        server.wait_log("thinking")
        server.process.signal(signal.SIGTERM)
        assert client.reply().startswith("421 4.3.2 ")
    assert server.process.wait(20) == 0
    assert "call cancelled" in server._log_tail()


def test_a_client_that_leaves_while_it_waits_for_the_banner_is_noticed(daemon):
    server = daemon(filtered("session_filter", {"peer": "127.0.0.1", "delay": "1h"}, deadline="1h"))
    with socket.create_connection(server.address()):
        server.wait_log("thinking")
    server.wait_log("call cancelled")
    server.wait_log("session closed")


@pytest.mark.parametrize("options, reply", [
    ({"verdict": "stored"}, "250"), ({"verdict": "reject", "code": 554, "text": "never"}, "554"),
    ({"verdict": "tempfail"}, "451 4.3.0"), ({"verdict": "never"}, "451 4.3.0"),
    ({"verdict": "throws"}, "451"),
], ids=lambda value: value.get("verdict") if isinstance(value, dict) else "")
def test_the_reply_is_the_text_of_the_output(daemon, options, reply):
    server = daemon(output("test_output", options, deadline="300ms"))
    assert deliver(server).startswith(reply)


@pytest.mark.parametrize("verdict, reply, spooled", [("stored", "250", 0), ("tempfail", "250", 1),
                                                     ("never", "250", 1), ("reject", "5", 0)])
def test_the_fallback_stores_mail_that_the_output_tempfails(daemon, verdict, reply, spooled):
    server = daemon(output("test_output", {"verdict": verdict}, deadline="300ms", fallback="spool"))
    assert deliver(server).startswith(reply)
    assert len(server.spool) == spooled


def test_mail_in_the_fallback_is_replayed_when_the_output_takes_mail_again(daemon, tmp_path):
    down, record = tmp_path / "down", tmp_path / "record"
    down.touch()
    server = daemon(output("test_output", {"verdict": "stored", "down_while": str(down),
                                           "record": str(record)}, fallback="spool"))
    ids = [queued_id(deliver(server)) for _ in range(20)]
    assert sorted(server.spool.ids()) == sorted(ids)
    down.unlink()
    wait_until(lambda: len(server.spool) == 0, 60, lambda: f"{len(server.spool)} files to be replayed")
    replayed = [line.split()[1] for line in record.read_text().splitlines()
                if line.startswith("deliver") and "replay=1" in line]
    assert set(ids) <= {each.split(".")[0] for each in replayed}


def test_replay_goes_on_after_kill_9(daemon, tmp_path):
    down, record = tmp_path / "down", tmp_path / "record"
    down.touch()
    server = daemon(output("test_output", {"verdict": "stored", "down_while": str(down),
                                           "record": str(record)}, fallback="spool"))
    ids = [queued_id(deliver(server)) for _ in range(20)]
    server.kill()
    down.unlink()
    server.start()
    wait_until(lambda: len(server.spool) == 0, 60, lambda: f"{len(server.spool)} files to be replayed")
    assert set(ids) <= {line.split()[1].split(".")[0] for line in record.read_text().splitlines()}


def test_two_outputs_both_have_the_message_before_the_250(daemon, tmp_path):
    record = tmp_path / "record"
    server = daemon(chain({"out": {"use": str(FIXTURES / "test_output.so"),
                                   "options": {"record": str(record)}}}, ["out", "spool"]))
    message_id = queued_id(deliver(server))
    stored = server.spool.only()
    assert (stored.json["message_id"], stored.content) == (message_id, MAIL)
    assert stored.path.name == f"{message_id}.json"  # by the message, though its copy has a longer name
    assert message_id in record.read_text()
