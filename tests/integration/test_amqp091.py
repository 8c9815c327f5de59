# SPDX-License-Identifier: Apache-2.0
"""output_amqp091 against RabbitMQ 3.10 and 4: what is confirmed is there, each byte arrives, returns and refusals
become the right replies, and a killed broker loses nothing."""
import json
import os
import re

import pytest
from test_amqp_brokers import deliver, drained

from support import amqp091, mails
from support.daemon import BINARY, run_cli
from support.load import Ledger, Load
from support.mails import as_sent
from support.process import Process
from support.smtp import Client
from support.spool import content_of
from support.wait import wait_until


@pytest.fixture(params=["rabbitmq3", "rabbitmq4"])
def rabbit(request):
    found = request.getfixturevalue(request.param)
    found.resume()
    return found.start()


@pytest.fixture
def queue(rabbit, request):
    name = "q091-" + request.node.name.replace("[", "-").strip("]")[:50]
    rabbit.delete_queue(name)
    rabbit.create_queue(name)
    yield name
    rabbit.resume()
    rabbit.start()
    rabbit.delete_queue(name)


def config(broker, fallback=True, deadline="10s", **changes):
    options = {"urls": [broker.url], "username": broker.user, "password": broker.password,
               "reconnect_last": "1s", **changes}
    plugin = {"use": "output_amqp091", "deadline": deadline, "options": options}
    if fallback:
        plugin["fallback"] = "spool"
    return {"plugin": {"broker": plugin}, "chain": {"default": {"steps": ["broker"]}}}


def start(daemon, broker, **changes):
    made = daemon(config(broker, **changes))
    made.wait_log("ready to publish", 30)
    return made


def live(made):
    return run_cli("check", "--live", "--config", made.config_file, timeout=60)


def one(made, recipients=("r@example.org",), content=b"Subject: x\r\n\r\nhello\r\n"):
    with made.client() as client:
        client.command("EHLO client.example", 250)
        return deliver(client, content, recipients=recipients)


@pytest.mark.parametrize("format", ["json", "rfc822"])
def test_each_byte_arrives(daemon, rabbit, queue, format):
    made = start(daemon, rabbit, routing_key=queue, format=format)
    chosen = [(name, data) for name, data in mails.generated() if len(data) < 8_000_000]
    chosen += [(name, as_sent(data)) for name, data in mails.collection() if not mails.has_bare(data)]
    with made.client() as client:
        client.command("EHLO client.example", 250)
        for name, data in chosen:
            reply = deliver(client, data)
            assert reply.startswith("250"), f"{name}: {reply}"
    got = amqp091.receive(rabbit, queue, len(chosen))
    contents = [content_of(json.loads(body)) if format == "json" else body for _, body in got]
    assert sorted(contents) == sorted(data for _, data in chosen)
    assert {properties.delivery_mode for properties, _ in got} == {2}
    kinds = {"json": "application/json", "rfc822": "message/rfc822"}
    assert {properties.content_type for properties, _ in got} == {kinds[format]}
    assert len(made.spool) == 0, "something went to the fallback"


def test_the_envelope_is_in_the_headers(daemon, rabbit, queue):
    made = start(daemon, rabbit, routing_key=queue)
    identity = one(made, recipients=("a@example.org", "b@example.org")).split()[-1]
    (properties, body), = amqp091.receive(rabbit, queue, 1)
    assert properties.message_id == identity
    headers = properties.headers
    assert headers["smtp_mail_from"] == "s@example.org"
    assert headers["smtp_rcpt_to"] == "a@example.org,b@example.org"
    assert headers["smtp_rcpt_count"] == 2
    assert headers["smtp_client_ip"] == "127.0.0.1"
    assert json.loads(body)["message_id"] == identity


def test_a_message_that_no_queue_takes_is_not_acknowledged(daemon, rabbit, queue):
    exchange = queue + "-x"
    amqp091.declare_exchange(rabbit, exchange, queue, "example.org")
    made = start(daemon, rabbit, fallback=False, exchange=exchange, routing_key="{rcpt_domain}")
    assert one(made).startswith("250")
    with made.client() as client:
        client.command("EHLO client.example", 250)
        reply = deliver(client, b"\r\nx\r\n", recipients=("r@example.net",))
        assert reply.startswith("451 4.3.0"), reply
        # Returned and confirmed ones side by side keep their own outcomes.
        assert deliver(client, b"\r\ny\r\n").startswith("250")
        reply = client.command("MAIL FROM:<s@example.org>", 250)
        reply = client.command(f"RCPT TO:<r@{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.example>", 250)
        client.command("RSET", 250)
    assert len(amqp091.receive(rabbit, queue, 2)) == 2
    amqp091.delete_exchange(rabbit, exchange)


def test_an_unroutable_recipient_may_be_refused(daemon, rabbit, queue):
    exchange = queue + "-x"
    amqp091.declare_exchange(rabbit, exchange, queue, "known")
    made = start(daemon, rabbit, exchange=exchange, routing_key="{rcpt_local}", unroutable="reject")
    assert one(made, recipients=("known@example.org",)).startswith("250")
    assert one(made, recipients=("nobody@example.org",)).startswith("550 5.1.1")
    amqp091.delete_exchange(rabbit, exchange)


def test_a_routing_key_that_is_too_long_is_refused_at_rcpt(daemon, rabbit, queue):
    made = start(daemon, rabbit, routing_key=f"{'k' * 200}.{{rcpt_local}}")
    with made.client() as client:
        client.command("EHLO client.example", 250)
        client.command("MAIL FROM:<s@example.org>", 250)
        client.command(f"RCPT TO:<{'l' * 64}@example.org>", 550)
        client.command(f"RCPT TO:<{'l' * 10}@example.org>", 250)


def test_a_target_that_is_missing_is_named_and_comes_back(daemon, rabbit, queue):
    exchange = queue + "-x"
    made = daemon(config(rabbit, exchange=exchange, routing_key="k"))
    line = made.wait_log("the target was refused", 30)
    assert "NOT_FOUND" in line["why"]
    assert one(made).startswith("250"), "the fallback takes it"
    assert live(made).returncode == 15
    amqp091.declare_exchange(rabbit, exchange, queue, "k")
    made.wait_log("ready to publish", 30)
    drained(made)
    assert len(amqp091.receive(rabbit, queue, 1)) == 1
    amqp091.delete_exchange(rabbit, exchange)


def test_a_full_queue_fills_the_fallback_and_bounces_nothing(daemon, rabbit, queue):
    rabbit.delete_queue(queue)
    rabbit.create_queue(queue, **{"x-max-length": 5, "x-overflow": "reject-publish"})
    made = start(daemon, rabbit, routing_key=queue, format="rfc822", allow_unsynced_target=True)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        for number in range(30):
            assert deliver(client, b"X-Number: %d\r\n\r\nx\r\n" % number).startswith("250")
    assert len(made.spool) > 0, "the queue was never full"


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_what_a_confirm_rests_on_is_said(daemon, rabbit, queue, kind):
    rabbit.delete_queue(queue)
    rabbit.create_queue(queue, **{"x-queue-type": kind})
    made = daemon(config(rabbit, routing_key=queue), started=False)
    done = live(made)
    text = done.stdout + done.stderr
    if kind == "classic" and rabbit.name == "rabbitmq4":
        assert done.returncode == 15, text
        assert "allow_unsynced_target" in text
        done = live(daemon(config(rabbit, routing_key=queue, allow_unsynced_target=True), started=False))
        text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert f"{kind} queue" in text


def test_declare_makes_the_queue_and_names_another_type(daemon, rabbit, queue):
    rabbit.delete_queue(queue)
    made = start(daemon, rabbit, routing_key=queue, declare="quorum")
    assert one(made).startswith("250")
    assert len(amqp091.receive(rabbit, queue, 1)) == 1
    done = live(daemon(config(rabbit, routing_key=queue, declare="classic"), started=False))
    assert done.returncode == 15
    assert "x-queue-type" in done.stdout + done.stderr and "quorum" in done.stdout + done.stderr


def test_a_wrong_password_and_another_protocol_are_named(daemon, rabbit, queue, artemis):
    done = live(daemon(config(rabbit, routing_key=queue, password="wrong"), started=False))
    assert done.returncode == 13, done.stdout + done.stderr
    assert "ACCESS_REFUSED" in done.stdout + done.stderr
    done = live(daemon(config(rabbit, routing_key=queue, vhost="nowhere"), started=False))
    assert done.returncode == 14, done.stdout + done.stderr
    artemis.resume()
    artemis.start()
    done = live(daemon(config(artemis, routing_key=queue), started=False))
    assert done.returncode != 0
    assert "AMQP_PROTOCOL" in done.stdout + done.stderr, done.stdout + done.stderr


def test_tls_with_a_client_certificate(daemon, rabbit, queue):
    certificate, key, _ = rabbit.authority.issue("lsmtpd", "client.example")
    made = daemon(config(rabbit, routing_key=queue, urls=[rabbit.tls_url.replace("127.0.0.1", "localhost")],
                         tls_ca=str(rabbit.authority.ca), tls_certificate=str(certificate), tls_key=str(key)))
    made.wait_log("ready to publish", 30)
    assert one(made, content=b"\r\n" + b"x" * 70 + b"\r\n").startswith("250")
    assert len(amqp091.receive(rabbit, queue, 1)) == 1


def test_kill_9_of_the_broker_under_load_loses_nothing(daemon, rabbit, queue):
    made = start(daemon, rabbit, routing_key=queue, format="rfc822", deadline="5s")
    ledger = Ledger()
    load = Load(made.address(), ledger, threads=6, sizes=(200, 4096, 30_000), pace=0.02)
    try:
        for _ in range(2):
            load.wait_accepted(500)
            rabbit.kill()
            load.wait_accepted(200)  # the fallback takes it
            rabbit.start()
            made.wait_log("ready to publish", 60)
        load.wait_accepted(500)
    finally:
        load.stop()
    drained(made, 300)
    wait_until(lambda: rabbit.depth(queue) >= len(ledger.accepted), 60, "all of it to be in the queue")
    got = amqp091.receive_until_empty(rabbit, queue)
    # Published, killed before the confirm, published again: RabbitMQ detects no duplicates.
    ledger.check([body for _, body in got], duplicates_allowed=True)


def test_ten_thousand_messages_arrive_once(daemon, rabbit, queue):
    made = start(daemon, rabbit, routing_key=queue, format="rfc822", fallback=False)
    ledger = Ledger()
    load = Load(made.address(), ledger, threads=8, sizes=(200, 1024, 4096))
    try:
        load.wait_accepted(10_000, 180)
    finally:
        load.stop()
    assert len(ledger.accepted) == len(ledger.entries), "something was refused"
    ledger.check([body for _, body in amqp091.receive(rabbit, queue, len(ledger.accepted), 120)])


def test_lsmtpds_environment_speaks_0_9_1_to_its_exchange(daemon, rabbit, queue, tmp_path):
    """Its exchange and routing key as they were; a worker of LSMTPD gets the same JSON."""
    exchange = queue + "-x"
    amqp091.declare_exchange(rabbit, exchange, queue, "mail.key")
    environment = {"SERVER_NAME": "mx.test.example", "BIND_ADDRESS": "127.0.0.1", "BIND_PORT": "0",
                   "TEMP_EMAIL_DIR": str(tmp_path / "spool"), "AMQP_HOST": rabbit.host,
                   "AMQP_PORT": str(rabbit.port), "AMQP_USERNAME": rabbit.user, "AMQP_PASSWORD": rabbit.password,
                   "AMQP_VHOST": "%2f", "AMQP_EXCHANGE": exchange, "AMQP_ROUTING_KEY": "mail.key"}
    made = daemon(started=False, environment=environment)
    made.config_file.unlink()
    checked = run_cli("check", "--live", cwd=tmp_path, env={**os.environ, **environment})
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"exchange {exchange}" in checked.stdout
    process = Process([BINARY], tmp_path / "output.txt", env={**os.environ, **environment}, cwd=tmp_path)
    try:
        output = tmp_path / "output.txt"
        found = wait_until(lambda: re.search(r"address=(127\.0\.0\.1):(\d+)", output.read_text()), 20, "it to listen")
        wait_until(lambda: "ready to publish" in output.read_text(), 30, output.read_text)
        with Client((found.group(1), int(found.group(2)))) as client:
            client.expect("220 mx.test.example")
            client.command("EHLO client.example", 250)
            reply = deliver(client, b"Subject: x\r\n\r\nhello\r\n")
        assert reply.startswith("250"), reply
    finally:
        process.stop(30)
    (_, body), = amqp091.receive(rabbit, queue, 1)
    record = json.loads(body)
    assert record["message_id"] == reply.split()[-1]
    assert record["email_content"] == "Subject: x\r\n\r\nhello\r\n"
    amqp091.delete_exchange(rabbit, exchange)
