#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# libnats waits for ever in a TLS handshake, whatever its connect timeout is.
#
# Library:  libnats 3.4.1 (Debian 12)
# Expected: natsOptions_SetTimeout() limits natsConnection_Connect(), as it does where a server accepts the
#           connection and says nothing: after the two seconds that are set it returns "Timeout".
# Happens:  a server that says INFO with tls_required and then nothing more keeps it for ever. The socket is
#           made blocking for SSL_do_handshake(), and the deadline is not asked there. The caller has no
#           handle yet with which it could end the attempt. A URL nats:// does not help: the library goes
#           over to TLS because the server says so.
# Seen:
#   silent before INFO, nats://: returned after 2 s: Timeout
#   silent after INFO with tls_required, tls://: still waiting after 10 s
#   silent after INFO with tls_required, nats://: still waiting after 10 s
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only. Needs a C compiler.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
command -v cc >/dev/null || unable "no C compiler"
packages=(libnats3.4=3.4.1-1+b1 libnats-dev=3.4.1-1+b1 libprotobuf-c1)
timeout 120 apt-get -q download "${packages[@]}" >/dev/null 2>&1 || unable "apt-get download failed"
for package in *.deb; do dpkg-deb -x "$package" root; done
libraries=$(echo "$tmp"/root/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH=$libraries
cat >client.c <<'EOF'
#include <nats/nats.h>
#include <stdio.h>
#include <time.h>

int main(int count, char** words) {
  natsOptions* options = NULL;
  natsConnection* connection = NULL;
  time_t begin = time(NULL);
  (void)count;
  if (natsOptions_Create(&options) != NATS_OK || natsOptions_SetURL(options, words[1]) != NATS_OK ||
      natsOptions_SetAllowReconnect(options, false) != NATS_OK || natsOptions_SetTimeout(options, 2000) != NATS_OK)
    return 1;
  natsStatus status = natsConnection_Connect(&connection, options);
  printf("returned after %ld s: %s\n", (long)(time(NULL) - begin), natsStatus_GetText(status));
  return 0;
}
EOF
cc -I root/usr/include client.c -o client -L "$libraries" -lnats -Wl,--allow-shlib-undefined || unable "the client does not compile"
timeout 60 python3 - <<'EOF'
import socket, subprocess, sys, threading

INFO = b'INFO {"server_id":"x","version":"2.9.10","max_payload":1048576,"tls_required":true}\r\n'


def server(greeting):
    listener = socket.create_server(("127.0.0.1", 0))
    kept = []

    def run():
        while True:
            client, _ = listener.accept()
            client.sendall(greeting)
            kept.append(client)

    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1]


def attempt(scheme, greeting):
    try:
        done = subprocess.run(["./client", f"{scheme}://127.0.0.1:{server(greeting)}"], capture_output=True, text=True, timeout=10)
        return done.stdout.strip() or f"failed: {done.stderr}"
    except subprocess.TimeoutExpired:
        return "still waiting after 10 s"


control = attempt("nats", b"")
print("silent before INFO, nats://:", control)
if not control.startswith("returned after"):
    sys.exit("a control failed: the timeout does not work at all")
found = []
for scheme in ("tls", "nats"):
    found.append(attempt(scheme, INFO))
    print(f"silent after INFO with tls_required, {scheme}://:", found[-1])
if any(each != "still waiting after 10 s" for each in found):
    sys.exit("the behaviour has changed: the attempt ended")
EOF
