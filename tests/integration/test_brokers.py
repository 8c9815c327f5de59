# SPDX-License-Identifier: Apache-2.0
"""The brokers behave as the AMQP tests assume."""
import socket
import ssl

from support import amqp
from support.wait import wait_until


def test_a_durable_message_survives_kill_9_of_the_broker(broker):
    broker.create_queue("kept")
    broker.purge("kept")
    broker.publish("kept", b"one \0\xff", b"two")
    wait_until(lambda: broker.depth("kept") == 2, 20, "both messages in the queue")
    broker.kill()
    broker.start()
    bodies = [message.body for message in broker.receive("kept", 2)]
    assert bodies == [b"one \0\xff", b"two"]


def test_a_stopped_broker_answers_nothing_until_it_goes_on(broker):
    broker.pause()
    assert not amqp.answers(broker)
    broker.resume()
    wait_until(lambda: amqp.answers(broker), 20, "the broker to answer again")


def test_the_tls_listener_shows_a_certificate_of_the_tests_own_authority(broker, authority):
    certificate, key, _ = authority.issue("client", "lsmtpd")
    context = ssl.create_default_context(cafile=authority.ca)
    context.load_cert_chain(certificate, key)
    with socket.create_connection((broker.host, broker.tls_port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as stream:
            stream.sendall(b"AMQP\x03\x01\x00\x00")  # SASL, AMQP 1.0
            assert stream.recv(8) == b"AMQP\x03\x01\x00\x00"
