# SPDX-License-Identifier: Apache-2.0
"""An independent AMQP 1.0 client: Debian's python3-qpid-proton."""
import time

from proton import Message, symbol
from proton.handlers import MessagingHandler
from proton.reactor import Container, LinkOption
from proton.utils import BlockingConnection

from .wait import Timeout


class _Capability(LinkOption):
    """Asks for a queue, so that Artemis takes the address as anycast."""

    def __init__(self, terminus):
        self._terminus = terminus

    def apply(self, link):
        terminus = link.target if self._terminus == "target" else link.source
        terminus.capabilities.put_object(symbol("queue"))


def connect(broker, timeout=10, **options):
    """A blocking connection with the broker's own user."""
    return BlockingConnection(f"amqp://{broker.host}:{broker.port}", timeout=timeout,
                              user=broker.user, password=broker.password,
                              allowed_mechs="PLAIN", allow_insecure_mechs=True,
                              virtual_host=broker.virtual_host, **options)


def answers(broker):
    """True when the broker completes an AMQP handshake."""
    try:
        connect(broker, timeout=2).close()
        return True
    except Exception:  # any error: it is not ready
        return False


def publish(broker, queue, *bodies, **properties):
    """Sends each body (bytes) as a durable message and waits until it is settled."""
    connection = connect(broker)
    try:
        sender = connection.create_sender(broker.target(queue), options=_Capability("target"))
        for body in bodies:
            sender.send(Message(body=body, inferred=True, durable=True, **properties))
    finally:
        connection.close()


# How long a broker may take to answer the close of a link or session, in seconds.
_PATIENCE = 10


class _Receiver(MessagingHandler):
    def __init__(self, broker, queue, count, seconds, enough):
        super().__init__(prefetch=0 if count is not None and count < 50 else 200, auto_accept=False)
        self.broker, self.queue, self.count, self.enough = broker, queue, count, enough
        self.deadline = time.monotonic() + seconds
        self.messages, self.error, self.closed = [], None, False

    def on_start(self, event):
        self._connection = event.container.connect(
            f"amqp://{self.broker.host}:{self.broker.port}", user=self.broker.user,
            password=self.broker.password, allowed_mechs="PLAIN", reconnect=False,
            allow_insecure_mechs=True, virtual_host=self.broker.virtual_host, heartbeat=30)
        self._link = event.container.create_receiver(self._connection,
                                                     self.broker.source(self.queue),
                                                     options=_Capability("source"))
        if self.count is not None and self.count < 50:
            self._link.flow(self.count)
        event.container.schedule(0.1, self)

    def on_message(self, event):
        if self.closed:  # accepting it would not reach the broker, which delivers it again
            return
        self.messages.append(event.message)
        self.accept(event.delivery)
        if self._enough():
            self._leave()

    def _leave(self):
        """Closes link, session and connection one after the other: a broker that is told of the connection's end at
        once may end the session before it has read the last dispositions, and gives those messages out again."""
        self.closed = True
        self._link.close()

    def on_link_closed(self, event):
        if self.closed:
            event.session.close()

    def on_link_remote_detach(self, event):  # RabbitMQ 3 answers a close so
        self.on_link_closed(event)

    def on_session_closed(self, event):
        if self.closed:
            event.connection.close()

    def _enough(self):
        if self.enough is not None:
            return self.enough(self.messages)
        return self.count is not None and len(self.messages) >= self.count

    def on_timer_task(self, event):
        late = time.monotonic() - self.deadline
        if self.error or late > _PATIENCE:
            self._connection.close()
            return
        if late > 0 and not self.closed:
            self._leave()
        event.container.schedule(0.1, self)

    def on_connection_closed(self, event):
        event.container.stop()

    def on_transport_error(self, event):
        self.error = event.transport.condition
        super().on_transport_error(event)

    def on_link_error(self, event):
        self.error = event.link.remote_condition
        super().on_link_error(event)


def receive(broker, queue, count=None, seconds=30, enough=None):
    """Takes messages from a queue, accepting each: `count` of them, or until enough(messages).

    With neither it takes what comes until `seconds` are over. Raises Timeout when fewer came.
    """
    handler = _Receiver(broker, queue, count, seconds, enough)
    Container(handler).run()
    if count is not None and len(handler.messages) < count:
        raise Timeout(f"{broker.name}: {len(handler.messages)} of {count} messages of {queue} in "
                      f"{seconds} s ({handler.error or 'no error'})")
    return handler.messages
