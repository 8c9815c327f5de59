#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# HAProxy's PP2_TYPE_SSL says "verified" for clients that showed no certificate.
#
# Library:  HAProxy 2.6.12 (Debian 12)
# Expected: the PROXY protocol's text defines the field "verify" as zero if the client presented a
#           certificate and it was verified. Without a client certificate it is not zero.
# Happens:  it is zero for each TLS client, also where the frontend does not ask for certificates at all.
#           Only the bits of "client" say whether there was one: 0x01 TLS, 0x02 a certificate on this
#           connection, 0x04 one in this session. A receiver reads them first.
# Seen:
#   client bits 0x01, verify 0
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
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 2 \
    -subj /CN=mx.example.org 2>/dev/null || unable "openssl made no certificate"
cat certificate.pem key.pem > both.pem
timeout 60 python3 - <<'EOF'
import socket, ssl, subprocess, sys, time

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
server = socket.create_server(("127.0.0.1", 0))
server.settimeout(10)
with open("haproxy.cfg", "w") as file:
    file.write(f"""
defaults
    mode tcp
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen mail
    bind 127.0.0.1:{port} ssl crt both.pem
    server one 127.0.0.1:{server.getsockname()[1]} send-proxy-v2-ssl
""")
proxy = subprocess.Popen(["root/usr/sbin/haproxy", "-db", "-f", "haproxy.cfg"], stderr=subprocess.DEVNULL)
try:
    for _ in range(50):
        try:
            plain = socket.create_connection(("127.0.0.1", port), timeout=10)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    context = ssl.create_default_context(cafile="certificate.pem")
    context.check_hostname = False
    with context.wrap_socket(plain):
        peer = server.accept()[0]
        peer.settimeout(5)
        header = peer.recv(1000)
finally:
    proxy.kill()
    proxy.wait()
# 16 octets of header and 12 of addresses; then type 0x20, length, client bits, verify.
kind, client, verify = header[28], header[31], int.from_bytes(header[32:36], "big")
print(f"client bits {client:#04x}, verify {verify}")
if (kind, client, verify) != (0x20, 0x01, 0):
    sys.exit("the behaviour has changed: verify is not zero without a client certificate")
EOF
