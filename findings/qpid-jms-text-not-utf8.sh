#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A message that Qpid JMS cannot show cannot be rejected either.
#
# Library:  Apache Qpid JMS 2.6.1, against python-qpid-proton 0.40.0 as the peer
# Expected: receive() gives each message, and getText() throws where a text is malformed. So a consumer can
#           reject a message that it cannot read, and go on.
# Happens:  a data section whose content type is text (application/json, text/plain, ...) becomes a
#           TextMessage. receive() copies the message before it gives it out, and decodes the text for the
#           copy: where that is no UTF-8, receive() throws JMSException, and the consumer never has the message.
#           The end of the session releases it, uncounted, so it comes again, in front of the others. The same
#           octets without a content type, or as application/octet-stream, arrive as a BytesMessage.
# Seen:
#   application/json, {"a": 1}: receive() gave JmsTextMessage, acknowledged: accepted
#   application/json, 0xff: receive() threw JMSException: Cannot decode String in UTF-8: released
#   application/octet-stream, 0xff: receive() gave JmsBytesMessage, acknowledged: accepted
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
# Needs a JDK of version 17 or later, Maven and Python.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 400 venv/bin/pip install -q python-qpid-proton==0.40.0; } ||
    unable "pip install failed"
cat > pom.xml <<'EOF'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.example</groupId>
  <artifactId>finding</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.qpid</groupId>
      <artifactId>qpid-jms-client</artifactId>
      <version>2.6.1</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId>
      <artifactId>slf4j-nop</artifactId>
      <version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
EOF
timeout 300 mvn -q -B dependency:copy-dependencies -DoutputDirectory="$tmp/lib" >/dev/null 2>&1 || unable "Maven has no Qpid JMS"
cat > Receive.java <<'EOF'
import jakarta.jms.*;
import org.apache.qpid.jms.JmsConnectionFactory;

public class Receive {
    public static void main(String[] arguments) throws Exception {
        try (Connection connection = new JmsConnectionFactory(arguments[0]).createConnection()) {
            connection.start();
            Session session = connection.createSession(false, Session.CLIENT_ACKNOWLEDGE);
            MessageConsumer consumer = session.createConsumer(session.createQueue("mail"));
            try {
                Message message = consumer.receive(10000);
                System.out.println("gave " + (message == null ? "nothing" : message.getClass().getSimpleName()) + ", acknowledged");
                message.acknowledge();
            } catch (JMSException error) {
                System.out.println("threw JMSException: " + error.getMessage());
            }
        }
    }
}
EOF
timeout 200 venv/bin/python - <<'EOF'
import socket
import subprocess
import sys
import threading

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

CASES = [("application/json", b'{"a": 1}', "gave JmsTextMessage, acknowledged", "accepted"),
         ("application/json", b"\xff", "threw JMSException: Cannot decode String in UTF-8", "released"),
         ("application/octet-stream", b"\xff", "gave JmsBytesMessage, acknowledged", "accepted")]


class Peer(MessagingHandler):
    """Sends each receiver the message of the case, and notes how it is settled."""

    def __init__(self):
        super().__init__()
        self.listening, self.left = threading.Event(), threading.Event()
        self.served = set()

    def on_start(self, event):
        self.acceptor = event.container.listen(f"127.0.0.1:{port}")
        self.listening.set()

    def on_link_opening(self, event):
        event.link.source.address = event.link.remote_source.address

    def on_sendable(self, event):
        if event.sender.name not in self.served:
            self.served.add(event.sender.name)
            event.sender.send(Message(body=self.body, content_type=self.kind, inferred=True))

    def on_accepted(self, event):
        self.outcome = "accepted"

    def on_rejected(self, event):
        self.outcome = "rejected"

    def on_released(self, event):
        self.outcome = "released"

    def on_connection_closing(self, event):
        self.left.set()


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
peer = Peer()
threading.Thread(target=Container(peer).run, daemon=True).start()
peer.listening.wait(10)
changed = False
for kind, body, expected, outcome in CASES:
    peer.kind, peer.body, peer.outcome = kind, body, "not settled"
    peer.left.clear()
    done = subprocess.run(["java", "-cp", "lib/*", "Receive.java", f"amqp://127.0.0.1:{port}"], capture_output=True, text=True,
                          timeout=60)
    said = done.stdout.strip()
    if not said or not peer.left.wait(10):
        sys.exit(f"a control failed: the receiver said nothing, or did not leave: {done.stderr}")
    shown = body.decode() if body[:1] == b"{" else "0x" + body.hex()
    print(f"{kind}, {shown}: receive() {said}: {peer.outcome}")
    changed |= (said, peer.outcome) != (expected, outcome)
if changed:
    sys.exit("the behaviour has changed, or a control failed")
EOF
