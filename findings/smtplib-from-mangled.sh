#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# smtplib's send_message() changes body lines that begin with "From ".
#
# Library:  CPython's smtplib and email; seen with 3.11.2 and 3.13.0. The python3 on PATH is what is run.
# Expected: ">From " is the quoting of mbox files. email.policy.SMTP has mangle_from_ = False, and
#           message.as_bytes() of that policy gives the body as it is. send_message() is documented as
#           sendmail() with the message as bytes, so the same bytes go over SMTP.
# Happens:  the server gets ">From ", whatever the message's policy says. A signature that was made over
#           as_bytes() (DKIM, S/MIME, PGP) no longer matches what was sent.
# Seen:
#   mangle_from_ of the policy: False
#   as_bytes():                 b'From here on\r\n'
#   over SMTP:                  b'>From here on\r\n'
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
command -v python3 >/dev/null || { echo "cannot be run here: no python3" >&2; exit 2; }
timeout 60 python3 - <<'EOF'
import smtplib, socketserver, sys, threading
from email.message import EmailMessage
from email.policy import SMTP

received = []


class Server(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self):
        self.wfile.write(b"220 mx.example.org ESMTP\r\n")
        for line in self.rfile:
            if line[:4].upper() == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while (text := self.rfile.readline()) not in (b".\r\n", b""):
                    received.append(text)
            self.wfile.write(b"221 bye\r\n" if line[:4].upper() == b"QUIT" else b"250 ok\r\n")


server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
message = EmailMessage(policy=SMTP)
message["From"] = "from@example.org"
message["To"] = "to@example.org"
message.set_content("From here on\n")
with smtplib.SMTP(*server.server_address, timeout=5) as client:
    client.send_message(message)
before, after = message.as_bytes().splitlines(True)[-1], received[-1]
print("mangle_from_ of the policy:", message.policy.mangle_from_)
print("as_bytes():                ", before)
print("over SMTP:                 ", after)
if (message.policy.mangle_from_, before, after) != (False, b"From here on\r\n", b">From here on\r\n"):
    sys.exit("the behaviour has changed: send_message() sends the line as it is")
EOF
