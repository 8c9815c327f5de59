#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Message headers count in NATS's max_payload, and nats-py does not count them.
#
# Library:  nats-server 2.9.10 (Debian 12) and nats-py 2.16.0
# Expected: the server announces max_payload, and nats-py raises MaxPayloadError for a message that is
#           larger, so one message that is too large costs that message only.
# Happens:  the server counts headers and payload together, nats-py the payload alone. With a payload of
#           100 octets less than the limit and a header of 200 the publish call returns, the server
#           closes the connection ("maximum payload exceeded"), and the client, which is set to
#           reconnect ten times, ends as closed. All publishers that share it fail from then on.
# Seen:
#   payload max_payload + 1: MaxPayloadError
#   payload max_payload - 100, header 200: publish returned; connection lost; client closed: True
#   the next publish: ConnectionClosedError
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 300 venv/bin/pip install -q nats-py==2.16.0; } || unable "pip install failed"
timeout 120 apt-get -q download nats-server=2.9.10-1+b3 >/dev/null 2>&1 || unable "no package nats-server 2.9.10"
dpkg-deb -x nats-server_*.deb root
root/usr/sbin/nats-server --version
timeout 60 venv/bin/python - <<'EOF'
import asyncio, socket, subprocess, sys
import nats
from nats.errors import ConnectionClosedError, MaxPayloadError

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


async def connect(**options):
    for _ in range(50):
        try:
            return await nats.connect(f"nats://127.0.0.1:{port}", **options)
        except (OSError, nats.errors.NoServersError):
            await asyncio.sleep(0.1)
    sys.exit(2)


async def quiet(error):
    pass


async def run():
    lost = asyncio.Event()

    async def disconnected():
        lost.set()

    await (await connect(allow_reconnect=False, error_cb=quiet)).close()
    client = await connect(max_reconnect_attempts=10, reconnect_time_wait=0.2, error_cb=quiet,
                           disconnected_cb=disconnected)
    limit = client.max_payload
    try:
        await client.publish("mail", bytes(limit + 1))
        print("payload max_payload + 1: published")
    except MaxPayloadError as error:
        print("payload max_payload + 1:", type(error).__name__)
    await client.publish("mail", bytes(limit - 100), headers={"name": "x" * 200})
    await asyncio.wait_for(lost.wait(), 10)
    for _ in range(30):
        if client.is_closed:
            break
        await asyncio.sleep(0.1)
    print("payload max_payload - 100, header 200: publish returned; connection lost; client closed:",
          client.is_closed)
    try:
        await client.publish("mail", b"hello")
        await client.flush(5)
        return "delivered"
    except ConnectionClosedError as error:
        return type(error).__name__


server = subprocess.Popen(["root/usr/sbin/nats-server", "-a", "127.0.0.1", "-p", str(port)],
                          stderr=subprocess.DEVNULL)
try:
    after = asyncio.run(run())
except asyncio.TimeoutError:
    sys.exit("the behaviour has changed: the connection was not closed")
finally:
    server.kill()
    server.wait()
print("the next publish:", after)
if after != "ConnectionClosedError":
    sys.exit("the behaviour has changed: the client can go on")
EOF
