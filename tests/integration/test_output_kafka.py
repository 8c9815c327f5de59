# SPDX-License-Identifier: Apache-2.0
"""output_kafka against Apache Kafka: each byte arrives, topics that are missing, compacted or lossy are refused, keys go to
their partitions, a killed node loses nothing, SASL and TLS."""
import collections
import json

import confluent_kafka
import pytest
from test_amqp_brokers import deliver, drained

from support import report
from support.daemon import merge, run_cli
from support.kafka import headers_of
from support.load import Ledger, Load, fingerprint, number_of
from support.matrix import LONG
from support.plugin_pages import check_examples, check_options
from support.relay import Relay
from support.smtp import queued_id, stuff
from support.spool import content_of
from support.wait import wait_until

MAIL = b"Subject: x\r\n\r\nhello\r\n"


@pytest.fixture
def node(kafka):
    return kafka.start()


@pytest.fixture
def topic(node, request):
    name = request.node.name.replace("[", "-").strip("]")[:100]
    node.create_topic(name)
    yield name
    node.start()
    node.delete_topic(name)


@pytest.fixture
def reader(node, topic):
    made = node.reader(topic)
    yield made
    made.close()


def config(node, topic, fallback=False, deadline="10s", **changes):
    options = {"brokers": [node.url], "topic": topic, "allow_lossy_target": True, "reconnect_first": "100ms",
               "reconnect_last": "500ms", **changes}
    plugin = {"use": "output_kafka", "deadline": deadline, "options": options}
    if fallback:
        plugin["fallback"] = "spool"
    return {"server": {"workers": 1}, "plugin": {"broker": plugin}, "chain": {"default": {"steps": ["broker"]}}}


def start(daemon, node, topic, **changes):
    made = daemon(config(node, topic, **changes))
    made.wait_log("ready to publish", 30)
    return made


def one(made, content=MAIL, recipients=("r@example.org",)):
    with made.client() as client:
        client.command("EHLO client.example", 250)
        return deliver(client, content, recipients=recipients)


def attempt(made, content=MAIL):
    """The reply to the content, or to what was refused before it."""
    with made.client() as client:
        client.command("EHLO client.example", 250)
        for line in ("MAIL FROM:<s@example.org>", "RCPT TO:<r@example.org>", "DATA"):
            client.send(line.encode() + b"\r\n")
            reply = client.reply()
            if reply[0] not in "23":
                return reply
        client.send(stuff(content))
        return client.reply()


def live(made):
    return run_cli("check", "--live", "--config", made.config_file, timeout=60)


def refused(daemon, node, topic, **changes):
    """Why the topic is refused; no mail is taken meanwhile."""
    made = daemon(config(node, topic, **changes))
    line = made.wait_log("the target was refused", 30)
    assert line["level"] == "error" and line["address"] == f"topic {topic}"
    with made.client() as client:
        client.command("EHLO client.example", 250)
        client.command("MAIL FROM:<s@example.org>", "452 4.3.1")
    return made, line["why"]


def test_the_page_has_the_options_and_its_example_is_right(tmp_path):
    check_options("output_kafka", "kafka.md")
    check_examples("kafka.md", tmp_path, {"kafka.password": "secret\n"})


@pytest.mark.parametrize("format", ["json", "raw"])
def test_each_byte_arrives(daemon, node, topic, reader, format):
    contents = [b"", b"\r\n.\r\n..\r\n" * 100, b"\r\n" + bytes(b for b in range(256) if b not in b"\r\n") * 300 + b"\r\n",
                b"Subject: x\r\n\r\n" + b"Gr\xfc\xc3\xbc\xe2\x82\r\n" * 20_000]
    made = start(daemon, node, topic, format=format)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        ids = [queued_id(deliver(client, content)) for content in contents]
    records = reader.take(len(contents))
    got = {headers_of(each)["message_id"]: content_of(json.loads(each.value())) if format == "json" else each.value()
           for each in records}
    assert got == dict(zip(ids, contents))
    headers = headers_of(records[0])
    assert headers["content_type"] == ("application/json" if format == "json" else "message/rfc822")
    assert headers["copy_id"] == headers["message_id"]
    assert headers["smtp_mail_from"] == "s@example.org" and headers["smtp_rcpt_to"] == "r@example.org"
    assert headers["smtp_rcpt_count"] == "1" and headers["smtp_client_ip"] == "127.0.0.1"
    assert records[0].key() is None


def test_a_missing_topic_is_named_and_not_made(daemon, node):
    made, why = refused(daemon, node, "not-there")
    assert why == "topic not-there does not exist: create it"
    assert live(made).returncode == 15
    assert "not-there" not in node.topics(), "the node makes topics, and was asked to"
    node.create_topic("not-there")
    made.wait_log("ready to publish", 30)
    assert one(made).startswith("250")
    made.wait_log("the target is no longer refused")


def test_a_compacted_topic_is_always_refused(daemon, node):
    node.create_topic("compacted", cleanup_policy="compact,delete")
    _, why = refused(daemon, node, "compacted")
    assert why.startswith("cleanup.policy is compact,delete: compaction removes mail")


def test_a_topic_of_one_replica_is_refused_unless_it_is_allowed(daemon, node, topic):
    made, why = refused(daemon, node, topic, allow_lossy_target=False)
    assert why == ("replication factor 1 is below 3, min.insync.replicas 1 is below 2; allow_lossy_target allows it")
    done = live(made)
    assert done.returncode == 15 and why in done.stdout + done.stderr
    allowed = start(daemon, node, topic)
    assert "replication factor 1" in allowed.wait_log("the target may lose mail")["why"]
    done = live(allowed)
    assert done.returncode == 0, done.stdout + done.stderr
    for fact in ("1 replica,", "min.insync.replicas 1", "unclean.leader.election.enable false", "a 250 rests on"):
        assert fact in done.stdout
    assert "0" == str(node.reader(topic).waiting()), "a check made a record"


def test_the_limit_of_the_topic_is_announced_and_an_octet_more_is_552(daemon, node):
    node.create_topic("sized", partitions=1, max_message_bytes=200_000)
    reader = node.reader("sized")
    made = start(daemon, node, "sized", format="raw")
    largest = 200_000 - 4096 - 2 * 4096  # less the headers
    with made.client() as client:
        client.send("EHLO client.example\r\n")
        words = dict(line[4:].partition(" ")[::2] for line in client.reply_lines())
        assert int(words["SIZE"]) == largest
        content = MAIL + b"x" * (largest - len(MAIL) - 2) + b"\r\n"
        assert deliver(client, content).startswith("250")
        assert deliver(client, b"x" + content).startswith("552 5.3.4")
    assert [each.value() for each in reader.take(1)] == [content]
    reader.close()


def test_json_that_is_larger_than_the_topic_takes_is_552(daemon, node):
    node.create_topic("sized-json", partitions=1, max_message_bytes=200_000)
    made = start(daemon, node, "sized-json")
    assert one(made, b"\r\n" * 60_000).startswith("552 5.3.4"), "twice as long in JSON"
    assert not made.log_lines("the target was refused")
    assert one(made).startswith("250")


def test_small_messages_go_into_a_topic_of_small_batches(daemon, node):
    """A batch above max.message.bytes is refused with all that is in it."""
    node.create_topic("small", partitions=1, max_message_bytes=8000)
    made = start(daemon, node, "small", format="raw")
    ledger = Ledger()
    load = Load(made.address(), ledger, threads=16, sizes=(1000, 2000))
    try:
        load.wait_accepted(500)
    finally:
        load.stop()
    assert len(ledger.accepted) == len(ledger.entries), "something was refused"


def test_a_limit_that_is_lowered_is_followed(daemon, node):
    node.create_topic("lowered", partitions=1)
    made = start(daemon, node, "lowered", format="raw")
    large = MAIL + b"x" * 60_000 + b"\r\n"
    assert one(made, large).startswith("250")
    node.configure("lowered", max_message_bytes=20_000)
    assert attempt(made, large).startswith(("451", "552")), "the node refused it"
    made.wait_log("giving the producer up", 20)  # its batches were larger
    wait_until(lambda: attempt(made, large).startswith("552 5.3.4"), 30, "the new limit to be known")
    wait_until(lambda: attempt(made).startswith("250"), 30, "small messages to be taken")


def test_keys_decide_the_partition(daemon, node):
    node.create_topic("keyed", partitions=8)
    reader = node.reader("keyed")
    made = start(daemon, node, "keyed", key="{rcpt}")
    people = [f"p{number}@example.org" for number in range(12)]
    with made.client() as client:
        client.command("EHLO client.example", 250)
        for _ in range(3):
            assert deliver(client, MAIL, recipients=people).startswith("250")
    places = collections.defaultdict(set)
    records = reader.take(3 * len(people))
    for record in records:
        assert headers_of(record)["smtp_rcpt_to"] == record.key().decode().replace("%40", "@")
        places[record.key()].add(record.partition())
    assert len(places) == len(people)
    assert all(len(each) == 1 for each in places.values()), "a key is in two partitions"
    assert len({tuple(each) for each in places.values()}) > 2
    assert len({headers_of(each)["copy_id"] for each in records}) == len(records)
    reader.close()


def test_topics_by_domain_are_looked_at_one_by_one(daemon, node):
    node.create_topic("in-one.example")
    made = daemon(config(node, "in-{rcpt_domain}", fallback=True))
    made.wait_log("connected to the broker", 30)
    assert one(made, recipients=("a@one.example",)).startswith("250")
    assert len(made.spool) == 0
    assert one(made, recipients=("b@two.example",)).startswith("250"), "the fallback takes it"
    assert "in-two.example does not exist" in made.wait_log("the target was refused")["why"]
    node.create_topic("in-two.example")
    drained(made)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        client.command("MAIL FROM:<s@example.org>", 250)
        client.command("RCPT TO:<x@[127.0.0.1]>", "550 5.1.3")


# Before 2.6.1 its SCRAM is refused by this broker, and `check` says so.
SCRAM = confluent_kafka.libversion()[1] >= 0x020601ff


def test_scram_that_the_brokers_will_refuse_is_warned_of(daemon, node):
    made = daemon(config(node, "mail", username="lsmtpd", password="x", sasl="SCRAM-SHA-256"), started=False)
    said = run_cli("check", "--config", made.config_file, check=0).stderr
    assert ("refuses SCRAM of librdkafka before 2.6.1" in said) is not SCRAM


@pytest.mark.parametrize("sasl", ["PLAIN", *(["SCRAM-SHA-256"] if SCRAM else [])])
def test_a_login_from_a_password_file(daemon, node, topic, reader, tmp_path, sasl):
    relay = Relay(node.host, node.login_port, node.relay_port)
    try:
        file = tmp_path / "password"
        file.write_text("wrong\n")
        file.chmod(0o600)
        made = daemon(config(node, topic, brokers=["{}:{}".format(*relay.address)], username=node.user, sasl=sasl,
                             password_file=str(file)))
        assert made.wait_log("broker not reached", 30)["step"] == "sasl"
        assert live(made).returncode == 13
        file.write_text(node.password + "\n")
        made.wait_log("ready to publish", 30)  # the file was read again
        assert one(made).startswith("250")
        assert len(reader.take(1)) == 1
    finally:
        relay.close()


def test_tls_with_a_client_certificate(daemon, node, topic, authority):
    certificate, key, _ = authority.issue("lsmtpd", "lsmtpd")
    tls = {"tls": True, "brokers": [node.tls_url], "tls_ca": str(authority.ca), "tls_certificate": str(certificate),
           "tls_key": str(key)}
    made = start(daemon, node, topic, **tls)
    assert one(made).startswith("250")
    done = live(made)
    assert done.returncode == 0 and "the certificate of the broker was verified" in done.stdout
    wrong = daemon(config(node, topic, **{**tls, "tls_ca": str(certificate)}))
    assert wrong.wait_log("broker not reached", 30)["step"] == "tls"
    assert live(wrong).returncode == 12
    assert attempt(wrong).startswith("452 4.3.1"), "nothing is taken"


def test_live_checks_name_the_step_that_failed(daemon, node, topic):
    assert live(daemon(config(node, topic, brokers=["127.0.0.1:1"]), started=False)).returncode == 11
    assert live(daemon(config(node, topic, brokers=["nowhere.invalid"]), started=False)).returncode == 10


def test_kill_9_of_the_node_under_load_loses_nothing(daemon, node, topic, reader, record_property):
    """The ledger: what was accepted, what was lost, what came more than once (by its copy_id)."""
    made = daemon(merge(config(node, topic, fallback=True, format="raw", deadline="4s"), {"server": {"workers": 2}}))
    made.wait_log("ready to publish", 30)
    ledger = Ledger()
    load = Load(made.address(), ledger, threads=8, sizes=(200, 4096, 30_000, 300_000), pace=0.01)
    try:
        for _ in range(10 if LONG else 1):
            load.wait_accepted(2000 if LONG else 200, 120)
            node.kill()
            load.wait_accepted(100)  # the fallback takes it
            node.start()
        load.wait_accepted(200, 120)
    finally:
        load.stop()
    drained(made, 300)
    records = reader.take(reader.waiting(), 300)
    copies = collections.Counter(headers_of(each)["copy_id"] for each in records)
    found = ledger.compare([each.value() for each in records])
    figures = {"accepted": len(ledger.accepted), "lost": len(found.lost), "records": len(records),
               "again": sum(times - 1 for times in copies.values())}
    record_property("ledger", json.dumps(figures))
    print(figures)
    ledger.check(found, duplicates_allowed=True)
    assert len({number_of(each.value()) for each in records}) == len(copies), "a message came with two copy ids"


def test_kill_9_of_the_daemon_under_load_loses_nothing(daemon, node, topic, reader):
    made = start(daemon, node, topic, format="raw")
    ledger = Ledger()
    load = Load(made.address(), ledger, threads=8, sizes=(200, 4096, 30_000), pace=0.005)
    try:
        load.wait_accepted(300)
        made.kill()
    finally:
        load.stop()
    found = ledger.compare([each.value() for each in reader.take(reader.waiting())])
    ledger.check(found)
    print({"accepted": len(ledger.accepted), "unanswered and stored": len(set(found.seen) & ledger.unanswered)})


def of_cluster(cluster, topic, **changes):
    """Nothing is allowed that may lose a message."""
    made = config(cluster, topic, fallback=True, format="raw", deadline="5s", brokers=cluster.urls, **changes)
    del made["plugin"]["broker"]["options"]["allow_lossy_target"]
    return merge(made, {"server": {"workers": 2}})


def test_three_replicas_of_which_two_must_have_it_are_no_lossy_target(daemon, kafka_cluster):
    kafka_cluster.create_topic("two-of-three", min_insync_replicas=2)
    kafka_cluster.create_topic("one-of-three")
    done = live(daemon(of_cluster(kafka_cluster, "two-of-three"), started=False))
    assert done.returncode == 0, done.stdout + done.stderr
    refused = live(daemon(of_cluster(kafka_cluster, "one-of-three"), started=False))
    assert refused.returncode == 15, refused.stdout + refused.stderr
    assert "min.insync.replicas" in refused.stdout + refused.stderr


def test_kills_of_the_leader_lose_nothing_of_fifty_thousand(daemon, kafka_cluster):
    """Each leader in turn, while the other two take mail; and once two of three, so that none does."""
    topic = "leaders"
    kafka_cluster.create_topic(topic, partitions=3, min_insync_replicas=2)
    made = daemon(of_cluster(kafka_cluster, topic))
    made.wait_log("ready to publish", 30)
    ledger, kills = Ledger(), 0
    load = Load(made.address(), ledger, threads=8, sizes=(200, 1024, 4096))
    try:
        while ledger.count(2) < 50_000:
            load.wait_accepted(4000, 300)
            kills += 1
            first = kafka_cluster.leader(topic)
            kafka_cluster.node(first).kill()
            if kills == 4:
                kafka_cluster.node(first % 3 + 1).kill()
            load.wait_accepted(1000, 300)
            kafka_cluster.start()
    finally:
        load.stop()
    drained(made, 300)
    reader = kafka_cluster.reader(topic)
    found = ledger.check([fingerprint(each.value()) for each in reader.take(reader.waiting(), 300)], duplicates_allowed=True)
    reader.close()
    report.record("kill -9 of the leader", "kafka_cluster", ledger, found, kills=kills)
