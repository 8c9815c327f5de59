#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Qpid Broker-J detaches the sender instead of rejecting, unless the sender listed "rejected".
#
# Library:  Apache Qpid Broker-J 9.2.0; python-qpid-proton 0.40.0 as the client
# Expected: a full queue with overflowPolicy REJECT settles the message as "rejected", which every AMQP 1.0
#           receiver may do; the link stays and can be used when there is room.
# Happens:  it does so only where the source of the sender's attach lists rejected among its outcomes.
#           Proton lists none by default. Then the broker detaches the whole link with
#           amqp:resource-limit-exceeded, and the message gets no outcome.
# Seen:
#   outcomes listed: rejected, rejected; detached: None
#   no outcomes: LinkDetached; detached: amqp:resource-limit-exceeded
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
# Needs Java 17, Maven and Python.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 400 venv/bin/pip install -q python-qpid-proton==0.40.0; } ||
    unable "pip install failed"
timeout 500 mvn -q -B dependency:copy -Dartifact=org.apache.qpid:apache-qpid-broker-j:9.2.0:tar.gz:bin \
    -DoutputDirectory="$tmp" >/dev/null 2>&1 || unable "mvn failed"
tar -xf apache-qpid-broker-j-*.tar.gz
timeout 120 venv/bin/python - <<'EOF'
import glob, json, os, socket, subprocess, sys
from proton import Data, Message
from proton.reactor import LinkOption
from proton.utils import BlockingConnection, LinkDetached, SendException

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
host = {"type": "Memory", "queues": [{"name": "full", "maximumQueueDepthMessages": 1,
                                      "overflowPolicy": "REJECT"}]}
with open("initial.json", "w") as file:
    json.dump({"name": "finding", "modelVersion": "9.0",
               "authenticationproviders": [{"name": "anonymous", "type": "Anonymous"}],
               "brokerloggers": [{"name": "stdout", "type": "Console", "brokerloginclusionrules": [
                   {"name": "all", "type": "NameAndLevel", "level": "INFO", "loggerName": "qpid.message.*"}]}],
               "ports": [{"name": "amqp", "port": port, "bindingAddress": "127.0.0.1",
                          "protocols": ["AMQP_1_0"], "authenticationProvider": "anonymous",
                          "virtualhostaliases": [{"name": "default", "type": "defaultAlias"},
                                                 {"name": "hostname", "type": "hostnameAlias"}]}],
               "virtualhostnodes": [{"name": "default", "type": "Memory", "defaultVirtualHostNode": "true",
                                     "virtualHostInitialConfiguration": json.dumps(host)}]}, file)


class Outcomes(LinkOption):
    """Lists all outcomes in the source of the sender's attach."""

    def apply(self, link):
        outcomes = link.source.outcomes
        outcomes.put_array(False, Data.SYMBOL)
        outcomes.enter()
        for each in ("accepted", "rejected", "released", "modified"):
            outcomes.put_symbol(f"amqp:{each}:list")
        outcomes.exit()


def send_twice(option):
    connection = BlockingConnection(f"127.0.0.1:{port}", timeout=20)
    sender = connection.create_sender("full", options=option)
    results = []
    try:
        for _ in range(2):
            try:
                sender.send(Message(body="hello"))
                results.append("accepted")
            except SendException as error:
                results.append(str(error.state.name).lower())
    except LinkDetached:
        results.append("LinkDetached")
    condition = sender.link.remote_condition
    connection.close()
    return results, condition and condition.name


home = glob.glob("apache-qpid-broker-j-*/bin") + glob.glob("qpid-broker/*/bin")
broker = subprocess.Popen([f"{home[0]}/qpid-server", "-icp", "initial.json"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, start_new_session=True,
                          env={**os.environ, "QPID_WORK": "work", "QPID_JAVA_MEM": "-Xmx256m"})
try:
    for line in broker.stdout:
        if b"BRK-1004" in line:
            break
    else:
        print("cannot be run here: the broker did not start", file=sys.stderr)
        sys.exit(2)
    connection = BlockingConnection(f"127.0.0.1:{port}", timeout=20)
    connection.create_sender("full").send(Message(body="fills the queue"))
    connection.close()
    with_outcomes, without = send_twice(Outcomes()), send_twice(None)
finally:
    os.killpg(broker.pid, 15)
    try:
        broker.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(broker.pid, 9)
        broker.wait()
for name, (results, condition) in (("outcomes listed", with_outcomes), ("no outcomes", without)):
    print(f"{name}: {', '.join(results)}; detached: {condition}")
if (with_outcomes != (["rejected", "rejected"], None)
        or without != (["LinkDetached"], "amqp:resource-limit-exceeded")):
    sys.exit("the behaviour has changed")
EOF
