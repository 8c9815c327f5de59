# SPDX-License-Identifier: Apache-2.0
"""W3C Trace Context: a message's traceparent is its own from a trusted client, else a new one, and goes with it: to the
broker's properties, into JSON, through the fallback, and into each log line of the message."""
import json

import pytest
from test_amqp_brokers import deliver

from support import amqp091
from support.relay import Relay
from support.smtp import Client
from support.wait import wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OWN = f"00-{TRACE}-00f067aa0ba902b7-01"
LISTENER = {"name": "mx", "address": "127.0.0.1:0", "protocol": "smtp", "chain": "default",
            "traceparent": True, "traceparent_from": ["127.0.0.1"]}
QUEUES = ("traceparent-amqp", "traceparent-amqp091")


def content(traceparent=OWN):
    return f"Subject: x\r\ntraceparent: {traceparent}\r\n\r\nhello\r\n".encode()


def send(daemon, mail, source="127.0.0.1"):
    """The id."""
    with Client(daemon.address(), source=source) as client:
        client.expect("220 mx.test.example")
        client.command("EHLO client.example", 250)
        return deliver(client, mail).split()[-1]


def made_anew(message_id):
    """The beginning of a new traceparent of that message."""
    return f"00-{message_id.replace('-', '')}-"


@pytest.fixture
def queues(rabbitmq4):
    rabbitmq4.resume()
    rabbitmq4.start()
    for queue in QUEUES:
        rabbitmq4.delete_queue(queue)
        rabbitmq4.create_queue(queue)
    yield rabbitmq4
    for queue in QUEUES:
        rabbitmq4.delete_queue(queue)


def brokers(broker, url=None):
    login = {"urls": [url or broker.url], "username": broker.user, "password": broker.password,
             "reconnect_first": "100ms", "reconnect_last": "500ms"}
    return {"listener": [LISTENER],
            "plugin": {"v10": {"use": "output_amqp", "fallback": "spool",
                               "options": {**login, "address": broker.target(QUEUES[0])}},
                       "v091": {"use": "output_amqp091", "fallback": "spool",
                                "options": {**login, "routing_key": QUEUES[1]}}},
            "chain": {"default": {"steps": ["v10", "v091"]}}}


def received(broker, count):
    """[(traceparent in the properties, JSON)] of so many messages of each of the two outputs."""
    v10 = [(message.properties["traceparent"], json.loads(bytes(message.body)))
           for message in broker.receive(QUEUES[0], count, 60)]
    v091 = [(properties.headers["traceparent"], json.loads(body))
            for properties, body in amqp091.receive(broker, QUEUES[1], count)]
    return v10 + v091


def test_it_goes_to_the_broker_with_the_message(daemon, rabbitmq4, queues):
    made = daemon(brokers(rabbitmq4))
    made.wait_log("attached to the target", 30)
    made.wait_log("ready to publish", 30)
    own = send(made, content())
    other = send(made, content(), source="127.0.0.2")
    for each, body in received(rabbitmq4, 2):
        assert body["traceparent"] == each
        if body["message_id"] == own:
            assert each == OWN
        else:
            assert body["message_id"] == other and each.startswith(made_anew(other)) and each.endswith("-03")
    assert made.wait_log("accepted", id=own)["traceparent"] == OWN
    assert made.wait_log("accepted", id=other)["traceparent"].startswith(made_anew(other))


def test_it_comes_back_from_the_fallback(daemon, rabbitmq4, queues):
    relay = Relay(rabbitmq4.host, rabbitmq4.port)
    try:
        relay.cut()
        made = daemon(brokers(rabbitmq4, relay.url))
        message_id = send(made, content())
        wait_until(lambda: len(made.spool) == 2, 30, "a copy for each output")
        assert {stored.json["traceparent"] for stored in made.spool.messages()} == {OWN}
        relay.mend()
        assert [each for each, _ in received(rabbitmq4, 1)] == [OWN, OWN]
        wait_until(lambda: len(made.log_lines("replayed", id=message_id, traceparent=OWN)) == 2, 30,
                   "both copies to be replayed, with their traceparent in the log")
    finally:
        relay.close()


def test_there_is_none_where_the_listener_gives_none(daemon):
    made = daemon()
    message_id = send(made, content())
    stored = made.spool.message(message_id)
    assert "traceparent" not in stored.json and "annotations" not in stored.json["lsmtpd"]
    assert "traceparent" not in made.wait_log("accepted", id=message_id)


@pytest.mark.parametrize("invalid", ["00-" + "0" * 32 + "-00f067aa0ba902b7-01", OWN.upper(), OWN + "-x", "", f"{OWN}\r\n x"])
def test_an_invalid_one_is_replaced(daemon, invalid):
    made = daemon({"listener": [LISTENER]})
    message_id = send(made, content(invalid))
    assert made.spool.only().json["traceparent"].startswith(made_anew(message_id))


def test_two_fields_are_none(daemon):
    made = daemon({"listener": [LISTENER]})
    message_id = send(made, f"traceparent: {OWN}\r\n".encode() + content())
    assert made.spool.only().json["traceparent"].startswith(made_anew(message_id))
