#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Qpid Proton's prefetch does not bound the messages that are not settled.
#
# Library:  python-qpid-proton 0.40.0 (MessagingHandler)
# Expected: MessagingHandler(prefetch=10, auto_accept=False) holds at most ten messages until they are settled,
#           as a prefetch of AMQP 0-9-1 does, and the prefetch of JMS clients.
# Happens:  each delivery gives one credit back at once, settled or not. A consumer that hands its messages to
#           slower work gets the whole queue into its memory, other consumers get nothing, and when it ends
#           all of it comes again. prefetch=0 with receiver.flow(1) after each settlement bounds them.
# Seen:
#   prefetch=10: 5000 of 5000 messages held, none settled
#   prefetch=0, flow(10): 10 of 5000 messages held, none settled
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 400 venv/bin/pip install -q python-qpid-proton==0.40.0; } ||
    { echo "cannot be run here: pip install failed" >&2; exit 2; }
timeout 60 venv/bin/python - <<'EOF'
import socket
import sys
import threading

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

MESSAGES = 5000
QUIET = 2  # seconds without a message: no more come


class Peer(MessagingHandler):
    """Sends each receiver as many messages as its credit allows."""

    def __init__(self):
        super().__init__()
        self.listening = threading.Event()
        self.sent = {}

    def on_start(self, event):
        self.acceptor = event.container.listen(f"127.0.0.1:{port}")
        self.listening.set()

    def on_link_opening(self, event):
        event.link.source.address = event.link.remote_source.address

    def on_sendable(self, event):
        sent = self.sent.get(event.sender.name, 0)
        while event.sender.credit and sent < MESSAGES:
            event.sender.send(Message(body="hello"))
            sent += 1
        self.sent[event.sender.name] = sent


class Consumer(MessagingHandler):
    def __init__(self, prefetch, credit):
        super().__init__(prefetch=prefetch, auto_accept=False)
        self.credit, self.held, self.looked = credit, 0, -1

    def on_start(self, event):
        self.container = event.container
        self.connection = event.container.connect(f"127.0.0.1:{port}", reconnect=False)
        receiver = event.container.create_receiver(self.connection, "mail")
        if self.credit:
            receiver.flow(self.credit)
        event.container.schedule(QUIET, self)

    def on_message(self, event):
        self.held += 1

    def on_timer_task(self, event):
        if self.looked == self.held:
            self.connection.close()
        else:
            self.looked = self.held
            self.container.schedule(QUIET, self)


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
peer = Peer()
threading.Thread(target=Container(peer).run, daemon=True).start()
peer.listening.wait(10)
changed = False
for name, prefetch, credit, expected in (("prefetch=10", 10, 0, MESSAGES), ("prefetch=0, flow(10)", 0, 10, 10)):
    consumer = Consumer(prefetch, credit)
    Container(consumer).run()
    print(f"{name}: {consumer.held} of {MESSAGES} messages held, none settled")
    changed |= consumer.held != expected
if changed:
    sys.exit("the behaviour has changed, or a control failed")
EOF
