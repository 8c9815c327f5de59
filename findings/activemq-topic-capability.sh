#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# ActiveMQ Classic ignores the target capability "topic" and makes a queue.
#
# Library:  Apache ActiveMQ Classic 6.1.6; python-qpid-proton 0.40.0 as the client
# Expected: the target capabilities "queue" and "topic" say what a node is (the AMQP JMS mapping, and what
#           Artemis goes by). A sender with "topic" to a new name gets a topic or a refusal.
# Happens:  it gets a queue of that name, and the attach response repeats the capability "topic" as if it
#           had been honoured. Subscribers of the topic get nothing, and the queue, which nobody
#           reads, fills up. Only a prefix in the address makes a topic: topic://NAME
# Seen:
#   address "one", capability topic: accepted, the response says ['topic'] -> queue://one
#   address "topic://two", no capability: accepted, the response says [] -> topic://two
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
      <artifactId>activemq-broker</artifactId>
      <version>6.1.6</version>
    </dependency>
    <dependency>
      <groupId>org.apache.activemq</groupId>
      <artifactId>activemq-amqp</artifactId>
      <version>6.1.6</version>
    </dependency>
  </dependencies>
</project>
EOF
timeout 500 mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib >/dev/null 2>&1 || unable "mvn failed"
cat > Broker.java <<'EOF'
import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.command.ActiveMQDestination;

/** Runs a broker; prints its destinations for each line of standard input, and ends with the input. */
public class Broker {
    public static void main(String[] arguments) throws Exception {
        BrokerService broker = new BrokerService();
        broker.setPersistent(false);
        broker.setUseJmx(false);
        broker.setAdvisorySupport(false);
        broker.addConnector("amqp://127.0.0.1:" + arguments[0]);
        broker.start();
        broker.waitUntilStarted();
        System.out.println("ready");
        for (int octet = System.in.read(); octet >= 0; octet = System.in.read()) {
            StringBuilder names = new StringBuilder();
            for (ActiveMQDestination each : broker.getBroker().getDestinations()) {
                names.append(each.getQualifiedName()).append(' ');
            }
            System.out.println(names);
        }
        System.exit(0);
    }
}
EOF
timeout 60 venv/bin/python - <<'EOF'
import socket, subprocess, sys
from proton import Message
from proton.reactor import LinkOption
from proton.utils import BlockingConnection

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


class Topic(LinkOption):
    """Asks for a topic at the address, and not for a queue."""

    def apply(self, link):
        link.target.capabilities.put_symbol("topic")


def symbols(data):
    """Returns the symbols in a field that holds none, one, or an array of them."""
    data.rewind()
    found = data.next() and data.get_object()
    return [str(each) for each in getattr(found, "elements", [found] if found else [])]


def run():
    seen = []
    for address, option, name in (("one", Topic(), "capability topic"),
                                  ("topic://two", None, "no capability")):
        connection = BlockingConnection(f"127.0.0.1:{port}", timeout=20)
        sender = connection.create_sender(address, options=option)
        sender.send(Message(body="hello"))
        response = symbols(sender.link.remote_target.capabilities)
        broker.stdin.write(b"?")
        broker.stdin.flush()
        made = [each for each in broker.stdout.readline().decode().split()
                if each.endswith("//" + address.split("//")[-1])]
        connection.close()
        print(f'address "{address}", {name}: accepted, the response says {response} ->', *made)
        seen.append((response, made))
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
if seen != [(["topic"], ["queue://one"]), ([], ["topic://two"])]:
    sys.exit(f"the behaviour has changed: responses and destinations are {seen}")
EOF
