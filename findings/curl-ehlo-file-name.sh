#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# curl says the name of the uploaded file in EHLO.
#
# Library:  curl 7.88.1 with libcurl 7.88.1 (Debian 12: curl, libcurl4)
# Expected: "curl smtp://mx.example.org --upload-file invoice.eml" introduces itself with the name of
#           the host that it runs on, as it does when the message comes from standard input.
# Happens:  for an upload curl appends the file's name to a URL that ends in the host, and libcurl takes
#           the path of an SMTP URL as the EHLO name: the server reads "EHLO invoice.eml". A "/" at the
#           end of the URL does not help. A path of one's own does: smtp://mx.example.org/client.example.org
# Seen:
#   URL without a path, --upload-file invoice.eml: EHLO invoice.eml
#   URL with "/", --upload-file invoice.eml: EHLO invoice.eml
#   URL with a name, --upload-file invoice.eml: EHLO client.example.org
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
# A superseded version leaves the archive; then the release's present ones are tried.
packages=(curl=7.88.1-10+deb12u15 libcurl4=7.88.1-10+deb12u15)
{ timeout 300 apt-get -q download "${packages[@]}" || timeout 300 apt-get -q download "${packages[@]%%=*}"; } \
    >/dev/null 2>&1 || unable "apt-get download failed"
for package in *.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(echo "$tmp"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
missing=$(ldd root/usr/bin/curl | grep 'not found' || true)
[ -z "$missing" ] || unable "curl needs" "$missing"
root/usr/bin/curl --version | sed -n 1p
printf 'Subject: test\r\n\r\nhello\r\n' > invoice.eml
timeout 60 python3 - <<'EOF'
import socketserver, subprocess, sys, threading

commands = []


class Server(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self):
        self.wfile.write(b"220 mx.example.org ESMTP\r\n")
        for line in self.rfile:
            commands.append(line.decode().strip())
            if line[:4] == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
            self.wfile.write(b"250 ok\r\n")


server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
seen = []
for name, path in (("without a path", ""), ('with "/"', "/"), ("with a name", "/client.example.org")):
    commands.clear()
    subprocess.run(["root/usr/bin/curl", "--silent", "--show-error", "--max-time", "10", "--noproxy", "*",
                    "--mail-from", "from@example.org", "--mail-rcpt", "to@example.org",
                    "--upload-file", "invoice.eml", f"smtp://127.0.0.1:{server.server_address[1]}{path}"],
                   check=True, timeout=20)
    seen.append(commands[0])
    print(f"URL {name}, --upload-file invoice.eml: {commands[0]}")
if seen != ["EHLO invoice.eml", "EHLO invoice.eml", "EHLO client.example.org"]:
    sys.exit("the behaviour has changed: the file's name is not curl's EHLO name")
EOF
