#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# msmtp sends nothing to anybody when one recipient of several is refused.
#
# Library:  msmtp 1.8.23 (Debian 12)
# Expected: the server takes two of three recipients and refuses the one between them. As sendmail(1),
#           which msmtp stands in for, it delivers to the two and reports the third.
# Happens:  it gives up at the first refused RCPT and exits with 65; the two good recipients get nothing.
#           Where the server offers PIPELINING, msmtp has sent all RCPT and DATA before it reads the refusal,
#           and then closes the connection after the 354, without a message, a RSET or a QUIT, so the
#           server logs a connection that was lost inside DATA.
# Seen:
#   commands: EHLO MAIL RCPT RCPT RCPT DATA, then the end of the connection
#   messages received: 0
#   msmtp: recipient address no@example.org not accepted by the server; exit 65
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
timeout 120 apt-get -q download msmtp=1.8.23-1 >/dev/null 2>&1 || unable "no package msmtp 1.8.23-1"
dpkg-deb -x msmtp_*.deb root
missing=$(ldd root/usr/bin/msmtp | grep 'not found' || true)
[ -z "$missing" ] || unable "msmtp needs" "$missing"
timeout 60 python3 - <<'EOF'
import socketserver, subprocess, sys, threading

commands, messages, ended = [], [], threading.Event()


class Server(socketserver.StreamRequestHandler):
    timeout = 10

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.say("220 mx.example.org ESMTP")
        while line := self.rfile.readline():
            commands.append(line[:4].decode().strip())
            if line.startswith(b"EHLO"):
                self.say("250-mx.example.org\r\n250 PIPELINING")
            elif line.startswith(b"RCPT") and b"no@" in line:
                self.say("550 5.1.1 no such mailbox")
            elif line.startswith(b"DATA"):
                self.say("354 go on")
                while text := self.rfile.readline():
                    if text == b".\r\n":
                        messages.append(text)
                        self.say("250 2.0.0 stored")
                        break
            else:
                self.say("250 2.0.0 ok")
        ended.set()


server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
run = subprocess.run(["root/usr/bin/msmtp", "--file=/dev/null", "--host=127.0.0.1",
                      f"--port={server.server_address[1]}", "--timeout=5", "--from=from@example.org",
                      "one@example.org", "no@example.org", "two@example.org"],
                     input=b"Subject: test\n\nhello\n", capture_output=True, timeout=20)
ended.wait(5)
print("commands:", *commands)
print("messages received:", len(messages))
print(run.stderr.decode().splitlines()[0], f"; exit {run.returncode}")
if commands != ["EHLO", "MAIL", "RCPT", "RCPT", "RCPT", "DATA"] or messages or run.returncode != 65:
    sys.exit("the behaviour has changed: a refused recipient no longer costs the others the message")
EOF
