#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Qpid Proton's release(delivered=True) does not make the delivery count.
#
# Library:  python-qpid-proton 0.40.0 (MessagingHandler.release and BlockingReceiver.release)
# Expected: "delivered ... indicates whether this should be considered a delivery attempt (and the delivery
#           count updated) or not"; True is the default. So a message that always fails ends with the
#           broker's limit of attempts.
# Happens:  the outcome is modified, with delivery-failed false, which says that the delivery-count stays.
#           A broker that goes by it gives the message out for ever, at once, and its dead-letter queue stays
#           empty. Setting delivery.local.failed = True and updating to MODIFIED oneself counts.
# Seen:
#   MessagingHandler.release: modified, delivery-failed False
#   BlockingReceiver.release: modified, delivery-failed False
#   local.failed = True: modified, delivery-failed True
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 400 venv/bin/pip install -q python-qpid-proton==0.40.0; } ||
    { echo "cannot be run here: pip install failed" >&2; exit 2; }
timeout 60 venv/bin/python - <<'EOF'
import queue
import socket
import sys
import threading

from proton import Delivery, Message
from proton.handlers import MessagingHandler
from proton.reactor import Container
from proton.utils import BlockingConnection

settled = queue.Queue()


class Peer(MessagingHandler):
    """Sends each receiver a message and notes how it is settled."""

    def __init__(self):
        super().__init__()
        self.listening = threading.Event()
        self.served = set()

    def on_start(self, event):
        self.acceptor = event.container.listen(f"127.0.0.1:{port}")
        self.listening.set()

    def on_link_opening(self, event):
        event.link.source.address = event.link.remote_source.address

    def on_sendable(self, event):
        if event.sender.name not in self.served:
            self.served.add(event.sender.name)
            event.sender.send(Message(body="hello"))

    def on_released(self, event):  # Proton's event for modified, too
        remote = event.delivery.remote
        name = "modified" if remote.type == Delivery.MODIFIED else "released"
        settled.put((name, remote.failed))


class Handler(MessagingHandler):
    def __init__(self, settle):
        super().__init__(auto_accept=False)
        self.settle_with = settle

    def on_start(self, event):
        self.connection = event.container.connect(f"127.0.0.1:{port}", reconnect=False)
        event.container.create_receiver(self.connection, "mail")

    def on_message(self, event):
        self.settle_with(self, event.delivery)


def by_handler(settle):
    container = Container(Handler(settle))
    threading.Thread(target=container.run, daemon=True).start()


def by_blocking():
    connection = BlockingConnection(f"127.0.0.1:{port}", timeout=10)
    receiver = connection.create_receiver("mail")
    receiver.receive(timeout=10)
    receiver.release()
    connection.close()


def counted(_, delivery):
    delivery.local.failed = True
    delivery.update(Delivery.MODIFIED)
    delivery.settle()


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
peer = Peer()
threading.Thread(target=Container(peer).run, daemon=True).start()
peer.listening.wait(10)
changed = False
for name, act, expected in (("MessagingHandler.release", lambda: by_handler(lambda handler, each: handler.release(each)), False),
                            ("BlockingReceiver.release", by_blocking, False),
                            ("local.failed = True", lambda: by_handler(counted), True)):
    act()
    try:
        outcome, failed = settled.get(timeout=10)
    except queue.Empty:
        sys.exit(f"a control failed: {name} settled nothing")
    print(f"{name}: {outcome}, delivery-failed {failed}")
    changed |= (outcome, failed) != ("modified", expected)
if changed:
    sys.exit("the behaviour has changed, or a control failed")
EOF
