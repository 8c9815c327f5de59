# SPDX-License-Identifier: Apache-2.0
"""output_nats against nats-server: each byte arrives, streams that lose mail are refused, what is too large costs that
message only, and a server that is killed under load loses nothing and has nothing twice."""
import base64
import json

import pytest
from test_amqp_brokers import deliver, drained

from support import report
from support.daemon import merge, run_cli
from support.load import Ledger, Load, fingerprint
from support.matrix import LONG
from support.nats import NatsServer
from support.plugin_pages import check_examples, check_options
from support.relay import Relay
from support.smtp import queued_id
from support.spool import content_of
from support.wait import wait_until

MAIL = b"Subject: x\r\n\r\nhello\r\n"
SYNCED = {"assume_synced": True}


@pytest.fixture
def server(tmp_path, nats):  # `nats` skips where there is no server
    made = []

    def make(config="", **how):
        made.append(NatsServer(tmp_path / f"nats{len(made)}", config, **how).start())
        return made[-1]

    yield make
    for each in made:
        each.end()


def config(url, fallback=False, deadline="10s", **options):
    plugin = {"use": "output_nats", "deadline": deadline,
              "options": {"urls": [url], "stream": "MAIL", "subject": "mail.in", "reconnect_first": "100ms",
                          "reconnect_last": "500ms", **SYNCED, **options}}
    if fallback:
        plugin["fallback"] = "spool"
    return {"server": {"workers": 1}, "plugin": {"nats": plugin}, "chain": {"default": {"steps": ["nats"]}}}


def begin(daemon, settings):
    made = daemon(settings)
    made.wait_log("ready to publish", 30)
    return made


def one(made, content=MAIL, recipients=("r@example.org",)):
    with made.client() as client:
        client.command("EHLO client.example", 250)
        return deliver(client, content, recipients=recipients)


def turned_away(made):
    """Without a fallback nothing is taken at all."""
    with made.client() as client:
        client.command("EHLO client.example", 250)
        client.send("MAIL FROM:<s@example.org>\r\n")
        return client.reply().startswith("452 4.3.1")


def stored(server, stream="MAIL"):
    with server.client() as client:
        return client.messages(stream)


def make_stream(server, name="MAIL", subjects=("mail.>",), **settings):
    with server.client() as client:
        client.make(name, list(subjects), **settings)


def live(made):
    return run_cli("check", "--live", "--config", made.config_file, timeout=60)


def test_the_page_has_the_options_and_its_example_is_right(tmp_path):
    check_options("output_nats", "nats.md")
    check_examples("nats.md", tmp_path, {"nats.password": "secret\n"})


@pytest.mark.parametrize("format", ["json", "raw"])
def test_each_byte_arrives(daemon, server, format):
    running = server()
    make_stream(running)
    contents = [b"", b"\r\n.\r\n..\r\n" * 100, b"\r\n" + bytes(b for b in range(256) if b not in b"\r\n") * 2000 + b"\r\n",
                b"Subject: x\r\n\r\n" + b"Gr\xfc\xc3\xbc\xe2\x82\r\n" * 200_000]
    made = begin(daemon, config(running.url, format=format))
    with made.client() as client:
        client.command("EHLO client.example", 250)
        ids = [queued_id(deliver(client, content)) for content in contents]
    found = stored(running)
    assert {each.subject for each in found} == {"mail.in"}
    got = {each.headers["lsmtpd_id"]: content_of(json.loads(each.body)) if format == "json" else each.body for each in found}
    assert got == dict(zip(ids, contents))
    headers = found[0].headers
    assert headers["Nats-Msg-Id"] == ids[0] and headers["Nats-Expected-Stream"] == "MAIL"
    assert headers["smtp_mail_from"] == "s@example.org" and headers["smtp_rcpt_to"] == "r@example.org"


REFUSED = [
    ("storage memory", {"storage": "memory"}, 'its storage is "memory"'),
    ("no_ack", {"no_ack": True}, "it has no_ack"),
    ("interest", {"retention": "interest"}, "its retention is interest"),
    ("max_msgs", {"discard": "old", "max_msgs": 100}, "discard old and max_msgs"),
    ("max_bytes", {"discard": "old", "max_bytes": 1 << 20}, "discard old and max_bytes"),
    ("by subject", {"max_msgs_per_subject": 1}, "max_msgs_per_subject"),
    ("subjects", {"subjects": ("other.>",)}, "subject mail.in is none of its subjects (other.>)"),
]


@pytest.mark.parametrize("settings, why", [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_a_stream_that_loses_what_it_acknowledged_is_refused(daemon, server, settings, why):
    running = server()
    make_stream(running, **settings)
    made = daemon(config(running.url, allow_lossy_target=True))
    line = made.wait_log("the target was refused", 30, level="error")
    assert why in line["why"]
    assert turned_away(made)
    assert stored(running) == []


def test_a_stream_that_is_not_synced_needs_to_be_allowed(daemon, server):
    running = server()
    make_stream(running, max_age=7 * 86400 * 10**9)
    refused = daemon(config(running.url, assume_synced=False))
    assert "a power cut loses mail" in refused.wait_log("the target was refused", 30)["why"]
    assert turned_away(refused)
    allowed = begin(daemon, config(running.url, assume_synced=False, allow_lossy_target=True))
    assert "drops mail after 7 days" in allowed.wait_log("the target may lose mail")["why"]
    assert one(allowed).startswith("250")
    assert len(stored(running)) == 1


def test_a_stream_that_is_missing_is_used_once_it_is_there(daemon, server):
    running = server()
    made = daemon(config(running.url))
    assert "stream not found" in made.wait_log("the target was refused", 30)["why"]
    assert turned_away(made)
    make_stream(running)
    made.wait_log("ready to publish", 30)
    assert one(made).startswith("250")
    with running.client() as client:
        client.delete("MAIL")
    assert one(made).startswith("451 4.3.0"), "503: no responders"
    wait_until(lambda: turned_away(made), 20, "the output to know it")
    make_stream(running)
    wait_until(lambda: not turned_away(made), 20, "the stream to be used again")
    assert one(made).startswith("250")
    for line in ("connection to the broker lost", "the broker has not answered within the deadline"):
        assert made.log_lines(line) == [], "the server says at once that there is no stream"


def test_a_stream_that_becomes_unfit_is_found_out(daemon, server):
    running = server()
    make_stream(running)
    made = begin(daemon, config(running.url, check_interval="1s"))
    assert one(made).startswith("250")
    with running.client() as client:
        client.change("MAIL", discard="old", max_msgs=100)
    assert "discard old and max_msgs" in made.wait_log("the target was refused", 30)["why"]
    assert turned_away(made)


def test_another_stream_has_the_subject(daemon, server):
    running = server()
    make_stream(running, subjects=("elsewhere",))
    make_stream(running, "OTHER")
    made = begin(daemon, config(running.url, subject="mail.{rcpt_domain}"))
    assert one(made).startswith("451 4.3.0")
    assert stored(running) == stored(running, "OTHER") == []


def sizes(server):
    """The octets of headers and body of the last message."""
    with server.client() as client:
        message = client.request("$JS.API.STREAM.MSG.GET.MAIL", last_by_subj="mail.in")["message"]
    return len(base64.b64decode(message["hdrs"])), len(base64.b64decode(message["data"]))


@pytest.mark.parametrize("limit", ["max_payload", "max_msg_size"])
def test_to_the_octet_a_message_is_taken_or_costs_itself_only(daemon, server, limit):
    """In JSON, whose size SIZE cannot tell before: a line end has two octets, and four there."""
    most = 65536
    running = server(max_payload=most if limit == "max_payload" else "8MB")
    make_stream(running, **({"max_msg_size": most} if limit == "max_msg_size" else {}))
    made = begin(daemon, config(running.url))
    assert one(made).startswith("250")
    head, body = sizes(running)
    ends = most // 5
    content = MAIL + b"\r\n" * ends
    room = most - head - (body + 4 * ends)
    lines, rest = divmod(room, 104)
    content += (b"y" * 100 + b"\r\n") * (lines - 1) + b"z" * (100 + rest) + b"\r\n"
    assert one(made, content).startswith("250")
    assert sum(sizes(running)) == most
    assert one(made, content[:-2] + b"z\r\n") == "552 5.3.4 Message too large for the message broker"
    assert one(made).startswith("250")
    assert made.log_lines("connection to the broker lost") == []
    assert len(stored(running)) == 3
    with made.client() as client:
        client.send("EHLO client.example\r\n")
        (size,) = [int(line[9:]) for line in client.reply_lines() if line[4:].startswith("SIZE ")]
        assert most // 2 < size < most


def test_a_stream_that_is_full_is_a_tempfail(daemon, server):
    running = server()
    make_stream(running, max_msgs=2)
    made = begin(daemon, config(running.url))
    assert [one(made)[:9] for _ in range(3)] == ["250 2.0.0", "250 2.0.0", "452 4.3.1"]
    assert len(stored(running)) == 2


def test_recipients_get_messages_of_their_own_by_subject(daemon, server):
    running = server()
    make_stream(running)
    made = begin(daemon, config(running.url, subject="mail.{rcpt_domain}.{rcpt_local}"))
    assert one(made, recipients=("a@example.org", "b@example.net", "c*@example.org")).startswith("250")
    assert sorted(each.subject for each in stored(running)) == [
        "mail.example.net.b", "mail.example.org.a", "mail.example.org.c%2A"]
    ids = [each.headers["Nats-Msg-Id"] for each in stored(running)]
    assert len(set(ids)) == 3
    with made.client() as client:
        client.command("EHLO client.example", 250)
        client.command("MAIL FROM:<s@example.org>", 250)
        client.command('RCPT TO:<"a..b"@example.org>', "550 5.1.3")
        client.command("RCPT TO:<a.b@example.org>", 250)


def test_live_checks_say_what_a_250_rests_on(daemon, server):
    running = server()
    make_stream(running)
    good = live(daemon(config(running.url), started=False))
    assert good.returncode == 0, good.stdout + good.stderr
    assert "file storage, 1 replica" in good.stdout and "assume_synced" in good.stdout
    lossy = live(daemon(config(running.url, assume_synced=False, allow_lossy_target=True), started=False))
    assert lossy.returncode == 0 and "a power cut loses mail" in lossy.stdout
    missing = live(daemon(config(running.url, stream="NONE"), started=False))
    assert missing.returncode == 15 and "stream not found" in missing.stdout + missing.stderr
    assert stored(running) == []
    running.kill()
    assert live(daemon(config(running.url), started=False)).returncode == 11


def test_a_message_that_comes_again_is_stored_once(daemon, server):
    """The acknowledgement is lost with the connection: replay sends the copy again, under its id."""
    running = server()
    make_stream(running)
    relay = Relay("127.0.0.1", running.port)
    try:
        made = begin(daemon, config(relay.url.replace("amqp", "nats"), fallback=True, deadline="1s"))
        assert one(made).startswith("250")
        running.pause()
        identity = queued_id(one(made))
        made.wait_log("the broker has not answered within the deadline")  # so it was sent
        relay.cut()
        running.resume()
        wait_until(lambda: len(stored(running)) == 2, 20, "the server to store it")
        relay.mend()
        drained(made)
        assert [each.headers["Nats-Msg-Id"] for each in stored(running)][1:] == [identity]
        wait_until(lambda: "it was there already" in made.log.read_text(), 20, "the log to tell it")
    finally:
        relay.close()


def test_kill_9_of_the_server_under_load_loses_nothing(daemon, server, record_property):
    """The ledger: what was accepted and what was lost; by its id nothing is there twice."""
    running = server()
    make_stream(running)
    made = begin(daemon, config(running.url, fallback=True, format="raw", deadline="5s"))
    ledger = Ledger()
    load = Load(made.address(), ledger, threads=6, sizes=(200, 4096, 30_000, 300_000), pace=0.02)
    try:
        for _ in range(10 if LONG else 2):
            load.wait_accepted(1000 if LONG else 100)
            running.kill()
            load.wait_accepted(30)  # the fallback takes it
            running.start()
        load.wait_accepted(100)
    finally:
        load.stop()
    drained(made, 120)
    found = stored(running)
    compared = ledger.check([each.body for each in found], duplicates_allowed=False)
    figures = {"accepted": len(ledger.accepted), "lost": len(compared.lost), "stored": len(found),
               "twice": len(compared.twice)}
    record_property("ledger", json.dumps(figures))
    print(figures)
    assert len({each.headers["Nats-Msg-Id"] for each in found}) == len(found)


def test_live_check_of_a_cluster_tells_its_replicas(daemon, nats_cluster):
    nats_cluster.make("REPLICAS")
    done = live(daemon(of_cluster(nats_cluster, "REPLICAS"), started=False))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 replicas" in done.stdout


def of_cluster(cluster, stream):
    made = config(cluster.urls[0], fallback=True, format="raw", deadline="5s", urls=cluster.urls, stream=stream, subject=stream)
    return merge(made, {"server": {"workers": 2}})


def test_kills_of_the_streams_leader_lose_nothing_of_fifty_thousand(daemon, nats_cluster):
    """Each leader in turn, while the other two take mail; and once two of three, so that none does."""
    stream = "LEADERS"
    nats_cluster.make(stream)
    made = begin(daemon, of_cluster(nats_cluster, stream))
    ledger, kills = Ledger(), 0
    load = Load(made.address(), ledger, threads=8, sizes=(200, 1024, 4096))
    try:
        while kills < 6 or ledger.count(2) < 50_000:
            load.wait_accepted(4000, 300)
            kills += 1
            first = nats_cluster.leader(stream)
            others = [name for name in nats_cluster.nodes if name != first]
            nats_cluster.nodes[first].kill()
            if kills == 3:
                nats_cluster.nodes[others[0]].kill()
            load.wait_accepted(1000, 300)
            nats_cluster.start()
    finally:
        load.stop()
    drained(made, 300)
    with nats_cluster.client() as client:
        found = ledger.check([fingerprint(each.body) for each in client.messages(stream)], duplicates_allowed=False)
    report.record("kill -9 of the leader", "nats_cluster", ledger, found, kills=kills)
