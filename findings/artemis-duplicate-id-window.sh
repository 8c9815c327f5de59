#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Artemis forgets a duplicate id after 20,000 others.
#
# Library:  Apache ActiveMQ Artemis 2.40.0 (2.31.2 does the same), default settings;
#           python-qpid-proton 0.40.0 as the client
# Expected: _AMQ_DUPL_ID makes the broker drop a message that is sent again after a lost connection, for
#           some time, as other brokers count it (NATS JetStream: two minutes).
# Happens:  it counts ids, not time: the last 20,000 of an address (id-cache-size). A producer that sends
#           20,000 messages between the first try and the second, a few seconds' work, gets
#           the message stored twice, and "accepted" both times. id-cache-size has to be at least
#           the number of messages that may be sent before the last resend.
# Seen:
#   sent: first, 20,000 others, first again, the last of the others again; accepted: 20003
#   received: 20002, of them "first": 2, "other-19999": 1
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
      <groupId>org.apache.activemq</groupId>
      <artifactId>artemis-server</artifactId>
      <version>2.40.0</version>
    </dependency>
    <dependency>
      <groupId>org.apache.activemq</groupId>
      <artifactId>artemis-amqp-protocol</artifactId>
      <version>2.40.0</version>
    </dependency>
  </dependencies>
</project>
EOF
timeout 500 mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib >/dev/null 2>&1 || unable "mvn failed"
cat > Broker.java <<'EOF'
import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;

/** Runs a broker with default address settings until its standard input ends. */
public class Broker {
    public static void main(String[] arguments) throws Exception {
        EmbeddedActiveMQ broker = new EmbeddedActiveMQ();
        broker.setConfiguration(new ConfigurationImpl()
            .setPersistenceEnabled(false).setSecurityEnabled(false).setJMXManagementEnabled(false)
            .addAcceptorConfiguration("amqp", "tcp://127.0.0.1:" + arguments[0] + "?protocols=AMQP"));
        broker.start();
        System.out.println("ready");
        System.in.read();
        System.exit(0);
    }
}
EOF
timeout 150 venv/bin/python - <<'EOF'
import socket, subprocess, sys
from proton import Message, Timeout
from proton.handlers import MessagingHandler
from proton.reactor import Container, LinkOption
from proton.utils import BlockingConnection

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


class Queue(LinkOption):
    """Asks for a queue at the address, and not for a topic."""

    def apply(self, link):
        (link.target if link.is_sender else link.source).capabilities.put_symbol("queue")


class Sender(MessagingHandler):
    def __init__(self, names):
        super().__init__()
        self.left, self.total, self.accepted = iter(names), len(names), 0

    def on_start(self, event):
        self.connection = event.container.connect(f"127.0.0.1:{port}", reconnect=False)
        self.sender = event.container.create_sender(self.connection, "mail", options=Queue())

    def on_sendable(self, event):
        while self.sender.credit and (name := next(self.left, None)):
            self.sender.send(Message(body=name, properties={"_AMQ_DUPL_ID": name}))

    def on_accepted(self, event):
        self.accepted += 1
        if self.accepted == self.total:
            self.connection.close()


def run():
    others = [f"other-{number}" for number in range(20000)]
    sender = Sender(["first", *others, "first", others[-1]])
    Container(sender).run()
    print("sent: first, 20,000 others, first again, the last of the others again; accepted:",
          sender.accepted)
    connection = BlockingConnection(f"127.0.0.1:{port}", timeout=20)
    receiver = connection.create_receiver("mail", options=Queue(), credit=1000)
    received = []
    try:
        while message := receiver.receive(timeout=5):
            receiver.accept()
            received.append(message.body)
    except Timeout:
        pass
    connection.close()
    counts = (len(received), received.count("first"), received.count(others[-1]))
    print('received: {}, of them "first": {}, "other-19999": {}'.format(*counts))
    return (sender.accepted, *counts)

broker = subprocess.Popen(["java", "-Xmx512m", "-cp", "lib/*", "Broker.java", str(port)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
try:
    if broker.stdout.readline() != b"ready\n":
        print("cannot be run here: the broker did not start", file=sys.stderr)
        sys.exit(2)
    seen = run()
finally:
    broker.kill()
    broker.wait()
if seen != (20003, 20002, 2, 1):
    sys.exit(f"the behaviour has changed: accepted, received, first, other-19999 are {seen}")
EOF
