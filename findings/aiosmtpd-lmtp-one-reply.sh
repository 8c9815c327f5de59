#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# aiosmtpd's LMTP server gives one reply after the final dot, whatever the number of recipients.
#
# Library:  aiosmtpd 1.4.6 (class aiosmtpd.lmtp.LMTP)
# Expected: with two accepted recipients and a handler whose handle_DATA returns "250 stored", the
#           class that is named LMTP sends that reply twice (RFC 2033, section 4.2).
# Happens:  it sends it once. A client that keeps to the RFC waits for the second reply until it times
#           out and then sends the message again, although it was stored for both. smtplib.LMTP reads
#           one reply only, so a test of one against the other passes.
# Seen:
#   recipients accepted: 2
#   reply to the message: 250 stored
#   the next reply is VRFY's: 252 Cannot VRFY user, but will accept message and attempt delivery
#   smtplib.LMTP against it: {}
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 300 venv/bin/pip install -q aiosmtpd==1.4.6; } ||
    { echo "cannot be run here: pip install failed" >&2; exit 2; }
timeout 60 venv/bin/python - <<'EOF'
import smtplib, socket, sys
from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP


class Handler:
    async def handle_DATA(self, server, session, envelope):
        self.recipients = list(envelope.rcpt_tos)
        return "250 stored"


class LmtpController(Controller):
    def factory(self):
        return LMTP(self.handler)


handler = Handler()
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
controller = LmtpController(handler, hostname="127.0.0.1", port=port)
controller.start()
try:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        replies = peer.makefile("rb")

        def reply():
            while (line := replies.readline())[3:4] == b"-":
                pass
            return line.decode().strip()

        def say(text):
            peer.sendall(text.encode())
            return reply()

        reply()
        for command in ("LHLO client.example.org", "MAIL FROM:<from@example.org>",
                        "RCPT TO:<one@example.org>", "RCPT TO:<two@example.org>", "DATA"):
            say(command + "\r\n")
        first = say("Subject: test\r\n\r\nhello\r\n.\r\n")
        # VRFY has a code of its own (252): it shows whether another 250 stands before it.
        after = say("VRFY someone\r\n")
    client = smtplib.LMTP("127.0.0.1", port, timeout=5)
    refused = client.sendmail("from@example.org", ["one@example.org", "two@example.org"], "hello\r\n")
finally:
    controller.stop()
print("recipients accepted:", len(handler.recipients))
print("reply to the message:", first)
print("the next reply is VRFY's:", after)
print("smtplib.LMTP against it:", refused)
if len(handler.recipients) != 2 or first != "250 stored" or not after.startswith("252"):
    sys.exit("the behaviour has changed: more than one reply for two recipients")
EOF
