#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A worker on AMQP 1.0 with Qpid Proton: Debian's python3-qpid-proton, or pip install python-qpid-proton==0.40.0."""
import collections
import concurrent.futures
import os

from mail import DONE, RETRY, judge, keep_consuming, options_of, stop, wait_before_retry
from proton import Delivery, symbol
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Container, EventInjector, LinkOption

LOOK = 0.5  # seconds between two looks whether to stop


class Lost(Exception):
    """The connection, or the link."""


class _Queue(LinkOption):
    """Asks for a queue, so that Artemis takes the address as anycast."""

    def apply(self, link):
        link.source.capabilities.put_object(symbol("queue"))


class Consumer(MessagingHandler):
    """Proton's thread settles; another one works, so that heartbeats are answered meanwhile. Credit is given by hand:
    MessagingHandler's prefetch tops it up as messages come, and does not bound the unsettled ones."""

    def __init__(self, options, connected, pool):
        super().__init__(prefetch=0, auto_accept=False)
        self.options, self.connected, self.pool = options, connected, pool
        self.waiting = collections.deque()
        self.busy, self.handled, self.error = None, 0, None  # busy: the delivery under way

    def on_start(self, event):
        self.container = event.container
        self.done = EventInjector()
        event.container.selectable(self.done)
        self.connection = event.container.connect(self.options.url, allowed_mechs="PLAIN ANONYMOUS",
                                                  allow_insecure_mechs=True, reconnect=False, heartbeat=30)
        self.receiver = event.container.create_receiver(self.connection, self.options.queue, options=_Queue())
        event.container.schedule(LOOK, self)

    def on_link_opened(self, event):
        self.connected()
        self.receiver.flow(self.options.prefetch)

    def on_message(self, event):
        self.waiting.append((event.delivery, event.message))
        self.next()

    def next(self):
        if self.busy:
            return
        if stop.is_set():
            self.leave()
        elif self.waiting:
            self.busy, message = self.waiting.popleft()
            body = message.body
            self.pool.submit(self.work, bytes(body) if isinstance(body, (bytes, memoryview)) else str(body),
                             message.properties, message.id, message.delivery_count + 1)

    def work(self, *message):  # on the pool's thread, which must not hold anything of Proton's: its counts are of one thread
        verdict, attempt = judge(self.options, *message, False)
        if verdict == RETRY:
            stop.wait(wait_before_retry(self.options, attempt))
        self.done.trigger(ApplicationEvent("worked", subject=verdict))

    def on_worked(self, event):
        verdict, delivery, self.busy = event.subject, self.busy, None
        if verdict == DONE:
            delivery.update(Delivery.ACCEPTED)
            self.handled += 1
            if self.handled == self.options.count:
                stop.set()
        elif verdict == RETRY:
            delivery.local.failed = True  # without it the broker does not count the attempt
            delivery.update(Delivery.MODIFIED)
        else:
            delivery.update(Delivery.REJECTED)
        delivery.settle()
        if not stop.is_set():
            self.receiver.flow(1)
        self.next()

    def on_timer_task(self, event):
        self.next()
        if not self.error:
            self.container.schedule(LOOK, self)

    # Link, then connection: a broker that is told of the connection's end at once may not read the last dispositions.
    def leave(self):
        for delivery, _ in self.waiting:
            delivery.update(Delivery.RELEASED)
            delivery.settle()
        self.waiting.clear()
        self.receiver.close()

    def on_link_closed(self, event):
        self.connection.close()

    def on_connection_closed(self, event):
        self.end(self.error)

    def on_link_error(self, event):
        self.end(event.link.remote_condition)

    def on_transport_error(self, event):
        self.end(event.transport.condition)

    def on_disconnected(self, event):
        self.end(self.error or "disconnected")

    def end(self, error):
        self.error = error
        self.container.stop()


def main():
    options = options_of(__doc__)

    def consume(connected):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:  # its end waits for the work under way
            consumer = Consumer(options, connected, pool)
            Container(consumer).run()
        for each in consumer.done.pipe:  # Proton leaves them open
            os.close(each)
        if not stop.is_set():
            raise Lost(consumer.error)

    keep_consuming(options, consume, (Lost, OSError))


if __name__ == "__main__":
    main()
