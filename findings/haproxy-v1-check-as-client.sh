#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# HAProxy's health checks look like clients in PROXY protocol version 1.
#
# Library:  HAProxy 2.6.12 (Debian 12)
# Expected: a health check is the proxy's own connection. The protocol has a word for that in both versions:
#           "PROXY UNKNOWN" in version 1 and the command LOCAL in version 2, so a server can tell a
#           check from a client.
# Happens:  with send-proxy-v2 the check says LOCAL. With send-proxy it says "PROXY TCP4" and gives the
#           check's own addresses: to the server it is a client at the proxy's address, which fills
#           logs, counts and limits of that peer.
# Seen:
#   send-proxy:    PROXY TCP4 127.0.0.1 127.0.0.1 PORT PORT
#   send-proxy-v2: command LOCAL, 0 octets of addresses
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
# A superseded version leaves the archive; then the release's present ones are tried.
packages=(haproxy=2.6.12-1+deb12u4 liblua5.3-0=5.3.6-2 libopentracing-c-wrapper0=1.1.3-3+b1
    libopentracing1=1.6.0-4)
{ timeout 300 apt-get -q download "${packages[@]}" || timeout 300 apt-get -q download "${packages[@]%%=*}"; } \
    >/dev/null 2>&1 || unable "apt-get download failed"
for package in *.deb; do dpkg-deb -x "$package" root; done
LD_LIBRARY_PATH=$(echo "$tmp"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH
missing=$(ldd root/usr/sbin/haproxy | grep 'not found' || true)
[ -z "$missing" ] || unable "haproxy needs" "$missing"
root/usr/sbin/haproxy -v | sed -n 1p
timeout 60 python3 - <<'EOF'
import re, socket, subprocess, sys

listeners = []
for _ in range(2):
    listeners.append(socket.create_server(("127.0.0.1", 0)))
    listeners[-1].settimeout(10)
v1, v2 = (each.getsockname()[1] for each in listeners)
with open("haproxy.cfg", "w") as file:
    file.write(f"""
defaults
    mode tcp
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen mail
    bind unix@unused.sock
    server v1 127.0.0.1:{v1} send-proxy check inter 500
    server v2 127.0.0.1:{v2} send-proxy-v2 check inter 500
""")
proxy = subprocess.Popen(["root/usr/sbin/haproxy", "-db", "-f", "haproxy.cfg"], stderr=subprocess.DEVNULL)
try:
    headers = []
    for listener in listeners:
        peer, address = listener.accept()
        peer.settimeout(5)
        headers.append(peer.recv(1000))
        peer.close()
        ports = (address[1], listener.getsockname()[1])
        if listener is listeners[0]:
            expected = "PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n".format(*ports).encode()
finally:
    proxy.kill()
    proxy.wait()
print("send-proxy:   ", re.sub(rb"\d{4,}", b"PORT", headers[0]).decode().strip())
command = {0: "LOCAL", 1: "PROXY"}[headers[1][12] & 15]
length = int.from_bytes(headers[1][14:16], "big")
print(f"send-proxy-v2: command {command}, {length} octets of addresses")
if headers[0] != expected or (command, length) != ("LOCAL", 0):
    sys.exit("the behaviour has changed: the checks announce themselves otherwise")
EOF
