#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Qpid Proton's BlockingSender reports "modified" and a missing outcome as success.
#
# Library:  python-qpid-proton 0.40.0 (proton.utils.BlockingSender)
# Expected: send() raises SendException unless the peer accepted the message. It does for rejected and
#           for released.
# Happens:  for modified (the peer tried and failed), and where the peer settles without an outcome, send()
#           returns as it does for accepted. The delivery that it returns tells them apart: look at
#           remote_state, or pass error_states=[REJECTED, RELEASED, MODIFIED, 0] to send().
# Seen:
#   accepted: returned, remote_state 36
#   rejected: raised SendException
#   released: raised SendException
#   modified: returned, remote_state 39
#   none: returned, remote_state 0
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 400 venv/bin/pip install -q python-qpid-proton==0.40.0; } ||
    { echo "cannot be run here: pip install failed" >&2; exit 2; }
timeout 60 venv/bin/python - <<'EOF'
import socket, sys, threading
from proton import Delivery, Message
from proton.handlers import MessagingHandler
from proton.reactor import Container
from proton.utils import BlockingConnection, SendException

OUTCOMES = {"accepted": Delivery.ACCEPTED, "rejected": Delivery.REJECTED, "released": Delivery.RELEASED,
            "modified": Delivery.MODIFIED, "none": None}


class Peer(MessagingHandler):
    """Settles each message with the outcome that its subject names."""

    def __init__(self):
        super().__init__(prefetch=10, auto_accept=False)
        self.listening = threading.Event()

    def on_start(self, event):
        self.acceptor = event.container.listen(f"127.0.0.1:{port}")
        self.listening.set()

    def on_link_opening(self, event):
        event.link.target.address = event.link.remote_target.address

    def on_message(self, event):
        if OUTCOMES[event.message.subject]:
            event.delivery.update(OUTCOMES[event.message.subject])
        event.delivery.settle()


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
peer = Peer()
threading.Thread(target=Container(peer).run, daemon=True).start()
peer.listening.wait(10)
connection = BlockingConnection(f"127.0.0.1:{port}", timeout=10)
sender = connection.create_sender("mail")
returned = []
for outcome in OUTCOMES:
    try:
        delivery = sender.send(Message(subject=outcome, body="hello"))
        print(f"{outcome}: returned, remote_state {int(delivery.remote_state)}")
        returned.append(outcome)
    except SendException:
        print(f"{outcome}: raised SendException")
every = [Delivery.REJECTED, Delivery.RELEASED, Delivery.MODIFIED, 0]
for outcome in ("modified", "none"):
    try:
        sender.send(Message(subject=outcome, body="hello"), error_states=every)
        sys.exit(f"the behaviour has changed: error_states does not cover {outcome}")
    except SendException:
        pass
connection.close()
if returned != ["accepted", "modified", "none"]:
    sys.exit(f"the behaviour has changed: send() returns for {returned}")
EOF
