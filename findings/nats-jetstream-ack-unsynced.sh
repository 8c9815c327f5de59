#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# JetStream acknowledges a message before it is on the disk.
#
# Library:  nats-server 2.9.10 (Debian 12) and nats-py 2.16.0; strace 6.1
# Expected: a stream with storage "file" acknowledges a publish (PubAck) when the message is stored, so
#           it survives a power cut, as a persistent message that a broker confirmed does.
# Happens:  the message has been written, but not synchronized. 100 acknowledged publishes, one after the
#           other, make 100 writes to the stream's block file and not one fsync or fdatasync. A killed
#           server loses nothing, for the kernel has the data; a power cut takes what it had not written.
# Seen:
#   acknowledged: 100, writes to the block file: 100, calls of fsync and fdatasync: 0
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
# Needs the permission to trace a child process.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 300 venv/bin/pip install -q nats-py==2.16.0; } || unable "pip install failed"
packages=(nats-server=2.9.10-1+b3 strace=6.1-0.1 libunwind8=1.6.2-3)
timeout 300 apt-get -q download "${packages[@]}" >/dev/null 2>&1 || unable "apt-get download failed"
for package in *.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(echo "$tmp"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
timeout 10 root/usr/bin/strace -o probe true || unable "strace may not trace"
root/usr/sbin/nats-server --version
timeout 90 venv/bin/python - <<'EOF'
import asyncio, os, re, socket, subprocess, sys
import nats

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


async def quiet(error):
    pass


async def run():
    for _ in range(100):
        try:
            client = await nats.connect(f"nats://127.0.0.1:{port}", allow_reconnect=False, error_cb=quiet)
            break
        except (OSError, nats.errors.NoServersError):
            await asyncio.sleep(0.2)
    stream = client.jetstream()
    await stream.add_stream(name="mail", subjects=["mail"], storage="file")
    acknowledged = [await stream.publish("mail", bytes(1000)) for _ in range(100)]
    await client.close()
    return len(acknowledged)


server = subprocess.Popen(
    ["root/usr/bin/strace", "-f", "-y", "-s", "0", "-e", "trace=write,pwrite64,writev,fsync,fdatasync",
     "-o", "trace", "root/usr/sbin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", "store",
     "-P", f"{os.getcwd()}/pid"], stderr=subprocess.DEVNULL)
try:
    acknowledged = asyncio.run(run())
finally:
    # strace ends when the server does; killed first, it would leave the server running.
    with open("pid") as file:
        os.kill(int(file.read()), 9)
    server.wait(20)
with open("trace") as file:
    calls = file.read().splitlines()
writes = sum(bool(re.search(r"write\w*\(\d+<[^>]*\.blk>", call)) for call in calls)
syncs = sum("fsync(" in call or "fdatasync(" in call for call in calls)
print(f"acknowledged: {acknowledged}, writes to the block file: {writes},",
      f"calls of fsync and fdatasync: {syncs}")
if writes < 1:
    print("cannot be run here: the trace does not show the writes", file=sys.stderr)
    sys.exit(2)
if (acknowledged, syncs) != (100, 0):
    sys.exit("the behaviour has changed: acknowledged messages are synchronized")
EOF
