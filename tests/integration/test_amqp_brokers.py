# SPDX-License-Identifier: Apache-2.0
"""output_amqp against each broker: nothing acknowledged is lost, each byte arrives, and a fault of a broker is
reported."""
import json
import re
import time

import pytest

from support import mails
from support.load import Ledger, Load
from support.mails import as_sent
from support.smtp import stuff
from support.spool import content_of
from support.wait import wait_until

QUEUE = "mail"


def address(broker, queue=QUEUE):
    """How output_amqp names a queue there; on RabbitMQ 3 the tests' own /amq/queue/ form drops."""
    return f"/queue/{queue}" if broker.name == "rabbitmq3" else broker.target(queue)


def options(broker, queue=QUEUE, **changes):
    plain = {"urls": broker.urls, "address": address(broker, queue), "username": broker.user,
             "password": broker.password, "reconnect_last": "1s", **changes}
    return {key: value for key, value in plain.items() if value is not None}


def config(broker, queue=QUEUE, fallback=True, deadline="10s", **changes):
    plugin = {"use": "output_amqp", "deadline": deadline, "options": options(broker, queue, **changes)}
    if fallback:
        plugin["fallback"] = "spool"
    return {"plugin": {"broker": plugin}, "chain": {"default": {"steps": ["broker"]}}}


def start(daemon, broker, queue, **changes):
    made = daemon(config(broker, queue, **changes))
    made.wait_log("attached to the target", 30)
    return made


def deliver(client, content, sender="s@example.org", recipients=("r@example.org",)):
    client.command(f"MAIL FROM:<{sender}>", 250)
    for each in recipients:
        client.command(f"RCPT TO:<{each}>", 250)
    client.command("DATA", 354)
    client.send(stuff(content))
    return client.reply()


def body(message):
    return bytes(message.body)


@pytest.mark.parametrize("format", ["json", "rfc822"])
def test_each_byte_arrives(daemon, broker, queue, format):
    made = start(daemon, broker, queue, format=format)
    chosen = [(name, data) for name, data in mails.generated() if len(data) < 8_000_000]
    chosen += [(name, as_sent(data)) for name, data in mails.collection() if not mails.has_bare(data)]
    with made.client() as client:
        client.command("EHLO client.example", 250)
        for name, data in chosen:
            reply = deliver(client, data)
            assert reply.startswith("250"), f"{name}: {reply}"
    got = broker.receive(queue, len(chosen), 60)
    contents = [content_of(json.loads(body(m))) if format == "json" else body(m) for m in got]
    assert sorted(contents) == sorted(data for _, data in chosen)
    assert all(message.durable for message in got)
    kinds = {"json": "application/json", "rfc822": "message/rfc822"}
    assert {str(message.content_type) for message in got} == {kinds[format]}


def test_the_fields_of_the_options_reach_the_consumer(daemon, broker, queue):
    made = start(daemon, broker, queue, subject="from {sender_domain}", group_id="{rcpt_domain}", priority=7,
                 expiration="1h", message_annotations={"x-opt-partition-key": "{rcpt_domain}"})
    with made.client() as client:
        client.command("EHLO client.example", 250)
        assert deliver(client, b"Subject: x\r\n\r\nhello\r\n").startswith("250")
    message, = broker.receive(queue, 1, 30)
    seen = (message.durable, message.priority, message.subject, message.group_id)
    assert seen == (True, 7, "from example.org", "example.org")
    assert 0 < message.ttl <= 3600 or message.expiry_time
    assert message.annotations["x-opt-partition-key"] == "example.org"


def test_the_envelope_is_in_the_properties(daemon, broker, queue):
    made = start(daemon, broker, queue)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        reply = deliver(client, b"Subject: x\r\n\r\nhello\r\n", recipients=("a@example.org", "b@example.org"))
    identity = reply.split()[-1]
    message, = broker.receive(queue, 1)
    assert str(message.id) == identity
    properties = message.properties
    assert properties["smtp_mail_from"] == "s@example.org"
    assert properties["smtp_rcpt_to"] == "a@example.org,b@example.org"
    assert properties["smtp_rcpt_count"] == 2
    assert properties["smtp_helo"] == "client.example"
    assert properties["smtp_client_ip"] == "127.0.0.1"
    if "_AMQ_DUPL_ID" in properties:  # Artemis takes it for itself
        assert properties["_AMQ_DUPL_ID"] == identity
    record = json.loads(body(message))
    assert record["message_id"] == identity
    assert record["recipients"] == ["<a@example.org>", "<b@example.org>"]
    assert record["client_address"] == "client.example"


def test_ten_thousand_messages_arrive_once(daemon, broker, queue):
    made = start(daemon, broker, queue, format="rfc822", fallback=False)
    ledger = Ledger()
    load = Load(made.address(), ledger, threads=8, sizes=(200, 1024, 4096))
    try:
        load.wait_accepted(10_000, 180)
    finally:
        load.stop()
    assert len(ledger.accepted) == len(ledger.entries), "something was refused"
    got = broker.receive(queue, len(ledger.accepted), 120)
    ledger.check([body(message) for message in got])


def drained(made, seconds=60):
    wait_until(lambda: len(made.spool) == 0, seconds, "the spool to be replayed into the broker")


def test_kill_9_of_the_broker_under_load_loses_nothing(daemon, broker, queue):
    made = start(daemon, broker, queue, format="rfc822", deadline="5s")
    ledger = Ledger()
    load = Load(made.address(), ledger, threads=6, sizes=(200, 4096, 30_000), pace=0.02)
    try:
        for _ in range(3):
            load.wait_accepted(500)
            broker.kill()
            load.wait_accepted(200)  # the fallback takes it
            broker.start()
            made.wait_log("attached to the target", 60)
        load.wait_accepted(500)
    finally:
        load.stop()
    drained(made, 300)
    wanted = set(ledger.accepted)
    got = receive_all(broker, queue, wanted)
    # Sent, killed before the outcome, sent again: only a broker that detects duplicates makes that one.
    ledger.check([body(message) for message in got], duplicates_allowed=not broker.detects_duplicates)


def receive_all(broker, queue, wanted, seconds=300):
    """Everything in the queue, once each of these numbers has come."""
    left = set(wanted)
    looked = 0

    def enough(messages):
        nonlocal looked
        for message in messages[looked:]:
            left.discard(int(re.search(rb"^X-Number: (\d+)\r$", body(message), re.M).group(1)))
        looked = len(messages)
        return not left

    got = broker.receive(queue, None, seconds, enough=enough) if left else []
    assert not left, f"{len(left)} of {len(wanted)} never came: {sorted(left)[:20]}"
    return got + broker.receive(queue, None, 2)


def test_a_stopped_broker_means_the_fallback_in_bounded_time(daemon, broker, queue):
    made = start(daemon, broker, queue, format="rfc822", deadline="2s")
    numbers = iter(range(1, 1000))
    took = []

    def one():
        number = next(numbers)
        with made.client() as client:
            client.command("EHLO client.example", 250)
            begin = time.monotonic()
            reply = deliver(client, b"X-Number: %d\r\n\r\nx\r\n" % number)
            took.append(time.monotonic() - begin)
            assert reply.startswith("250"), reply
        return number

    sent = {one()}
    broker.pause()
    try:
        sent |= {one() for _ in range(20)}
        assert max(took) < 6
        assert sum(each > 1.8 for each in took) <= 2, "new mail waited although the link was stalled"
        assert len(made.spool) >= 19
    finally:
        broker.resume()
    drained(made)
    got = receive_all(broker, queue, sent)
    numbers_seen = [int(re.search(rb"X-Number: (\d+)", body(each)).group(1)) for each in got]
    assert set(numbers_seen) == sent
    assert len(numbers_seen) == len(sent), "a late outcome was not counted: the spool's copy went out too"


def live(made):
    return made.cli("check", "--live", "--config", made.config_file)


def test_check_live_names_the_broker_product(daemon, broker, queue):
    made = daemon(config(broker, queue), started=False)
    done = live(made)
    assert done.returncode == 0, done.stdout + done.stderr
    product = {"artemis": "artemis", "artemis_new": "artemis", "broker-j": "Qpid", "classic": "ActiveMQ"}.get(
        broker.name, "RabbitMQ")
    text = done.stdout + done.stderr
    known = "quorum queue: synced to disk" if broker.name.startswith("rabbitmq4") else "nothing known against it"
    for expected in ("resolve", "connect", "sasl", "open", "attach", "credit", "max-message-size",
                     known, product):
        assert expected in text, f"{expected} is missing:\n{text}"
    assert text.count("attach:") == len(broker.urls), text


def test_a_wrong_password_is_named_and_mail_goes_to_the_spool(daemon, broker, queue):
    made = daemon(config(broker, queue, password="wrong-secret"), started=False)
    done = live(made)
    assert done.returncode == 13, done.stdout + done.stderr
    assert "wrong-secret" not in done.stdout + done.stderr
    made.start()
    with made.client() as client:
        client.command("EHLO client.example", 250)
        assert deliver(client, b"x\r\n").startswith("250")
    assert len(made.spool) == 1
    assert "wrong-secret" not in made.log.read_text()


def test_tls_with_the_right_name(daemon, broker, queue, authority):
    made = start(daemon, broker, queue, urls=[broker.tls_url], tls_ca=str(authority.ca), format="rfc822")
    with made.client() as client:
        client.command("EHLO client.example", 250)
        assert deliver(client, b"over TLS\r\n" * 1000).startswith("250")
    message, = broker.receive(queue, 1)
    assert body(message) == b"over TLS\r\n" * 1000


def test_a_wrong_name_in_the_certificate_is_refused(daemon, broker, queue, authority):
    made = daemon(config(broker, queue, urls=[broker.tls_url], tls_ca=str(authority.ca),
                         tls_name="another.example"), started=False)
    done = live(made)
    assert done.returncode == 12, done.stdout + done.stderr


def test_an_unknown_address(daemon, broker):
    made = daemon(config(broker, "there-is-no-such-queue", deadline="3s"))
    with made.client() as client:
        client.command("EHLO client.example", 250)
        assert deliver(client, b"X-Number: 1\r\n\r\nx\r\n").startswith("250")
    if broker.name in ("artemis", "artemis_new", "classic", "rabbitmq3"):  # they make a durable queue
        assert broker.depth("there-is-no-such-queue") == 1
        broker.purge("there-is-no-such-queue")
    else:
        assert len(made.spool) == 1
        made.wait_log("the target was refused", 20)


@pytest.mark.parametrize("policy", ["block", "fail"])
def test_a_full_artemis_queue_fills_the_spool_and_drains_by_itself(daemon, artemis, policy):
    artemis.resume()
    artemis.start()
    queue = f"{policy}.full"
    artemis.create_queue(queue)
    artemis.purge(queue)
    # One worker: another one's link would have a thousand credits of its own, and replay would use them.
    made = daemon({**config(artemis, queue, format="rfc822", deadline="2s"), "server": {"workers": 1}})
    made.wait_log("attached to the target", 30)
    sent = set()
    spooled = set()
    with made.client() as client:
        client.command("EHLO client.example", 250)
        # BLOCK gives no new credit: the first thousand use the credit granted before.
        while len(spooled) < 3:
            assert len(sent) < 1100, "the queue was never full"
            number = len(sent) + 1
            reply = deliver(client, b"X-Number: %d\r\n\r\n" % number + b"x" * 4000 + b"\r\n")
            assert reply.startswith("250"), reply
            sent.add(number)
            if number % 50 == 0 or number > 1000:
                spooled = {line["id"] for line in made.log_lines("accepted")
                           if "fallback of broker" in line["by"]}
    assert set(made.spool.ids()) >= spooled, "replayed into a queue that is full"
    got = receive_all(artemis, queue, sent)
    drained(made)
    assert {int(re.search(rb"X-Number: (\d+)", body(each)).group(1)) for each in got} == sent


def test_a_target_that_drops_is_refused(daemon, rabbitmq3):
    rabbitmq3.resume()
    rabbitmq3.start()
    made = daemon(config(rabbitmq3, address="/amq/queue/nowhere"), started=False)
    done = live(made)
    assert done.returncode == 15, done.stdout + done.stderr
    assert "allow_lossy_target" in done.stdout + done.stderr
