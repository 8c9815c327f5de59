#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# smtplib.LMTP reads one reply for all recipients.
#
# Library:  CPython's smtplib; seen with 3.11.2 and 3.13.0. The python3 on PATH is what is run.
# Expected: after the final dot an LMTP server gives one reply for each accepted recipient
#           (RFC 2033, section 4.2). smtplib.LMTP is an LMTP client, so sendmail() reads them all and
#           names a recipient that was refused there in the dictionary that it returns.
# Happens:  it reads the first reply only. The refusal of the second recipient is not reported, stays in
#           the buffer, and is taken for the reply to the next MAIL. From then on each command gets
#           the reply of the one before: the next message is refused with the old one's 452, and the
#           one after that fails with the code 250.
# Seen:
#   1 to=2 {}
#   2 to=1 SMTPSenderRefused 452 b'4.2.2 mailbox full'
#   3 to=1 SMTPDataError 250 b'2.1.5 ok'
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
command -v python3 >/dev/null || { echo "cannot be run here: no python3" >&2; exit 2; }
timeout 60 python3 - <<'EOF'
import smtplib, socketserver, sys, threading


class Server(socketserver.StreamRequestHandler):
    """A correct LMTP server; the mailbox of full@ is over its quota."""

    timeout = 10

    def say(self, *lines):
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def handle(self):
        recipients = []
        self.say("220 mx.example.org LMTP")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self.say("354 go on")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.say(*("452 4.2.2 mailbox full" if b"full@" in each else "250 2.0.0 stored"
                           for each in recipients))
                recipients = []
            elif verb == b"RCPT":
                recipients.append(line)
                self.say("250 2.1.5 ok")
            else:
                if verb in (b"MAIL", b"RSET"):
                    recipients = []
                self.say("250 2.0.0 ok")


server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
client = smtplib.LMTP(*server.server_address, timeout=5)
seen = []
for number, to in enumerate((["ok@example.org", "full@example.org"], ["ok@example.org"],
                             ["ok@example.org"]), 1):
    try:
        result = client.sendmail("from@example.org", to, "Subject: test\r\n\r\nhello\r\n")
    except smtplib.SMTPResponseException as error:
        result = f"{type(error).__name__} {error.smtp_code} {error.smtp_error}"
    seen.append(str(result))
    print(number, f"to={len(to)}", result)
if seen != ["{}", "SMTPSenderRefused 452 b'4.2.2 mailbox full'", "SMTPDataError 250 b'2.1.5 ok'"]:
    sys.exit("the behaviour has changed: smtplib.LMTP no longer takes one reply for all recipients")
EOF
