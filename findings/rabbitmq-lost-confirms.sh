#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RabbitMQ: one publish to a missing exchange costs the confirms of the messages before it.
#
# Library:  RabbitMQ 3.10.8 (Debian 12); pika 1.4.4 as the client
# Expected: on a channel in confirm mode 20 persistent messages go to a durable queue and then one to an
#           exchange that does not exist. The 20 are confirmed, and the channel is closed with 404.
# Happens:  the channel is closed with 404, and confirms for the 20 never come, although all of them
#           are in the queue. A client that takes unconfirmed for lost sends them again, so they come
#           twice. Where the exchange comes from outside, a channel for each exchange keeps them apart.
# Seen:
#   events of the channel: ['closed with 404']
#   messages in the queue: 20
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
{ python3 -m venv venv && timeout 400 venv/bin/pip install -q pika==1.4.4; } || unable "pip install failed"
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
echo '[].' > plugins
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

where = pika.ConnectionParameters("127.0.0.1", int(sys.argv[1]), socket_timeout=10)
with pika.BlockingConnection(where) as connection:
    connection.channel().queue_declare("mail", durable=True)
events = []


def opened(connection):
    connection.channel(on_open_callback=ready)


def ready(channel):
    def closed(_, reason):
        events.append(f"closed with {reason.reply_code}")
        # Gives a late confirm the time to come.
        connection.ioloop.call_later(1, connection.close)

    channel.add_on_close_callback(closed)
    channel.confirm_delivery(lambda frame: events.append(frame.method.NAME), lambda _: publish(channel))


def publish(channel):
    durable = pika.BasicProperties(delivery_mode=2)
    for number in range(20):
        channel.basic_publish("", "mail", f"message {number}".encode(), durable)
    channel.basic_publish("missing", "mail", b"one more", durable)


connection = pika.SelectConnection(where, on_open_callback=opened,
                                   on_close_callback=lambda *_: connection.ioloop.stop())
connection.ioloop.call_later(20, connection.ioloop.stop)
connection.ioloop.start()
with pika.BlockingConnection(where) as connection:
    stored = connection.channel().queue_declare("mail", passive=True).method.message_count
print("events of the channel:", events)
print("messages in the queue:", stored)
if events != ["closed with 404"] or stored != 20:
    sys.exit("the behaviour has changed: the messages before the bad one are confirmed, or not stored")
EOF
