#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A worker for large mail: it takes messages of RabbitMQ whose bodies lsmtpd may have stored apart (claim_check), gives
each body to a function, acknowledges, and deletes what was stored. Debian's python3-pika, or pip install pika==1.3.2."""
import argparse
import hashlib
import json
import pathlib
import sys

import pika

TYPE = "application/vnd.lsmtpd.claim+json"


def claim_of(content_type, body):
    """The claim check that a message has for its body, or None: the body is the message's."""
    return json.loads(body)["claim_check"] if content_type == TYPE else None


def fetch(claim):
    """The body: lsmtpd's JSON or the mail as it came, as claim["content_type"] says."""
    body = pathlib.Path(claim["location"]).read_bytes()
    if len(body) != claim["size"] or hashlib.sha256(body).hexdigest() != claim["sha256"]:
        raise ValueError(f"{claim['location']} is not the body that was stored")
    return body


def delete(claim):
    """Once the message is acknowledged: before, a worker that crashes would have its message back and no body for it."""
    pathlib.Path(claim["location"]).unlink(missing_ok=True)


def work(body):
    print(len(body), "octets", hashlib.sha256(body).hexdigest(), flush=True)


def handle(channel, method, properties, body):
    claim = claim_of(properties.content_type, body)
    try:
        whole = fetch(claim) if claim else body
    except FileNotFoundError:
        # It was handled and deleted before, and this is a resend; or somebody else deleted it: a case for a person.
        print("no body:", claim["location"], file=sys.stderr, flush=True)
        channel.basic_reject(method.delivery_tag, requeue=False)
        return
    work(whole)
    channel.basic_ack(method.delivery_tag)
    if claim:
        channel.connection.process_data_events()  # the acknowledgement goes out first
        delete(claim)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="amqp://guest:guest@127.0.0.1:5672/%2F")
    parser.add_argument("--queue", default="mail")
    parser.add_argument("--count", type=int, default=0, help="end after so many messages")
    options = parser.parse_args()
    connection = pika.BlockingConnection(pika.URLParameters(options.url))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1)
    for number, (method, properties, body) in enumerate(channel.consume(options.queue), 1):
        handle(channel, method, properties, body)
        if number == options.count:
            break
    channel.cancel()
    connection.close()


if __name__ == "__main__":
    main()
