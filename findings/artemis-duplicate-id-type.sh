#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Artemis rejects a message whose duplicate id is a UUID.
#
# Library:  Apache ActiveMQ Artemis 2.40.0, default settings; python-qpid-proton 0.40.0 as the client
# Expected: _AMQ_DUPL_ID is an application property, and AMQP has a type for UUIDs, which an id often is.
#           The broker compares it, or takes no notice of a type that it does not know.
# Happens:  string and binary work. With a uuid, a number or a symbol each message is settled as "rejected"
#           from the first one on, as if the message itself were bad. (2.31.2 rejects binary too.)
# Seen:
#   str: outcomes [36, 36], received 1
#   bytes: outcomes [36, 36], received 1
#   UUID: outcomes [37, 37], received 0
#   int: outcomes [37, 37], received 0
#   symbol: outcomes [37, 37], received 0
#   (36 is accepted, 37 rejected; each id is sent twice)
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
import uuid
from proton import Message, Timeout, symbol
from proton.reactor import LinkOption
from proton.utils import BlockingConnection, SendException

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


class Queue(LinkOption):
    """Asks for a queue at the address, and not for a topic."""

    def apply(self, link):
        (link.target if link.is_sender else link.source).capabilities.put_symbol("queue")


def send(sender, identity):
    try:
        return int(sender.send(Message(body="hello", properties={"_AMQ_DUPL_ID": identity})).remote_state)
    except SendException as error:
        return int(error.state)


def run():
    seen = {}
    for identity in ("one", b"one", uuid.uuid4(), 1, symbol("one")):
        name = type(identity).__name__
        connection = BlockingConnection(f"127.0.0.1:{port}", timeout=20)
        sender = connection.create_sender(f"mail.{name}", options=Queue())
        outcomes = [send(sender, identity) for _ in range(2)]
        receiver = connection.create_receiver(f"mail.{name}", options=Queue(), credit=10)
        received = 0
        try:
            while receiver.receive(timeout=2):
                receiver.accept()
                received += 1
        except Timeout:
            pass
        connection.close()
        print(f"{name}: outcomes {outcomes}, received {received}")
        seen[name] = (outcomes, received)
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
if seen != {"str": ([36, 36], 1), "bytes": ([36, 36], 1), "UUID": ([37, 37], 0), "int": ([37, 37], 0),
            "symbol": ([37, 37], 0)}:
    sys.exit(f"the behaviour has changed: outcomes and messages are {seen}")
EOF
