#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A credit of one that rhea grants is a credit of six for RabbitMQ 4.
#
# Library:  rhea 3.0.5 (AMQP 1.0 for Node.js), as a receiver; go-amqp 1.7.0 as the control
# Expected: a receiver takes its delivery-count from the initial-delivery-count of the sender's attach, and
#           puts it into each flow (AMQP 1.0, 2.6.7). The sender may send until its own delivery-count is
#           the flow's delivery-count plus its link-credit, in the arithmetic of serial numbers.
# Happens:  rhea begins at 0 whatever the attach says. RabbitMQ 4 begins at 4294967291, five below zero, so
#           add_credit(1) lets it send six messages, and so it goes on: a consumer that takes one message at
#           a time holds six. rhea prints "Received transfer when credit was 0". The peer here is a socket
#           that answers with RabbitMQ's attach and works out the credit from the flow.
# Seen:
#   rhea, 1 granted from 4294967291: delivery-count 0, link-credit 1, so 6 messages
#   rhea, 1 granted from 0: delivery-count 0, link-credit 1, so 1 messages
#   go-amqp, 1 granted from 4294967291: delivery-count 4294967291, link-credit 1, so 1 messages
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only. Seen with Node.js 20.20.2 and Go 1.26.8.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 400 venv/bin/pip install -q python-qpid-proton==0.40.0; } ||
    unable "pip install failed"
echo '{"private": true}' > package.json
timeout 120 npm install --silent --no-audit --no-fund rhea@3.0.5 >/dev/null || unable "npm install failed"
cat > receive.js <<'EOF'
const rhea = require('rhea');
const receiver = rhea.connect({ host: '127.0.0.1', port: process.argv[2], username: 'anonymous', reconnect: false })
  .open_receiver({ source: 'mail', autoaccept: false, credit_window: 0 });
receiver.on('receiver_open', () => receiver.add_credit(1));
EOF
cat > main.go <<'EOF'
package main

import (
	"context"
	"os"

	"github.com/Azure/go-amqp"
)

func main() {
	ctx := context.Background()
	connection, err := amqp.Dial(ctx, "amqp://127.0.0.1:"+os.Args[1], &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
	if err != nil {
		panic(err)
	}
	session, err := connection.NewSession(ctx, nil)
	if err != nil {
		panic(err)
	}
	receiver, err := session.NewReceiver(ctx, "mail", &amqp.ReceiverOptions{Credit: 1})
	if err != nil {
		panic(err)
	}
	receiver.Receive(ctx, nil)
}
EOF
export GOFLAGS=-modcacherw GOMODCACHE=$tmp/modules
{ go mod init example.org/finding && timeout 200 go get github.com/Azure/go-amqp@v1.7.0 && timeout 200 go build -o receive .; } \
    >/dev/null 2>&1 || unable "go build failed"
timeout 100 venv/bin/python - <<'EOF'
import socket
import struct
import subprocess
import sys

from proton import Data

OPEN, BEGIN, ATTACH, FLOW, MECHANISMS, OUTCOME, SOURCE = 0x10, 0x11, 0x12, 0x13, 0x40, 0x44, 0x28
HEADER, SASL = b"AMQP\0\1\0\0", b"AMQP\3\1\0\0"


def exactly(stream, count):
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            sys.exit("a control failed: the client left")
        data += more
    return data


def frame(code, fields, kind=0):
    """fields: (Data's putter, values...) each."""
    data = Data()
    data.put_described()
    data.enter()
    data.put_ulong(code)
    data.put_list()
    data.enter()
    for putter, *values in fields:
        if putter == "source":
            data.put_described()
            data.enter()
            data.put_ulong(SOURCE)
            data.put_list()
            data.enter()
            data.put_string(*values)
            data.exit()
            data.exit()
        else:
            getattr(data, f"put_{putter}")(*values)
    body = data.encode()
    return struct.pack(">IBBH", 8 + len(body), 2, kind, 0) + body


def read(stream):
    """(code, fields) of the next frame that is not empty."""
    while True:
        size, offset = struct.unpack(">IBxxx", exactly(stream, 8))
        body = exactly(stream, size - 8)[4 * offset - 8:]
        if body:
            data = Data()
            data.decode(body)
            data.next()
            described = data.get_py_described()
            return int(described.descriptor), described.value


def flow_of(argv, initial):
    """(delivery-count, link-credit) of the client's first flow of a link."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = subprocess.Popen([*argv, str(server.getsockname()[1])])
        try:
            server.settimeout(20)
            stream, _ = server.accept()
            stream.settimeout(20)
            assert exactly(stream, 8) == SASL
            stream.sendall(SASL + frame(MECHANISMS, [("symbol", "ANONYMOUS")], kind=1))
            read(stream)
            stream.sendall(frame(OUTCOME, [("ubyte", 0)], kind=1))
            assert exactly(stream, 8) == HEADER
            stream.sendall(HEADER)
            while True:
                code, fields = read(stream)
                if code == OPEN:
                    stream.sendall(frame(OPEN, [("string", "peer")]))
                elif code == BEGIN:
                    stream.sendall(frame(BEGIN, [("ushort", 0), ("uint", 0), ("uint", 400), ("uint", 400), ("uint", 255)]))
                elif code == ATTACH:
                    stream.sendall(frame(ATTACH, [("string", fields[0]), ("uint", 0), ("bool", False), ("ubyte", 2),
                                                  ("ubyte", 0), ("source", "mail"), ("null",), ("null",), ("bool", False),
                                                  ("uint", initial)]))
                elif code == FLOW and len(fields) > 6 and fields[4] is not None:
                    return fields[5], fields[6]
        finally:
            client.kill()
            client.wait()


changed = False
for name, argv, initial, expected in (("rhea", ["node", "receive.js"], 2 ** 32 - 5, 6), ("rhea", ["node", "receive.js"], 0, 1),
                                      ("go-amqp", ["./receive"], 2 ** 32 - 5, 1)):
    count, credit = flow_of(argv, initial)
    allowed = ((count or 0) + credit - initial) % 2 ** 32
    print(f"{name}, 1 granted from {initial}: delivery-count {int(count or 0)}, link-credit {int(credit)}, "
          f"so {allowed} messages")
    changed |= allowed != expected
if changed:
    sys.exit("the behaviour has changed, or a control failed")
EOF
