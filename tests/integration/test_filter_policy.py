# SPDX-License-Identifier: Apache-2.0
"""filter_policy in the real daemon, with Debian's policy services and with one that misbehaves."""
import threading
import time

import pytest

from support import policy
from support.hostile import H
from support.plugin_pages import check_examples, check_options
from support.smtp import queued_id
from support.wait import wait_until


def configuration(service, **options):
    return {"plugin": {"policy": {"use": "filter_policy", "options": {"service": service.address, **options}}},
            "chain": {"default": {"steps": ["policy", "spool"]}}}


@pytest.fixture
def services():
    """services(service) -> the service, which is ended with the test."""
    made = []

    def keep(service):
        made.append(service)
        return service
    yield keep
    for each in made:
        each.end()


@pytest.fixture
def played(services):
    return lambda answer: services(policy.Played(answer))


def always(action):
    return lambda request: f"action={action}\n\n".encode()


def rcpt(client, recipient="r@example.org", sender="s@example.org"):
    client.send(f"RSET\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\n")
    return [client.reply() for _ in range(3)][2]


def test_the_page_has_the_options_and_its_example_is_right(tmp_path):
    check_options("filter_policy", "filter-policy.md")
    check_examples("filter-policy.md", tmp_path)


def test_postgrey_defers_a_new_triplet_and_takes_it_later(daemon, tmp_path, services):
    service = services(policy.postgrey(tmp_path, delay=1))
    server = daemon(configuration(service))
    with server.client() as client:
        client.command("EHLO client.example", 250)
        assert rcpt(client).startswith("450 4.2.0")
        assert "Greylisted" in rcpt(client)
        assert rcpt(client, "postmaster@example.org").startswith("250")  # on its list of recipients
        wait_until(lambda: rcpt(client).startswith("250"), 20, "postgrey to let the triplet pass", 0.5)
        client.command("DATA", 354)
        client.send(H + b"x\r\n.\r\n")
        queued_id(client.reply())
        assert rcpt(client, "other@example.org").startswith("450")
    assert b"X-Greylist: delayed" in server.spool.only().content


def test_postfwd_refuses_by_its_rules(daemon, tmp_path, services):
    service = services(policy.postfwd(tmp_path, """
id=R1; sender==bad@example.org; action=REJECT go away
id=R2; helo_name==client.example; recipient==later@example.org; action=451 4.7.1 come back
id=R3; sender==marked@example.org; action=PREPEND X-Postfwd: marked
"""))
    server = daemon(configuration(service))
    with server.client() as client:
        client.command("EHLO client.example", 250)
        assert rcpt(client, sender="bad@example.org") == "554 5.7.1 go away"
        assert rcpt(client, "later@example.org") == "451 4.7.1 come back"
        assert rcpt(client).startswith("250")
        client.command("RSET", 250)
        client.command("MAIL FROM:<marked@example.org>", 250)
        for recipient in ("a@example.org", "b@example.org"):
            client.command(f"RCPT TO:<{recipient}>", 250)
        queued_id(client.data(H + b"x\r\n"))
    assert server.spool.only().content == b"X-Postfwd: marked\r\n" + H + b"x\r\n"


def test_policyd_spf_refuses_a_forged_sender_and_marks_the_others(daemon, tmp_path, services):
    service = services(policy.policyd_spf(tmp_path, {
        ("forged.example", "TXT"): [(b"v=spf1 -all",)], ("good.example", "TXT"): [(b"v=spf1 ip4:127.0.0.1 -all",)]}))
    # It is started anew for each connection, which takes its time on a busy machine.
    config = configuration(service, timeout="80s")
    config["plugin"]["policy"]["deadline"] = "90s"
    server = daemon(config)
    with server.client(timeout=90) as client:
        client.command("EHLO client.example", 250)
        refused = rcpt(client, sender="x@forged.example")
        assert refused.startswith("550 5.7.23"), refused
        client.command("RSET", 250)
        client.command("MAIL FROM:<x@good.example>", 250)
        client.command("RCPT TO:<r@example.org>", 250)
        queued_id(client.data(H + b"x\r\n"))
    head = server.spool.only().content.split(H)[0]
    assert b"Pass" in head and b"good.example" in head, head


def test_the_attributes_are_those_of_the_session(daemon, played):
    service = played(always("DUNNO"))
    server = daemon(configuration(service, phases=["connect", "helo", "mail", "rcpt", "data", "end"]))
    with server.client() as client:
        client.command("EHLO client.example", 250)
        client.command("MAIL FROM:<s@example.org> SIZE=500", 250)
        for recipient in ("a@example.org", "b@example.org"):
            client.command(f"RCPT TO:<{recipient}>", 250)
        identity = queued_id(client.data(H + b"x\r\n"))
    asked = service.requests
    assert [each["protocol_state"] for each in asked] == ["CONNECT", "EHLO", "MAIL", "RCPT", "RCPT", "DATA",
                                                          "END-OF-MESSAGE"]
    assert len({tuple(each) for each in asked}) == 1 and len(asked[0]) == 29
    assert asked[0]["instance"] == asked[1]["instance"] != ""
    assert {each["instance"] for each in asked[2:]} == {identity}
    assert [each["recipient"] for each in asked] == ["", "", "", "a@example.org", "b@example.org", "", ""]
    assert [each["recipient_count"] for each in asked[5:]] == ["2", "2"]
    assert asked[3]["size"] == "500" and asked[6]["size"] == str(len(H) + 3)
    assert asked[2]["client_address"] == "127.0.0.1" and asked[2]["server_port"] == str(server.address()[1])
    assert asked[2]["helo_name"] == "client.example" and asked[2]["sender"] == "s@example.org"


def test_a_field_of_mail_survives_the_end_of_the_transaction_before(daemon, played):
    service = played(lambda request: f"action=PREPEND X-Sender: {request['sender']}\n\n".encode())
    server = daemon(configuration(service, phases=["mail"]))
    with server.client() as client:
        client.command("EHLO client.example", 250)
        client.send("MAIL FROM:<first@example.org>\r\nRCPT TO:<r@example.org>\r\nRSET\r\n"
                    "MAIL FROM:<second@example.org>\r\nRCPT TO:<r@example.org>\r\nDATA\r\n")
        for _ in range(5):
            client.expect(250)
        client.expect(354)
        client.send(H + b"x\r\n.\r\n")
        queued_id(client.reply())
    assert server.spool.only().content == b"X-Sender: second@example.org\r\n" + H + b"x\r\n"


def test_discard_and_dry_run(daemon, played):
    service = played(always("DISCARD spam"))
    server = daemon(configuration(service))
    with server.client() as client:
        client.envelope()
        queued_id(client.data(H + b"x\r\n"))
    assert len(server.spool) == 0
    dry = daemon(configuration(service, dry_run=True))
    with dry.client() as client:
        client.envelope()
        queued_id(client.data(H + b"x\r\n"))
    assert len(dry.spool) == 1
    assert dry.wait_log("the policy service would decide")["action"] == "discard"


HOSTILE = {
    "closes at once": lambda request: None,
    "half a line": lambda request: b"action=DUN",
    "no action": lambda request: b"\n\n",
    "an endless line": lambda request: b"action=" + b"x" * 2_000_000,
    "endless lines": lambda request: b"a=b\n" * 500_000,
    "two answers": lambda request: b"action=DUNNO\n\n" * 2,
    "NUL and controls": lambda request: b"action=\x00\x01\x02 REJECT\r\n\n",
    "HTTP": lambda request: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "silence": lambda request: b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_service_costs_one_reply_and_the_daemon_serves_on(daemon, played, name):
    wrong = threading.Event()
    wrong.set()
    service = played(lambda request: HOSTILE[name](request) if wrong.is_set() else b"action=DUNNO\n\n")
    server = daemon(configuration(service, timeout="500ms"))
    with server.client() as client:
        client.command("EHLO client.example", 250)
        assert rcpt(client).startswith("451 4.3.5")
        before = server.memory()
        for _ in range(2 if name in ("silence", "half a line") else 30):
            assert rcpt(client).startswith("451 4.3.5")
        assert server.memory() - before < 8 * 1024 * 1024
        wrong.clear()
        wait_until(lambda: rcpt(client).startswith("250"), 20, "the service to be asked again")
    outages = server.log_lines("the policy service gives no answer")
    assert len(outages) <= 1


def test_a_service_that_is_gone_and_comes_back(daemon, services):
    service = policy.Played(always("DUNNO"))
    server = daemon(configuration(service))
    with server.client() as client:
        client.command("EHLO client.example", 250)
        assert rcpt(client).startswith("250")
        service.end()
        service.path.unlink()
        # The connection that is open is served by its thread until it is closed; so a new session asks.
    server.stop()
    server.restart()
    with server.client() as client:
        client.command("EHLO client.example", 250)
        assert rcpt(client).startswith("451 4.3.5")
        again = services(policy.Played(always("DUNNO"), service.path))
        assert rcpt(client).startswith("250")
        assert again.requests
    server.wait_log("the policy service gives no answer")
    server.wait_log("the policy service answers again")


def test_a_slow_service_holds_up_no_other_client(daemon, played):
    service = played(lambda request: time.sleep(3) or b"action=DUNNO\n\n" if "slow" in request["recipient"]
                     else b"action=DUNNO\n\n")
    server = daemon({**configuration(service), "server": {"hostname": "mx.test.example", "workers": 1}})
    with server.client() as slow, server.client() as quick:
        for client in (slow, quick):
            client.command("EHLO client.example", 250)
        slow.send("MAIL FROM:<s@example.org>\r\nRCPT TO:<slow@example.org>\r\n")
        slow.expect(250)
        wait_until(lambda: service.requests, 20, "the slow request")
        begun = time.monotonic()
        for _ in range(20):
            assert rcpt(quick).startswith("250")
        assert time.monotonic() - begun < 2.5
        slow.expect(250)
    assert service.connections == 2
