#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# amqplib and aio-pika report success for a message that RabbitMQ returned.
#
# Library:  amqplib 2.3.1 (npm) and aio-pika 10.2.1 (PyPI), against RabbitMQ 3.10.8 (Debian 12)
# Expected: with publisher confirms and the mandatory flag both on, a message that no queue gets is an
#           error for the caller: the flag asks for exactly that.
# Happens:  the broker sends basic.return (312 NO_ROUTE) and then basic.ack, and the ack is what the clients
#           wait for. amqplib's callback has no error and waitForConfirms() resolves; only the channel's
#           "return" event tells, without a link to the call. aio-pika has both flags on by default
#           and its publish() returns as usual; the value is a DeliveredMessage with the return in it
#           where a stored message gives a Basic.Ack. channel(on_return_raises=True) raises.
# Seen:
#   amqplib: return event 312, callback error null, waitForConfirms resolved
#   aio-pika: no exception, DeliveredMessage with Basic.Return
#   aio-pika, on_return_raises: PublishError
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
command -v npm >/dev/null || unable "no npm"
{ python3 -m venv venv && timeout 400 venv/bin/pip install -q aio-pika==10.2.1; } || unable "pip install failed"
echo '{"private": true}' > package.json
timeout 120 npm install --silent --no-audit --no-fund amqplib@2.3.1 >/dev/null || unable "npm install failed"
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
cat > send.js <<'EOF'
const amqplib = require('amqplib');

(async () => {
  const connection = await amqplib.connect(`amqp://guest:guest@127.0.0.1:${process.argv[2]}`);
  const channel = await connection.createConfirmChannel();
  const seen = [];
  channel.on('return', (message) => seen.push(`return event ${message.fields.replyCode}`));
  channel.publish('', 'missing', Buffer.from('hello'), { mandatory: true },
    (error) => seen.push(`callback error ${error}`));
  await channel.waitForConfirms();
  seen.push('waitForConfirms resolved');
  console.log('amqplib:', seen.join(', '));
  await connection.close();
})();
EOF
cat > send.py <<'EOF'
import asyncio, sys
import aio_pika


async def run():
    connection = await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{sys.argv[1]}/")
    async with connection:
        message = aio_pika.Message(b"hello")
        channel = await connection.channel()
        result = await channel.default_exchange.publish(message, "missing", timeout=10)
        print("aio-pika: no exception,", type(result).__name__, "with",
              getattr(result.delivery, "name", type(result.delivery).__name__))
        channel = await connection.channel(on_return_raises=True)
        try:
            await channel.default_exchange.publish(message, "missing", timeout=10)
            print("aio-pika, on_return_raises: no exception")
        except aio_pika.exceptions.DeliveryError as error:
            print("aio-pika, on_return_raises:", type(error).__name__)


asyncio.run(run())
EOF
{ timeout 30 node send.js "$port" && timeout 30 venv/bin/python send.py "$port"; } | tee seen
cat > expected <<'EOF'
amqplib: return event 312, callback error null, waitForConfirms resolved
aio-pika: no exception, DeliveredMessage with Basic.Return
aio-pika, on_return_raises: PublishError
EOF
if ! cmp -s seen expected; then
    echo "the behaviour has changed: a returned message is reported otherwise" >&2
    exit 1
fi
