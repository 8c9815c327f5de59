# SPDX-License-Identifier: Apache-2.0
"""A consumer of AMQP 0-9-1 (pika): what a queue of RabbitMQ holds, and exchanges for the tests."""
import time

import pika


def _connection(broker):
    return pika.BlockingConnection(pika.ConnectionParameters(
        broker.host, broker.port, credentials=pika.PlainCredentials(broker.user, broker.password),
        socket_timeout=20, blocked_connection_timeout=30))


def receive(broker, queue, count, seconds=60):
    """(properties, body) of `count` messages, acknowledged."""
    got = []
    end = time.monotonic() + seconds
    connection = _connection(broker)
    try:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=500)
        for method, properties, body in channel.consume(queue, inactivity_timeout=1):
            if method is not None:
                channel.basic_ack(method.delivery_tag)
                got.append((properties, body))
            if len(got) >= count or time.monotonic() > end:
                break
        channel.cancel()
    finally:
        connection.close()
    assert len(got) >= count, f"{len(got)} of {count} messages came"
    return got


def receive_until_empty(broker, queue, quiet=3):
    """Everything, until nothing has come for `quiet` seconds."""
    got = []
    connection = _connection(broker)
    try:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=500)
        for method, properties, body in channel.consume(queue, inactivity_timeout=quiet):
            if method is None:
                break
            channel.basic_ack(method.delivery_tag)
            got.append((properties, body))
        channel.cancel()
    finally:
        connection.close()
    return got


def depth(broker, queue):
    """How many messages it holds, now: RabbitMQ's management counts a quorum queue every five seconds."""
    connection = _connection(broker)
    try:
        return connection.channel().queue_declare(queue, passive=True).method.message_count
    finally:
        connection.close()


def declare_exchange(broker, exchange, queue, *keys):
    """A durable direct exchange with the queue bound by each key."""
    connection = _connection(broker)
    try:
        channel = connection.channel()
        channel.exchange_declare(exchange, "direct", durable=True)
        for key in keys:
            channel.queue_bind(queue, exchange, key)
    finally:
        connection.close()


def delete_exchange(broker, exchange):
    connection = _connection(broker)
    try:
        connection.channel().exchange_delete(exchange)
    finally:
        connection.close()
