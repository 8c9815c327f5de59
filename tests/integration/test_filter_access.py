# SPDX-License-Identifier: Apache-2.0
"""filter_access in the real daemon."""
import pytest

from support.admin import Admin
from support.daemon import run_cli
from support.hostile import H
from support.plugin_pages import check_examples, check_options
from support.smtp import Client, queued_id
from support.wait import wait_until


def configuration(rules, steps=("access", "spool"), **options):
    return {"plugin": {"access": {"use": "filter_access", "options": {"rules": rules, **options}}},
            "chain": {"default": {"steps": list(steps)}}}


def make_map(server, file, check=0):
    return server.cli("map", "--config", server.config_file, file, check=check)


def test_the_page_has_the_options_and_its_example_is_right(tmp_path):
    check_options("filter_access", "filter-access.md")
    base = tmp_path / "base.toml"
    base.write_text('[server]\nhostname = "x"\n[[listener]]\nname = "a"\naddress = "127.0.0.1:1"\nchain = "c"\n'
                    '[plugin.a]\nuse = "filter_access"\n[plugin.s]\nuse = "output_null"\n[chain.c]\nsteps = ["a", "s"]\n')
    (tmp_path / "blocked-clients").write_text("192.0.2.0/24\n")
    run_cli("map", "--config", base, tmp_path / "blocked-clients", check=0)
    check_examples("filter-access.md", tmp_path, {"blocked-senders": "spam.example\n"})


def test_a_client_is_refused_before_the_banner(daemon):
    server = daemon(configuration([{"verdict": "reject 554 5.7.1 Not from there", "client": ["127.0.0.2"]}]))
    with Client(server.address(), source="127.0.0.2") as client:
        assert client.reply() == "554 5.7.1 Not from there"
        client.expect_close()
    with server.client() as client:
        client.envelope()
        queued_id(client.data(H + b"x\r\n"))


def test_a_blocked_client_reaches_postmaster_and_nobody_else(daemon):
    server = daemon(configuration([{"verdict": "accept", "recipient": ["postmaster@*"]},
                                   {"verdict": "reject", "client": ["127.0.0.0/8"]}]))
    with server.client() as client:
        client.command("EHLO client.example", 250)
        client.command("MAIL FROM:<s@example.org>", 250)
        client.command("RCPT TO:<joe@example.com>", "550 5.7.1 Access denied")
        client.command("RCPT TO:<PostMaster@example.com>", 250)
        queued_id(client.data(H + b"x\r\n"))
    assert server.spool.only().json["recipients"] == ["<PostMaster@example.com>"]


def test_senders_by_both_spellings_of_a_domain(daemon):
    server = daemon(configuration([{"verdict": "tempfail 451 4.7.1 Later", "sender": ["bücher.example"]}]))
    with server.client() as client:
        client.command("EHLO client.example", 250)
        client.command("MAIL FROM:<a@XN--BCHER-KVA.example>", "451 4.7.1 Later")
        client.command("MAIL FROM:<a@BÜCHER.example> SMTPUTF8", "451 4.7.1 Later")
        client.command("MAIL FROM:<a@bucher.example>", 250)


def test_annotations_and_accept_are_the_messages(daemon):
    rules = [{"verdict": "annotate list=friends", "recipient": ["ann@example.org"]},
             {"verdict": "accept", "sender": ["*@vip.example"]}]
    server = daemon({**configuration(rules, steps=("access", "mark", "spool")),
                     "plugin": {"access": {"use": "filter_access", "options": {"rules": rules}},
                                "mark": {"use": "filter_headers", "options": {"add": {"X-Mark": "yes"}}}}})
    with server.client() as client:
        client.envelope(recipients=["ann@example.org", "joe@example.org"])
        queued_id(client.data(H + b"x\r\n"))
    message = server.spool.only()
    assert message.json["lsmtpd"]["annotations"] == {"access.list": "friends"}
    assert b"X-Mark: yes" in message.content
    message.path.unlink()
    with server.client() as client:
        client.envelope(sender="boss@vip.example")
        queued_id(client.data(H + b"x\r\n"))
    assert b"X-Mark" not in server.spool.only().content  # accept skips the filters behind


@pytest.mark.parametrize("mapped", [False, True], ids=["text", "mapped"])
def test_a_changed_file_counts_without_a_restart(daemon, tmp_path, mapped):
    senders = tmp_path / "senders"
    senders.write_text("a.example\n")
    name = f"{senders}.map" if mapped else str(senders)
    rules = [{"verdict": "reject", "sender_file": name}]
    server = daemon(configuration(rules, refresh="100ms"), started=False)
    if mapped:
        plain = daemon(configuration([]), started=False)
        make_map(plain, senders)
    server.start()

    def replies(sender):
        with server.client() as client:
            client.command("EHLO client.example", 250)
            client.send(f"MAIL FROM:<x@{sender}>\r\n")
            return client.reply()[:3]

    assert (replies("a.example"), replies("b.example")) == ("554", "250")
    new = tmp_path / "senders.new"
    new.write_text("b.example\n")
    new.rename(senders)
    if mapped:
        made = make_map(server, senders)
        assert "0 networks, 0 addresses, 1 names" in made.stdout
    wait_until(lambda: replies("b.example") == "554", 20, "the new list to count")
    assert replies("a.example") == "250"
    assert server.wait_log("read a changed list")["file"] == name
    # A version that is wrong leaves the old one in place.
    bad = tmp_path / "bad"
    bad.write_text("10.0.0.1/8\n" if not mapped else "lsmtpdAL and then nothing of use")
    bad.rename(name)
    failed = server.wait_log("cannot read a changed list, so the old one stays")
    assert ("line 1" in failed["error"]) or mapped
    assert replies("b.example") == "554"


def test_dry_run_refuses_nothing_and_says_and_counts_what_it_would_do(daemon):
    admin = Admin()
    server = daemon({**configuration([{"verdict": "reject 550 5.7.1 no", "client": ["127.0.0.0/8"]}], dry_run=True),
                     **admin.configuration()})
    with server.client() as client:
        client.envelope()
        queued_id(client.data(H + b"x\r\n"))
    server.wait_log("would refuse")
    would = server.log_lines("would refuse")
    assert len(would) == 1 and would[0]["rule"] == "rules[0]" and would[0]["peer"] == "127.0.0.1"
    counted = {labels: value for (name, labels), value in admin.attach(server).metrics()[0].items()
               if name == "lsmtpd_filter_decisions_total"}
    assert {dict(labels)["verdict"]: value for labels, value in counted.items()} == {
        "continue": 0, "accept": 0, "reject": 1, "tempfail": 0}
    assert {(dict(labels)["plugin"], dict(labels)["dry_run"]) for labels in counted} == {("access", "true")}


def test_check_names_the_line_of_a_list_and_the_column_of_a_rule(daemon, tmp_path):
    (tmp_path / "list").write_text("example.org\n*.*.example\n")
    server = daemon(configuration([{"verdict": "reject", "sender_file": str(tmp_path / "list")},
                                   {"verdict": "refuse"}]), started=False)
    said = run_cli("check", "--config", server.config_file, check=2).stderr
    assert "list: line 2: " in said and '"refuse" is no verdict' in said


def test_map_makes_the_list_that_the_configuration_misses(daemon, tmp_path):
    (tmp_path / "list").write_text("192.0.2.0/24 reject 554 5.7.1 no\n")
    server = daemon(configuration([{"verdict": "reject", "client_file": str(tmp_path / "list.map")}]), started=False)
    assert "list.map: No such file" in run_cli("check", "--config", server.config_file, check=2).stderr
    make_map(server, tmp_path / "list")
    run_cli("check", "--config", server.config_file, check=0)
    found = server.cli("map", "--config", server.config_file, "--look-up", "192.0.2.7", tmp_path / "list.map", check=0)
    assert found.stdout == "192.0.2.7: reject 554 5.7.1 no\n"
    (tmp_path / "list").write_text("10.0.0.1/8\n")
    assert "list: line 1: " in make_map(server, tmp_path / "list", check=1).stderr
