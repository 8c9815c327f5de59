#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# nginx's mail proxy sends XCLIENT to servers that do not offer it.
#
# Library:  nginx 1.22.1 with ngx_mail_module (Debian 12: nginx, libnginx-mod-mail)
# Expected: XCLIENT is an extension of SMTP, so a client uses it where the server's EHLO reply lists it.
#           To a server that lists 8BITMIME only, the proxy passes the mail on without it.
# Happens:  "xclient on" is the default and the reply to EHLO is not looked at. The server answers the
#           unknown command with 502, and nginx tells its own client "451 4.3.2 Internal server error"
#           for each message, and nothing is delivered. "xclient off" is needed.
# Seen:
#   to the server: EHLO proxy.example.org / XCLIENT ADDR=127.0.0.1 NAME=[UNAVAILABLE]
#   to the client, for RCPT: 451 4.3.2 Internal server error
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
# A superseded version leaves the archive; then the release's present ones are tried.
packages=(nginx=1.22.1-9+deb12u11 libnginx-mod-mail=1.22.1-9+deb12u11)
{ timeout 300 apt-get -q download "${packages[@]}" || timeout 300 apt-get -q download "${packages[@]%%=*}"; } \
    >/dev/null 2>&1 || unable "apt-get download failed"
for package in *.deb; do dpkg-deb -x "$package" root; done
missing=$(ldd root/usr/sbin/nginx | grep 'not found' || true)
[ -z "$missing" ] || unable "nginx needs" "$missing"
root/usr/sbin/nginx -v
timeout 60 python3 - <<'EOF'
import http.server, os, socket, socketserver, subprocess, sys, threading, time

commands = []


class Server(socketserver.StreamRequestHandler):
    """An SMTP server without XCLIENT."""

    timeout = 10

    def handle(self):
        self.wfile.write(b"220 mx.example.org ESMTP\r\n")
        for line in self.rfile:
            commands.append(line.decode().strip())
            reply = {b"EHLO": b"250-mx.example.org\r\n250 8BITMIME", b"XCLI": b"502 5.5.1 unknown command"}
            self.wfile.write(reply.get(line[:4], b"250 2.0.0 ok") + b"\r\n")


class Login(http.server.BaseHTTPRequestHandler):
    """Names the server above to nginx."""

    def do_GET(self):
        self.send_response(200)
        for name, value in (("Auth-Status", "OK"), ("Auth-Server", "127.0.0.1"),
                            ("Auth-Port", smtp.server_address[1])):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *arguments):
        pass


smtp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Server)
login = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Login)
for each in (smtp, login):
    each.daemon_threads = True
    threading.Thread(target=each.serve_forever, daemon=True).start()
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
here = os.getcwd()
with open("nginx.conf", "w") as file:
    file.write(f"""
load_module {here}/root/usr/lib/nginx/modules/ngx_mail_module.so;
daemon off;
master_process off;
pid {here}/nginx.pid;
events {{ }}
mail {{
    server_name proxy.example.org;
    auth_http 127.0.0.1:{login.server_address[1]}/;
    server {{ listen 127.0.0.1:{port}; protocol smtp; smtp_auth none; }}
}}
""")
proxy = subprocess.Popen(["root/usr/sbin/nginx", "-p", here, "-e", f"{here}/error.log", "-c", f"{here}/nginx.conf"])
try:
    for _ in range(50):
        try:
            client = socket.create_connection(("127.0.0.1", port), timeout=10)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    replies = client.makefile("rb")
    replies.readline()
    for command in ("EHLO client.example.org", "MAIL FROM:<from@example.org>", "RCPT TO:<to@example.org>"):
        client.sendall(command.encode() + b"\r\n")
        while (reply := replies.readline())[3:4] == b"-":
            pass
finally:
    proxy.kill()
    proxy.wait()
reply = reply.decode().strip()
print("to the server:", " / ".join(commands))
print("to the client, for RCPT:", reply)
if not commands[1].startswith("XCLIENT ADDR=127.0.0.1") or not reply.startswith("451"):
    sys.exit("the behaviour has changed: nginx does without XCLIENT")
EOF
