# SPDX-License-Identifier: Apache-2.0
"""Consumers of the brokers: LSMTPD's workers on AMQP 0.9.1, and a JMS consumer with a selector."""
import subprocess

import pytest
from test_amqp_brokers import config, deliver

from support.wait import wait_until
from support.workers import Worker

MAIL = b"Subject: x\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
BINARY = b"Subject: x\r\n\r\n\xff\x00\r\n"


@pytest.fixture(params=["rabbitmq3", "rabbitmq4"])
def rabbitmq(request):
    found = request.getfixturevalue(request.param)
    found.resume()
    return found.start()


@pytest.mark.parametrize("kind", ["pika", "amqplib"])
def test_a_worker_of_lsmtpd_gets_the_same_json(daemon, rabbitmq, tmp_path, kind):
    queue = f"worker-{kind}"
    rabbitmq.create_queue(queue)
    rabbitmq.purge(queue)
    made = daemon(config(rabbitmq, queue, fallback=False))
    made.wait_log("attached to the target", 30)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        first = deliver(client, MAIL).split()[-1]
        second = deliver(client, BINARY, recipients=("a@example.org", "b@example.org")).split()[-1]
    worker = Worker(kind, rabbitmq, queue, tmp_path, count="2")
    try:
        assert worker.finish() == 0, worker.process.tail()
    finally:
        worker.process.kill()
    assert {f"{first} <s@example.org> <r@example.org> {len(MAIL)}", f"done {first}",
            f"{second} <s@example.org> <a@example.org> <b@example.org> {len(BINARY)}", f"done {second}"} <= set(worker.lines())
    assert rabbitmq.depth(queue) == 0


def test_lsmtpds_environment_names_the_queue(daemon, rabbitmq):
    """AMQP_EXCHANGE empty, the queue in AMQP_ROUTING_KEY: the options that this becomes."""
    rabbitmq.create_queue("from-lsmtpd")
    rabbitmq.purge("from-lsmtpd")
    made = daemon(config(rabbitmq, fallback=False, address=None, exchange="", routing_key="from-lsmtpd",
                         vhost="/", in_flight=10))
    made.wait_log("attached to the target", 30)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        assert deliver(client, MAIL).startswith("250")
    wait_until(lambda: rabbitmq.depth("from-lsmtpd") == 1, 10, "the queue to count it")  # quorum queues count late


def test_a_jms_consumer_selects_by_properties(daemon, artemis):
    artemis.resume()
    artemis.start()
    artemis.create_queue("jms")
    artemis.purge("jms")
    made = daemon(config(artemis, "jms", fallback=False))
    made.wait_log("attached to the target", 30)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        deliver(client, MAIL, sender="other@example.org")
        deliver(client, MAIL, recipients=("a@example.org", "b@example.org"))
        deliver(client, MAIL)
    # Artemis' own command line, which is Qpid JMS.
    done = subprocess.run(
        [artemis.command()[0][0], "consumer", "--protocol", "amqp", "--url", artemis.url, "--user", artemis.user,
         "--password", artemis.password, "--destination", "queue://jms", "--message-count", "1",
         "--receive-timeout", "15000", "--verbose", "--filter",
         "smtp_mail_from = 's@example.org' AND smtp_rcpt_count > 1 AND smtp_rcpt_to LIKE '%b@example.org'"],
        capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert "Consumed: 1 messages" in text, text
    assert artemis.depth("jms") == 2
