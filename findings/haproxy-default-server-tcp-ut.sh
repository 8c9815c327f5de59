#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# HAProxy takes "tcp-ut" in "default-server" without a word, and does not set it.
#
# Library:  HAProxy 2.6.12 (Debian 12)
# Expected: what stands in "default-server" counts for each "server" line that follows, as the other options there
#           do: the connection to the server has TCP_USER_TIMEOUT.
# Happens:  the configuration is valid, without a warning, and the connection has none. Only in the "server" line
#           itself the option has an effect. Where the host of a server falls silent, a client of its connection
#           waits until the kernel gives up or another timeout ends it, instead of for the time that is configured.
# Seen:
#   in default-server: 0 ms; in the server line: 3000 ms
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
import ctypes, os, socket, subprocess, sys, time

PIDFD_GETFD, TCP_USER_TIMEOUT = 438, 18  # the same number on every architecture; <linux/tcp.h>
libc = ctypes.CDLL(None, use_errno=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def its_socket(process, address):
    """A duplicate of the socket of a process that is bound to the address."""
    pidfd = os.pidfd_open(process)
    for number in map(int, os.listdir(f"/proc/{process}/fd")):
        copy = libc.syscall(PIDFD_GETFD, pidfd, number, 0)
        if copy < 0:
            continue
        try:
            found = socket.socket(fileno=copy)
        except OSError:
            os.close(copy)
            continue
        try:
            if found.family == socket.AF_INET and found.getsockname() == address:
                return found
        except OSError:
            pass
        found.close()
    print("cannot be run here: the sockets of another process cannot be looked at", file=sys.stderr)
    sys.exit(2)


server = socket.create_server(("127.0.0.1", 0))
server.settimeout(10)
ports = free_port(), free_port()
with open("haproxy.cfg", "w") as file:
    file.write(f"""
defaults
    mode tcp
    timeout connect 5s
    timeout client 5s
    timeout server 5s
listen by-default
    bind 127.0.0.1:{ports[0]}
    default-server tcp-ut 3s
    server one 127.0.0.1:{server.getsockname()[1]}
listen by-itself
    bind 127.0.0.1:{ports[1]}
    server one 127.0.0.1:{server.getsockname()[1]} tcp-ut 3s
""")
checked = subprocess.run(["root/usr/sbin/haproxy", "-c", "-f", "haproxy.cfg"], capture_output=True, text=True)
said = checked.stdout + checked.stderr
proxy = subprocess.Popen(["root/usr/sbin/haproxy", "-db", "-f", "haproxy.cfg"], stderr=subprocess.DEVNULL)
times = []
try:
    for port in ports:
        for _ in range(50):
            try:
                client = socket.create_connection(("127.0.0.1", port), timeout=10)
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        peer = server.accept()[0]
        with its_socket(proxy.pid, peer.getpeername()) as outgoing:
            times.append(outgoing.getsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT))
        client.close()
        peer.close()
finally:
    proxy.kill()
    proxy.wait()
print(f"in default-server: {times[0]} ms; in the server line: {times[1]} ms")
if checked.returncode != 0 or "tcp-ut" in said or times != [0, 3000]:
    sys.exit(f"the behaviour has changed: {said}")
EOF
