#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# rhea tells the peer the outcome of one delivery for the next one too.
#
# Library:  rhea 3.0.5 (AMQP 1.0 for Node.js), as a receiver, against python-qpid-proton 0.40.0 as the peer
# Expected: delivery.accept() and delivery.reject() settle the delivery that they belong to.
# Happens:  dispositions of one turn of the event loop are sent together, as a range where the outcomes are
#           the same. The second delivery of a range is never compared with the first, so of two that are
#           settled in one turn both get the first one's outcome. A handler that decides without waiting is
#           called for all messages of one read in the same turn. A rejected message is accepted, and
#           gone; an accepted one is rejected, and goes to the dead letters. A third delivery gets its own.
#           Settling at most one delivery a turn (setImmediate) avoids it.
# Seen:
#   accept, reject, in one turn: accepted, accepted
#   reject, accept, in one turn: rejected, rejected
#   accept, accept, reject, in one turn: accepted, accepted, rejected
#   accept, reject, a turn each: accepted, rejected
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only. Seen with Node.js 20.20.2.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 400 venv/bin/pip install -q python-qpid-proton==0.40.0; } ||
    unable "pip install failed"
echo '{"private": true}' > package.json
timeout 120 npm install --silent --no-audit --no-fund rhea@3.0.5 >/dev/null || unable "npm install failed"
cat > receive.js <<'EOF'
// receive.js PORT OUTCOMES TURN: settles each message with its outcome, as it comes or in a turn of its own.
const rhea = require('rhea');
const [port, outcomes, turn] = process.argv.slice(2);
const names = outcomes.split(',');
let settled = Promise.resolve();
rhea.on('message', ({ delivery }) => {
  const name = names.shift();
  if (turn === 'own') {
    settled = settled.then(() => new Promise((done) => setImmediate(() => done(delivery[name]()))));
  } else {
    delivery[name]();
  }
});
rhea.on('disconnected', () => process.exit(0));
rhea.on('connection_close', () => process.exit(0));
rhea.connect({ host: '127.0.0.1', port, username: 'anonymous', reconnect: false })
  .open_receiver({ source: 'mail', autoaccept: false, credit_window: 10 });
EOF
timeout 100 venv/bin/python - <<'EOF'
import socket
import subprocess
import sys

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

CASES = [("accept,reject", "one", ["accepted", "accepted"]),
         ("reject,accept", "one", ["rejected", "rejected"]),
         ("accept,accept,reject", "one", ["accepted", "accepted", "rejected"]),
         ("accept,reject", "own", ["accepted", "rejected"])]


class Peer(MessagingHandler):
    """Sends as many messages as there are outcomes, at once, and notes how each is settled."""

    def __init__(self, outcomes, turn):
        super().__init__()
        self.outcomes, self.turn = outcomes, turn
        self.seen, self.sent = {}, 0

    def on_start(self, event):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.acceptor = event.container.listen(f"127.0.0.1:{port}")
        self.client = subprocess.Popen(["node", "receive.js", str(port), self.outcomes, self.turn])
        event.container.schedule(15, self)

    def on_link_opening(self, event):
        event.link.source.address = event.link.remote_source.address

    def on_sendable(self, event):
        while self.sent < len(self.outcomes.split(",")):
            self.sent += 1
            event.sender.send(Message(body="hello"), tag=str(self.sent))

    def note(self, event, outcome):
        self.seen[event.delivery.tag] = outcome
        if len(self.seen) == self.sent:
            event.connection.close()
            self.end()

    def on_accepted(self, event):
        self.note(event, "accepted")

    def on_rejected(self, event):
        self.note(event, "rejected")

    def on_timer_task(self, event):
        self.end()

    def end(self):
        self.acceptor.close()
        self.client.kill()
        self.client.wait()
        Container.stop(self.container)


changed = False
for outcomes, turn, expected in CASES:
    peer = Peer(outcomes, turn)
    peer.container = Container(peer)
    peer.container.run()
    seen = [peer.seen.get(str(number + 1), "nothing") for number in range(len(expected))]
    print(f"{outcomes.replace(',', ', ')}, {'in one turn' if turn == 'one' else 'a turn each'}: {', '.join(seen)}")
    changed |= seen != expected
if changed:
    sys.exit("the behaviour has changed, or a control failed")
EOF
