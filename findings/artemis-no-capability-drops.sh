#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Artemis accepts a message for a new address and drops it, unless the target says "queue".
#
# Library:  Apache ActiveMQ Artemis 2.40.0 (2.31.2 does the same), default address settings;
#           python-qpid-proton 0.40.0 as the client
# Expected: a sender attaches to an address that does not exist yet. Artemis makes addresses and queues
#           by itself (auto-create-queues), so a durable message that it settles as "accepted" can be
#           read from that address later.
# Happens:  without a capability on the target the address is made as multicast, with no queue at all. The
#           message is accepted and is gone; a receiver that comes later gets nothing. With the target
#           capability "queue" the same steps keep it.
# Seen:
#   no capability: outcome 36 (accepted), received later: 0
#   capability queue: outcome 36 (accepted), received later: 1
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
timeout 90 venv/bin/python - <<'EOF'
import socket, subprocess, sys
from proton import Message, Timeout
from proton.reactor import LinkOption
from proton.utils import BlockingConnection

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


class Queue(LinkOption):
    """Asks for a queue at the address, and not for a topic."""

    def apply(self, link):
        (link.target if link.is_sender else link.source).capabilities.put_symbol("queue")


def run():
    seen = []
    for name, option in (("no capability", None), ("capability queue", Queue())):
        connection = BlockingConnection(f"127.0.0.1:{port}", timeout=20)
        address = name.replace(" ", ".")
        outcome = connection.create_sender(address, options=option).send(
            Message(body="hello", durable=True)).remote_state
        receiver = connection.create_receiver(address, options=option, credit=10)
        received = 0
        try:
            while receiver.receive(timeout=3):
                receiver.accept()
                received += 1
        except Timeout:
            pass
        connection.close()
        print(f"{name}: outcome {int(outcome)} (accepted), received later: {received}")
        seen.append((int(outcome), received))
    return seen

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
if seen != [(36, 0), (36, 1)]:
    sys.exit(f"the behaviour has changed: outcome and messages are {seen}")
EOF
