# SPDX-License-Identifier: Apache-2.0
"""Routes: recipients of one chain that take other outputs."""
import time

import pytest

from support.daemon import BUILD, run_cli
from support.smtp import queued_id
from support.wait import wait_until
from test_reload import reload

CONTENT = b"Subject: x\r\n\r\nhello\r\n"
LISTENERS = [{"name": "mx", "address": "127.0.0.1:0", "chain": "default"},
             {"name": "lmtp", "address": "127.0.0.1:0", "chain": "default", "protocol": "lmtp"}]


def spool(folder):
    return {"use": "output_json_spool", "deadline": "60s", "options": {"directory": str(folder)}}


def fixture(**options):
    return {"use": str(BUILD / "tests/fixtures/test_output.so"), "deadline": "60s", "options": options}


def routed(tmp_path, *routes, plugins=None, **chain):
    """A configuration whose chain has these routes; the spools "billing" and "far" are there to be used."""
    return {"listener": LISTENERS,
            "plugin": {"billing": spool(tmp_path / "billing"), "far": spool(tmp_path / "far"), **(plugins or {})},
            "chain": {"default": {"steps": ["spool"], **chain, "route": list(routes)}}}


def route(name, *recipients, steps=None, **more):
    return {"name": name, "recipients": list(recipients), "steps": steps or [name], **more}


def send(server, *recipients, listener="mx"):
    """One message; returns all replies to its content."""
    with server.client(listener) as client:
        client.command("LHLO c.example" if listener == "lmtp" else "EHLO c.example", 250)
        client.command("MAIL FROM:<s@example.org>", 250)
        for recipient in recipients:
            client.command(f"RCPT TO:<{recipient}>", 250)
        first = client.data(CONTENT)
        return [first, *(client.reply() for _ in recipients[1:] if listener == "lmtp")]


def to(message):
    return [recipient.strip("<>") for recipient in message.json["recipients"]]


def recipients_of(spool):
    return sorted(map(to, spool.messages()))


def test_each_route_stores_its_recipients_and_the_content_is_the_same(daemon, tmp_path):
    server = daemon(routed(tmp_path, route("billing", "*@billing.example", "orders@example.com"),
                           route("far", "*@*.far.example")))
    reply, = send(server, "a@x.example", "b@Billing.example", "orders@example.com", "c@deep.far.example", "d@far.example")
    message = queued_id(reply)
    billing, far = server.spool_at(tmp_path / "billing"), server.spool_at(tmp_path / "far")
    assert recipients_of(server.spool) == [["a@x.example", "d@far.example"]]
    assert recipients_of(billing) == [["b@Billing.example", "orders@example.com"]]
    assert recipients_of(far) == [["c@deep.far.example"]]
    assert server.spool.ids() == [message]
    assert billing.ids() == [f"{message}.billing"] and far.ids() == [f"{message}.far"]
    copies = [each.only() for each in (server.spool, billing, far)]
    assert {copy.content.split(b"\r\n\r\n", 1)[1] for copy in copies} == {b"hello\r\n"}
    assert {copy.json["message_id"] for copy in copies} == {message}
    line = server.wait_log("accepted", id=message)
    assert line["route"] == ["", "billing", "far"] and line["output"] == ["spool", "billing", "far"]


def test_two_routes_may_end_in_one_spool(daemon, tmp_path):
    plugins = {"mark": {"use": "filter_headers", "options": {"add": {"X-Route": "side"}}}}
    server = daemon(routed(tmp_path, route("side", "*@side.example", steps=["mark", "spool"]), plugins=plugins))
    message = queued_id(send(server, "a@x.example", "b@side.example")[0])
    assert server.spool.ids() == [message, f"{message}.side"]
    own, side = server.spool.messages()
    assert to(own) == ["a@x.example"] and to(side) == ["b@side.example"]
    assert b"X-Route" not in own.content and b"X-Route: side" in side.content


def test_smtp_has_one_reply_and_lmtp_one_for_each_recipient(daemon, tmp_path):
    plugins = {"busy": fixture(verdict="tempfail", text="busy"), "strict": fixture(verdict="reject", text="never")}
    server = daemon(routed(tmp_path, route("busy", "*@busy.example"), route("strict", "*@strict.example"), plugins=plugins))
    assert send(server, "a@x.example", "b@strict.example", "c@busy.example") == \
        ["451 4.3.0 Message is not stored for all recipients, try again later"]
    line = server.wait_log("refused", outcome="mixed")
    assert any("<a@x.example> stored by spool" in each for each in line["recipients"])
    assert line["output"] == ["spool"]
    assert send(server, "a@x.example", "b@strict.example") == ["554 5.3.0 Message refused for some recipients"]
    assert send(server, "b@strict.example")[0].startswith("554 5.7.1 never")
    replies = send(server, "a@x.example", "b@strict.example", "c@busy.example", listener="lmtp")
    assert [reply[:9] for reply in replies] == ["250 2.0.0", "554 5.7.1", "451 4.3.0"]


def test_what_a_client_sends_again_has_the_same_content_id(daemon, tmp_path):
    server = daemon(routed(tmp_path, route("busy", "*@busy.example"), plugins={"busy": fixture(verdict="tempfail")}))
    for _ in range(2):
        assert send(server, "a@x.example", "c@busy.example")[0].startswith("451 4.3.0")
    first, second = server.spool.messages()
    assert first.json["message_id"] != second.json["message_id"] and first.json["content_id"] == second.json["content_id"]


def test_recipients_that_no_route_has_are_refused_but_for_postmaster(daemon, tmp_path):
    server = daemon(routed(tmp_path, route("billing", "*@billing.example"), unmatched="reject"))
    with server.client() as client:
        client.envelope(recipients=["b@billing.example"])
        client.command("RCPT TO:<a@x.example>", "550 5.1.1 Recipient unknown")
        client.command("RCPT TO:<Postmaster>", 250)
        client.command("RCPT TO:<postmaster@anywhere.example>", 250)
        queued_id(client.data(CONTENT))
    line = server.wait_log("refused", at="rcpt")
    assert line["to"] == ["a@x.example"] and "unmatched" in line["why"]
    assert recipients_of(server.spool) == [["Postmaster", "postmaster@anywhere.example"]]


def test_a_transaction_has_recipients_of_one_route_where_others_are_deferred(daemon, tmp_path):
    server = daemon(routed(tmp_path, route("billing", "*@billing.example"), route_mix="defer"))
    with server.client() as client:
        client.envelope(recipients=["b@billing.example"])
        client.command("RCPT TO:<a@x.example>", "452 4.5.3")
        client.command("RCPT TO:<c@billing.example>", 250)
        queued_id(client.data(CONTENT))
        client.envelope(recipients=["a@x.example"])
        client.command("RCPT TO:<c@billing.example>", "452 4.5.3")
        queued_id(client.data(CONTENT))
    assert recipients_of(server.spool_at(tmp_path / "billing")) == [["b@billing.example", "c@billing.example"]]
    assert recipients_of(server.spool) == [["a@x.example"]]
    assert [reply[:3] for reply in send(server, "a@x.example", "b@billing.example", listener="lmtp")] == ["250", "250"]


def test_a_route_that_is_not_ready_is_452_at_rcpt_for_its_recipients_only(daemon, tmp_path):
    down = tmp_path / "down"
    server = daemon(routed(tmp_path, route("busy", "*@busy.example"), plugins={"busy": fixture(down_while=str(down))}))
    down.touch()
    with server.client() as client:
        client.envelope(recipients=["a@x.example"])
        client.command("RCPT TO:<c@busy.example>", "452 4.3.1")
        queued_id(client.data(CONTENT))
    assert server.wait_log("refused", at="rcpt")["why"].startswith("busy:")
    down.unlink()
    queued_id(send(server, "c@busy.example")[0])


def test_a_smaller_limit_of_a_route_is_552_at_rcpt_or_a_verdict_for_its_recipients(daemon, tmp_path):
    server = daemon(routed(tmp_path, route("small", "*@small.example"), plugins={"small": fixture(max=1000)}))
    large = CONTENT + b"x" * 2000 + b"\r\n"
    with server.client() as client:
        client.send("EHLO c.example\r\n")
        assert "250-SIZE 33554432" in client.reply_lines()
        client.command(f"MAIL FROM:<s@example.org> SIZE={len(large)}", 250)
        client.command("RCPT TO:<b@small.example>", "552 5.3.4")
        client.command("RCPT TO:<a@x.example>", 250)
        queued_id(client.data(large))
        client.envelope(recipients=["b@small.example"])
        assert client.data(large).startswith("552 5.3.4")
    with server.client("lmtp") as client:
        client.command("LHLO c.example", 250)
        client.command("MAIL FROM:<s@example.org>", 250)
        for recipient in ("a@x.example", "b@small.example"):
            client.command(f"RCPT TO:<{recipient}>", 250)
        assert client.data(large).startswith("250")
        client.expect("552 5.3.4")


def test_a_file_of_patterns_is_read_again_at_a_reload(daemon, tmp_path):
    patterns = tmp_path / "patterns"
    patterns.write_text("# customers\n\n  b@x.example \r\n")
    server = daemon(routed(tmp_path, {"name": "billing", "files": [str(patterns)], "steps": ["billing"]}))
    send(server, "a@x.example", "b@x.example")
    patterns.write_text("*@x.example\n")
    reload(server)
    send(server, "a@x.example")
    billing = server.spool_at(tmp_path / "billing")
    assert recipients_of(billing) == [["a@x.example"], ["b@x.example"]]
    patterns.write_text("x.example\n")
    failed = reload(server, good=False)
    assert "has no @" in str(failed)
    send(server, "c@x.example")
    assert len(billing) == 3


def test_an_output_with_a_fallback_replays_the_copies_of_its_route(daemon, tmp_path):
    down, record = tmp_path / "down", tmp_path / "record"
    down.touch()
    broker = {**fixture(down_while=str(down), record=str(record)), "fallback": "far"}
    server = daemon(routed(tmp_path, route("side", "*@side.example", steps=["broker"]), plugins={"broker": broker}))
    message = queued_id(send(server, "a@x.example", "b@side.example")[0])
    assert server.spool_at(tmp_path / "far").ids() == [f"{message}.side.broker"]
    down.unlink()
    wait_until(lambda: not server.spool_at(tmp_path / "far").ids(), 30, "the replay of the copy")
    delivered = [line for line in record.read_text().splitlines() if line.startswith("deliver ")]
    assert delivered[-1].startswith(f"deliver {message}.side.broker ") and " to=<b@side.example> " in delivered[-1]


# The configuration.

def problems(tmp_path, configuration, daemon, status=2):
    server = daemon(configuration, started=False)
    return server, run_cli("check", "--config", server.config_file, check=status).stderr


@pytest.mark.parametrize("changes, said", [
    ({"recipients": ["joe"]}, 'the pattern "joe" in route billing of chain.default has no @'),
    ({"recipients": []}, "route billing of chain.default has no patterns"),
    ({"steps": ["bilings"]}, 'the step "bilings" of route billing of chain.default does not exist'),
    ({"steps": ["policy", "billing"]}, "policy is a session filter, which is asked before there is a route"),
    ({"steps": ["size"]}, "route billing of chain.default has no output"),
    ({"files": ["/nowhere/patterns"]}, "cannot read /nowhere/patterns: No such file or directory"),
    ({"recipient": ["*@x.example"]}, 'unknown key "recipient" in [[chain.default.route]]'),
])
def test_a_mistake_in_a_route_has_a_clear_error(daemon, tmp_path, changes, said):
    plugins = {"policy": {"use": "filter_policy", "options": {"service": "inet:127.0.0.1:1"}}, "size": {"use": "filter_size"}}
    one = {**route("billing", "*@billing.example"), **changes}
    if not one["recipients"]:
        del one["recipients"]
    _, text = problems(tmp_path, routed(tmp_path, one, plugins=plugins), daemon)
    line = next((each for each in text.splitlines() if said in each), None)
    assert line and ": error: " in line, text


def test_routes_that_part_a_message_and_have_no_fallback_are_warned_of(daemon, tmp_path):
    configuration = routed(tmp_path, route("billing", "*@billing.example"), unmatched="reject")
    _, text = problems(tmp_path, configuration, daemon, 0)
    assert "route billing of chain.default: billing has no fallback" in text and 'route_mix = "defer"' in text
    assert "no route takes postmaster" in text
    configuration["chain"]["default"]["route_mix"] = "defer"
    configuration["chain"]["default"]["route"][0]["recipients"] += ["postmaster", "postmaster@*"]
    _, text = problems(tmp_path, configuration, daemon, 0)
    assert "fallback" not in text and "postmaster" not in text


def test_a_pattern_that_an_earlier_route_has_is_warned_of(daemon, tmp_path):
    configuration = routed(tmp_path, route("billing", "*@x.example"), route("far", "*@X.example"), route_mix="defer")
    server, text = problems(tmp_path, configuration, daemon, 0)
    assert '"*@X.example" in route far of chain.default has no effect: route billing has it' in text


def test_check_says_which_route_an_address_takes(daemon, tmp_path):
    configuration = routed(tmp_path, route("billing", "*@billing.example"), route("far", "abuse@*"),
                           recipient_delimiter="+", unmatched="reject")
    server = daemon(configuration, started=False)

    def way(address, status=0):
        done = run_cli("check", "--config", server.config_file, "--route", address, check=status)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    assert way("joe@billing.example") == \
        "joe@billing.example: chain.default: route billing by *@billing.example: after the chain's filters billing"
    assert way("abuse+x@x.example").endswith("route far by abuse@*: after the chain's filters far")
    assert way("joe@x.example").endswith("refused with 550 5.1.1: no route has it")
    assert way("postmaster").endswith("the chain's own steps: spool")
    assert "is no address that RCPT takes" in way("no address", 2)


def test_printed_routes_load_again(daemon, tmp_path):
    server = daemon(routed(tmp_path, route("billing", "*@billing.example"), route_mix="defer"), started=False)
    printed = run_cli("check", "--config", server.config_file, "--print", check=0).stdout
    assert "[[chain.default.route]]\nname = \"billing\"" in printed
    again = tmp_path / "again.toml"
    again.write_text(printed)
    assert run_cli("check", "--config", again, "--print", check=0).stdout.splitlines()[1:] == printed.splitlines()[1:]


def test_a_hundred_thousand_patterns_cost_a_recipient_no_more_than_ten(daemon, tmp_path):
    """Time of RCPT alone, the faster of several rounds; ten times would be a table that is searched."""
    patterns = tmp_path / "patterns"

    def seconds():
        with server.client() as client:
            client.envelope()
            batch = b"".join(b"RCPT TO:<u%d@x%d.example>\r\n" % (i, i) for i in range(900))
            rounds = []
            for _ in range(5):
                client.command("RSET", 250)
                client.command("MAIL FROM:<s@example.org>", 250)
                began = time.monotonic()
                client.send(batch)
                for _ in range(900):
                    client.expect(250)
                rounds.append(time.monotonic() - began)
            return min(rounds)

    patterns.write_text("".join(f"u{i}@x{i}.example\n" for i in range(10)))
    server = daemon(routed(tmp_path, {"name": "billing", "files": [str(patterns)], "steps": ["billing"]}))
    few = seconds()
    patterns.write_text("".join(f"u{i}@x{i}.example\n" for i in range(100_000)))
    reload(server)
    many = seconds()
    print(f"900 recipients: {few * 1000:.1f} ms with 10 patterns, {many * 1000:.1f} ms with 100,000")
    assert many < 3 * few + 0.01
