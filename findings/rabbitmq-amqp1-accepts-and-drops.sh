#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RabbitMQ 3's AMQP 1.0 plugin accepts messages that go nowhere, and makes queues that do not last.
#
# Library:  RabbitMQ 3.10.8 with rabbitmq_amqp1_0 (Debian 12); python-qpid-proton 0.40.0 as the client
# Expected: "accepted" says that the broker has the message; for a target that does not exist, or that routes
#           to no queue, the link is refused or the message released. A durable message to a queue
#           that the broker makes for the sender is kept over a restart.
# Happens:  to /amq/queue/NAME where no such queue exists, and to /exchange/NAME/KEY where nothing is bound, the
#           message is accepted and is gone. /queue/NAME makes the queue, but a transient one unless
#           the target asks for terminus durability (2, unsettled-state): it and its durable messages end with the broker.
# Seen:
#   /amq/queue/missing: outcome 36 (accepted); queues: none
#   /exchange/amq.direct/unbound: outcome 36 (accepted); queues: none
#   /queue/plain: outcome 36 (accepted); queues: plain durable=False messages=1
#   /queue/lasting, durability 2: outcome 36 (accepted); queues: lasting durable=True messages=1
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
children=()
clean() {
    for child in "${children[@]}"; do
        kill "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    done
    rm -rf "$tmp"
}
trap clean EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 400 venv/bin/pip install -q python-qpid-proton==0.40.0 pika==1.4.4; } || unable "pip install failed"
# A superseded version leaves the archive; then the release's present ones are tried.
erlang_version=1:25.2.3+dfsg-1+deb12u4
packages=(rabbitmq-server=3.10.8-1.1+deb12u1
    erlang-{asn1,base,crypto,eldap,ftp,inets,mnesia,os-mon,parsetools}"=$erlang_version"
    erlang-{public-key,runtime-tools,snmp,ssl,syntax-tools,tftp,tools,xmerl}"=$erlang_version")
{ timeout 300 apt-get -q download "${packages[@]}" || timeout 300 apt-get -q download "${packages[@]%%=*}"; } \
    >/dev/null 2>&1 || unable "apt-get download failed"
for package in *.deb; do dpkg-deb -x "$package" root; done
erlang=$tmp/root/usr/lib/erlang
sed -i "s#=/usr/lib/erlang\$#=$erlang#" "$erlang/bin/erl"
read -r port epmd_port dist_port < <(python3 -c '
import socket
probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(each.getsockname()[1] for each in probes))')
echo '[rabbitmq_amqp1_0].' > plugins
echo "disk_free_limit.absolute = 1MB" > rabbitmq.conf
export PATH="$erlang/bin:$PATH" HOME=$tmp LANG=C.UTF-8 ERL_EPMD_PORT=$epmd_port ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_NODENAME=finding@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=$port
export RABBITMQ_DIST_PORT=$dist_port RABBITMQ_MNESIA_BASE=$tmp/data RABBITMQ_PID_FILE=$tmp/pid RABBITMQ_LOGS=-
export RABBITMQ_ENABLED_PLUGINS_FILE=$tmp/plugins RABBITMQ_CONFIG_FILE=$tmp/rabbitmq
export RABBITMQ_CONF_ENV_FILE=$tmp/none RABBITMQ_LOG_BASE=$tmp/log ERL_CRASH_DUMP=/dev/null
timeout 200 "$erlang"/erts-*/bin/epmd -address 127.0.0.1 -port "$epmd_port" >/dev/null 2>&1 &
children+=($!)
timeout 180 "$tmp/root/usr/lib/rabbitmq/bin/rabbitmq-server" > broker.log 2>&1 &
children=($! "${children[@]}")
for ((i = 0; i < 300; i++)); do
    grep -q 'Server startup complete' broker.log && break
    sleep 0.2
done
grep -q 'Server startup complete' broker.log || unable "the broker did not start"
timeout 60 venv/bin/python - "$port" <<'EOF'
import sys
import pika
from proton import Message, Terminus
from proton.reactor import LinkOption
from proton.utils import BlockingConnection

port = int(sys.argv[1])


class Durable(LinkOption):
    def apply(self, link):
        link.target.durability = Terminus.DELIVERIES


def queue(name):
    """Returns durability and message count of a queue, by declaring it passively and then as each kind."""
    with pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port)) as connection:
        try:
            count = connection.channel().queue_declare(name, passive=True).method.message_count
        except pika.exceptions.ChannelClosedByBroker:
            return "none"
        for durable in (True, False):
            try:
                connection.channel().queue_declare(name, durable=durable)
                return f"{name} durable={durable} messages={count}"
            except pika.exceptions.ChannelClosedByBroker:
                pass


seen = []
for address, option in (("/amq/queue/missing", None), ("/exchange/amq.direct/unbound", None),
                        ("/queue/plain", None), ("/queue/lasting", Durable())):
    connection = BlockingConnection(f"amqp://guest:guest@127.0.0.1:{port}", timeout=10,
                                    allowed_mechs="PLAIN")
    outcome = connection.create_sender(address, options=option).send(
        Message(body="hello", durable=True)).remote_state
    connection.close()
    seen.append((int(outcome), queue(address.split("/")[-1])))
    print(f"{address}{', durability 2' if option else ''}: outcome {seen[-1][0]} (accepted);",
          "queues:", seen[-1][1])
if seen != [(36, "none"), (36, "none"), (36, "plain durable=False messages=1"),
            (36, "lasting durable=True messages=1")]:
    sys.exit("the behaviour has changed")
EOF
