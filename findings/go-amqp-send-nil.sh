#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# go-amqp's Send returns nil for messages that the broker did not take.
#
# Library:  github.com/Azure/go-amqp v1.7.0, against python-qpid-proton 0.40.0 as the peer
# Expected: Send waits for the outcome. Of AMQP 1.0's outcomes only "accepted" means that the broker has
#           the message, so anything else is an error: released (RabbitMQ 4 for a message that no queue
#           gets), modified (a failed delivery), and a settlement without an outcome.
# Happens:  only "rejected" is an error; for the others Send returns nil and the message is gone. The
#           outcome can be had from SendWithReceipt and Wait.
# Seen:
#   accepted: <nil>
#   rejected: the peer rejected the message without specifying an error
#   released: <nil>
#   modified: <nil>
#   none: <nil>
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 400 venv/bin/pip install -q python-qpid-proton==0.40.0; } ||
    unable "pip install failed"
cat > main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/Azure/go-amqp"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	limit, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	connection, err := amqp.Dial(limit, os.Args[1], &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
	check(err)
	session, err := connection.NewSession(limit, nil)
	check(err)
	sender, err := session.NewSender(limit, "mail", nil)
	check(err)
	for _, outcome := range []string{"accepted", "rejected", "released", "modified", "none"} {
		message := amqp.NewMessage([]byte("hello"))
		message.Properties = &amqp.MessageProperties{Subject: &outcome}
		fmt.Printf("%s: %v\n", outcome, sender.Send(limit, message, nil))
	}
}
EOF
cat > go.mod <<'EOF'
module finding

go 1.25

require github.com/Azure/go-amqp v1.7.0
EOF
{ timeout 200 go mod tidy && timeout 300 go build -o send .; } >/dev/null 2>&1 || unable "go build failed"
timeout 60 venv/bin/python - <<'EOF'
import socket, subprocess, sys, threading
from proton import Delivery
from proton.handlers import MessagingHandler
from proton.reactor import Container

OUTCOMES = {"accepted": Delivery.ACCEPTED, "rejected": Delivery.REJECTED, "released": Delivery.RELEASED,
            "modified": Delivery.MODIFIED}


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
        if event.message.subject in OUTCOMES:
            event.delivery.update(OUTCOMES[event.message.subject])
        event.delivery.settle()


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
peer = Peer()
threading.Thread(target=Container(peer).run, daemon=True).start()
peer.listening.wait(10)
run = subprocess.run(["./send", f"amqp://127.0.0.1:{port}"], stdout=subprocess.PIPE, timeout=40)
print(run.stdout.decode(), end="")
if run.returncode:
    sys.exit(run.returncode)
results = dict(line.split(": ", 1) for line in run.stdout.decode().splitlines())
errors = [outcome for outcome, result in results.items() if result != "<nil>"]
if len(results) != 5 or errors != ["rejected"]:
    sys.exit(f"the behaviour has changed: Send returns an error for {errors}")
EOF
