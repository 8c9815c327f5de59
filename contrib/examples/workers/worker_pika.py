#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A worker that takes LSMTPD's JSON from RabbitMQ over AMQP 0.9.1, as workers of LSMTPD do; lsmtpd
sends over AMQP 1.0 and the worker does not notice.

    worker_pika.py [--url amqp://user:password@host/vhost] [--queue mail] [--count N]

For each message it prints one line: id, sender, recipients, bytes of content. It acknowledges a message
when it is done with it, so one that it could not handle is delivered again. Needs python3-pika.
"""
import argparse
import base64
import json

import pika


def content(mail):
    """The exact bytes. Old workers read email_content alone; it has U+FFFD where bytes are no UTF-8."""
    if "email_content_base64" in mail:
        return base64.b64decode(mail["email_content_base64"])
    return mail["email_content"].encode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="amqp://guest:guest@127.0.0.1:5672/%2F")
    parser.add_argument("--queue", default="mail")
    parser.add_argument("--count", type=int, default=0, help="end after so many messages")
    arguments = parser.parse_args()
    connection = pika.BlockingConnection(pika.URLParameters(arguments.url))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=20)
    left = arguments.count

    def handle(_channel, method, _properties, body):
        nonlocal left
        mail = json.loads(body)
        print(mail["message_id"], f"<{mail['sender']}>", *mail["recipients"], len(content(mail)), flush=True)
        channel.basic_ack(method.delivery_tag)
        left -= 1
        if left == 0:
            channel.stop_consuming()

    channel.basic_consume(arguments.queue, handle)
    channel.start_consuming()
    connection.close()


if __name__ == "__main__":
    main()
