# SPDX-License-Identifier: Apache-2.0
"""Consumers of the brokers: LSMTPD's workers on AMQP 0.9.1, and a JMS consumer with a selector."""
import pathlib
import shutil
import subprocess
import sys

import pytest
from test_amqp_brokers import config, deliver

from support.wait import wait_until

WORKERS = pathlib.Path(__file__).parents[2] / "contrib" / "examples" / "workers"
MAIL = b"Subject: x\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
BINARY = b"Subject: x\r\n\r\n\xff\x00\r\n"


@pytest.fixture(params=["rabbitmq3", "rabbitmq4"])
def rabbitmq(request):
    found = request.getfixturevalue(request.param)
    found.resume()
    return found.start()


def worker_url(broker):
    return f"amqp://{broker.user}:{broker.password}@{broker.host}:{broker.port}/%2F"


def pika():
    pytest.importorskip("pika", reason="python3-pika is not installed")
    return [sys.executable, WORKERS / "worker_pika.py"], ["--url", "--queue", "--count"]


def amqplib():
    node = shutil.which("node")
    if node is None or subprocess.run([node, "-e", "require('amqplib')"], cwd=WORKERS,
                                      capture_output=True).returncode:
        pytest.skip("amqplib is not installed: npm install in contrib/examples/workers, or NODE_PATH")
    return [node, WORKERS / "worker_amqplib.js"], ["", "", ""]


@pytest.mark.parametrize("worker", [pika, amqplib])
def test_a_worker_of_lsmtpd_gets_the_same_json(daemon, rabbitmq, worker):
    argv, names = worker()
    queue = f"worker-{worker.__name__}"
    rabbitmq.create_queue(queue)
    rabbitmq.purge(queue)
    made = daemon(config(rabbitmq, queue, fallback=False))
    made.wait_log("attached to the target", 30)
    with made.client() as client:
        client.command("EHLO client.example", 250)
        first = deliver(client, MAIL).split()[-1]
        second = deliver(client, BINARY, recipients=("a@example.org", "b@example.org")).split()[-1]
    values = [worker_url(rabbitmq), queue, "2"]
    for name, value in zip(names, values):
        argv += [name, value] if name else [value]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted([
        f"{first} <s@example.org> <r@example.org> {len(MAIL)}",
        f"{second} <s@example.org> <a@example.org> <b@example.org> {len(BINARY)}"])
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
