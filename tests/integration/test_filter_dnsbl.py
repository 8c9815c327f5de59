# SPDX-License-Identifier: Apache-2.0
"""filter_dnsbl in the real daemon, which asks Debian's rbldnsd."""
import signal
import socket
import time

import pytest

from support.daemon import run_cli
from support.hostile import H
from support.plugin_pages import check_examples, check_options
from support.rbldnsd import Rbldnsd
from support.smtp import Client, queued_id
from support.wait import free_ports

MAIL = H + b"x\r\n"
ADDRESSES = "$SOA 600 ns.test admin.test 0 60 60 60 60\n$NS 60 ns.test\n:127.0.0.4:Ask https://bl.test/$\n127.0.0.2\n127.0.0.9\n"
ZONES = {
    "bl.test": ("ip4set", ADDRESSES),
    "k3y.secret.test": ("ip4set", ADDRESSES.replace("https://bl.test/", "https://k3y.secret.test/")),
    "dom.test": ("dnset", ":127.0.1.2:\ntest\n.bad.example\n"),
    "ok.test": ("ip4set", ":127.0.0.2:\n127.0.0.2\n127.0.0.11\n"),
    "error.test": ("ip4set", "127.0.0.2 :127.0.0.2:\n127.0.0.9 :127.255.255.254:\n"),
    "expired.test": ("ip4set", ":127.0.0.2:\n127.0.0.0/24\n"),
    "v6.test": ("ip6trie", ":127.0.0.2:\n::ffff:7f00:2\n2001:db8::/32\n"),
}


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    server = Rbldnsd(tmp_path_factory.mktemp("rbldnsd") / "log", ZONES)
    yield server
    server.end()


def configuration(resolver, rows, **options):
    return {"server": {"resolvers": [resolver]},
            "plugin": {"dnsbl": {"use": "filter_dnsbl",
                                 "options": {"lists": rows, "skip_private": False, **options}}},
            "chain": {"default": {"steps": ["dnsbl", "spool"]}}}


def filtering(daemon, lists, *zones, rows=None, on=True, **options):
    """A daemon that asks these lists, once their test points are seen to be right."""
    rows = rows or [{"zone": zone} for zone in zones]
    server = daemon(configuration(lists.address, rows, **options))
    for row in rows if on else []:
        server.wait_log("the list is asked", list=row.get("name", row.get("zone")))
    return server


def rcpt(server, source, helo="client.example", sender="s@example.org"):
    with Client(server.address(), source=source) as client:
        client.expect("220")
        client.command(f"EHLO {helo}", 250)
        client.command(f"MAIL FROM:<{sender}>", 250)
        client.send("RCPT TO:<r@example.com>\r\n")
        return client.reply()


def test_the_page_has_the_options_and_its_examples_are_right(tmp_path):
    check_options("filter_dnsbl", "filter-dnsbl.md")
    check_examples("filter-dnsbl.md", tmp_path)


def test_a_listed_client_is_refused_and_another_is_not(daemon, lists):
    server = filtering(daemon, lists, "bl.test")
    assert rcpt(server, "127.0.0.9") == \
        "554 5.7.1 127.0.0.9 is listed by bl.test Ask https://bl.test/127.0.0.9"
    line = server.wait_log("the client is listed")
    assert (line["peer"], line["lists"], line["verdict"]) == ("127.0.0.9", "bl.test", "reject")
    with Client(server.address(), source="127.0.0.10") as client:
        client.expect("220")
        client.envelope()
        queued_id(client.data(MAIL))
    assert "annotations" not in server.spool.only().json.get("lsmtpd", {})


def test_helo_names_and_senders_are_asked_about(daemon, lists):
    rows = [{"zone": "dom.test", "by": "helo", "name": "helos"}, {"zone": "dom.test", "by": "sender", "name": "senders"}]
    server = filtering(daemon, lists, rows=rows, reply="{subject}: {list}")
    assert rcpt(server, "127.0.0.10", helo="mx.bad.example") == "554 5.7.1 mx.bad.example: helos"
    assert rcpt(server, "127.0.0.10", sender="x@bad.example") == "554 5.7.1 bad.example: senders"
    assert rcpt(server, "127.0.0.10").startswith("250")


def test_weights_make_a_score_that_the_message_has(daemon, lists):
    rows = [{"zone": "bl.test", "weight": 3}, {"zone": "ok.test", "kind": "allow", "weight": 2}]
    server = filtering(daemon, lists, rows=rows, reject_at=4, tempfail_at=3)
    assert rcpt(server, "127.0.0.9").startswith("450 4.7.1 ")
    with Client(server.address(), source="127.0.0.11") as client:
        client.expect("220")
        client.envelope()
        queued_id(client.data(MAIL))
    assert server.spool.only().json["lsmtpd"]["annotations"] == {"dnsbl.score": "-2", "dnsbl.lists": "ok.test"}


def test_an_error_of_the_list_refuses_nobody_and_is_said_once(daemon, lists):
    server = filtering(daemon, lists, "error.test")
    for _ in range(3):
        assert rcpt(server, "127.0.0.9").startswith("250")
    server.wait_log("the list answers with an error and is not asked for an hour")
    said = server.log_lines("the list answers with an error and is not asked for an hour")
    assert len(said) == 1 and said[0]["code"] == "127.255.255.254"


def test_a_list_that_lists_everybody_is_not_asked(daemon, lists):
    server = filtering(daemon, lists, "expired.test", on=False)
    said = server.wait_log("the list is not asked, as its test points are wrong")
    assert said["reason"] == "127.0.0.1 is listed"
    assert rcpt(server, "127.0.0.9").startswith("250")


def test_a_list_of_version_6_addresses(daemon, lists):
    server = filtering(daemon, lists, "v6.test")
    assert rcpt(server, "127.0.0.9").startswith("250")


def test_the_key_of_a_zone_is_seen_nowhere(daemon, lists, tmp_path):
    (tmp_path / "zone").write_text("k3y.secret.test\n")
    server = filtering(daemon, lists, rows=[{"zone_file": str(tmp_path / "zone"), "name": "secret"}])
    reply = rcpt(server, "127.0.0.9")
    assert reply == "554 5.7.1 127.0.0.9 is listed by secret Ask https://secret/127.0.0.9"
    printed = run_cli("check", "--print", "--config", server.config_file, check=0).stdout
    server.stop()
    assert "k3y" not in server.log.read_text() + printed + server.process.tail()


def test_a_resolver_that_dies_follows_on_error_within_the_timeout(daemon, tmp_path):
    own = Rbldnsd(tmp_path / "log", {"bl.test": ZONES["bl.test"]})
    try:
        servers = [filtering(daemon, own, "bl.test", timeout="1s"),
                   filtering(daemon, own, "bl.test", timeout="1s", on_error="tempfail")]
        own.process.signal(signal.SIGSTOP)
        start = time.monotonic()
        assert rcpt(servers[0], "127.0.0.21").startswith("250")
        assert rcpt(servers[1], "127.0.0.21") == "451 4.4.3 Cannot look your address up, try again later"
        assert time.monotonic() - start < 30  # c-ares alone would wait longer, and the plugin 10 s each
        own.process.kill()
        assert rcpt(servers[0], "127.0.0.22").startswith("250")
        assert rcpt(servers[1], "127.0.0.22").startswith("451 4.4.3")
    finally:
        own.end()


def test_nobody_answers_at_start_and_mail_goes_on(daemon):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", free_ports(1)[0]))
        server = daemon(configuration(f"127.0.0.1:{silent.getsockname()[1]}", [{"zone": "bl.test"}]))
        assert rcpt(server, "127.0.0.9").startswith("250")
        assert server.stop() == 0


def test_a_server_that_lies_is_believed_in_nothing(daemon):
    """Answers of octets at random, for other questions, with other ids."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar:
        liar.bind(("127.0.0.1", 0))
        liar.settimeout(0.2)
        port = liar.getsockname()[1]
        rows = [{"zone": "bl.test", "test": False}]
        server = daemon(configuration(f"127.0.0.1:{port}", rows, timeout="700ms"))
        with Client(server.address(), source="127.0.0.9") as client:
            client.expect("220")
            client.command("EHLO client.example", 250)
            client.command("MAIL FROM:<s@example.org>", 250)
            client.send("RCPT TO:<r@example.com>\r\n")
            asked, peer = liar.recvfrom(2000)
            listed = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\2"
            wrong_id = bytes([asked[0] ^ 1]) + asked[1:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + asked[12:] + listed
            other = asked[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + asked[12:].replace(b"bl", b"xl") + listed
            for lie in (b"", b"\xff" * 600, asked, asked[:2], wrong_id, other, asked[:2] + b"\x81\x80" + b"\xff" * 500):
                liar.sendto(lie, peer)
            assert client.reply().startswith("250")


def test_dry_run_refuses_nothing(daemon, lists):
    server = filtering(daemon, lists, "bl.test", dry_run=True)
    assert rcpt(server, "127.0.0.9").startswith("250")
    assert server.wait_log("would refuse")["lists"] == "bl.test"


def test_private_clients_are_not_looked_up_by_default(daemon, lists):
    server = filtering(daemon, lists, "bl.test", skip_private=True)
    assert rcpt(server, "127.0.0.9").startswith("250")


def test_check_names_the_column_of_a_wrong_list(daemon):
    server = daemon(configuration("127.0.0.1", [{"zone": "a b", "codes": ["192.0.2.1"]}, {}]), started=False)
    said = run_cli("check", "--config", server.config_file, check=2).stderr
    for part in ("is no domain", "is not in 127.0.0.0/8", "a list has either zone or zone_file"):
        assert part in said
