#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A worker on AMQP 0-9-1 (RabbitMQ) with pika: Debian's python3-pika, or pip install pika==1.3.2."""
import concurrent.futures

import pika
from mail import DONE, RETRY, judge, keep_consuming, options_of, stop, wait_before_retry
from pika.exceptions import AMQPError


def attempt_of(method, properties):
    """(attempt, whether it is the last in any case). Quorum queues count; classic ones say no more than "again"."""
    count = (properties.headers or {}).get("x-delivery-count")
    if count is not None:
        return count + 1, False
    return 1 + method.redelivered, method.redelivered


def beside(connection, pool, function, *arguments):
    """Runs it on another thread, while this one answers the broker's heartbeats."""
    done = pool.submit(function, *arguments)

    def wake(_):
        if connection.is_open:
            connection.add_callback_threadsafe(lambda: None)

    done.add_done_callback(wake)
    while not done.done():
        connection.process_data_events(time_limit=1)
    return done.result()


def main():
    options = options_of(__doc__)
    handled = 0

    def consume(connected):
        nonlocal handled
        connection = pika.BlockingConnection(pika.URLParameters(options.url))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=options.prefetch)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:  # its end waits for the work under way
            messages = channel.consume(options.queue, inactivity_timeout=0.5)
            connected()
            for method, properties, body in messages:
                if method is not None:
                    attempt, last = attempt_of(method, properties)
                    verdict, attempt = beside(connection, pool, judge, options, body, properties.headers,
                                              properties.message_id, attempt, last)
                    if verdict == DONE:
                        channel.basic_ack(method.delivery_tag)
                        handled += 1
                        if handled == options.count:
                            stop.set()
                    elif verdict == RETRY:
                        beside(connection, pool, stop.wait, wait_before_retry(options, attempt))
                        channel.basic_nack(method.delivery_tag, requeue=True)
                    else:
                        channel.basic_reject(method.delivery_tag, requeue=False)
                if stop.is_set():
                    break
        channel.cancel()  # gives back what was prefetched
        connection.close()

    keep_consuming(options, consume, (AMQPError, OSError))


if __name__ == "__main__":
    main()
