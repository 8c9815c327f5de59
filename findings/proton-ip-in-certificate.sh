#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Qpid Proton refuses a certificate that names the broker's IP address.
#
# Library:  python-qpid-proton 0.40.0, built on OpenSSL
# Expected: the client connects to amqps://127.0.0.1, and the certificate has 127.0.0.1 as iPAddress in
#           subjectAltName. Its name check succeeds, as that of Python's ssl does.
# Happens:  "certificate verify failed". Proton compares dNSName entries and the common name only; an
#           iPAddress entry is never looked at. Brokers that are addressed by IP need a name: one in
#           the URL, or virtual_host with a name from the certificate.
# Seen:
#   Python's ssl, 127.0.0.1: verified
#   Proton, localhost: opened
#   Proton, 127.0.0.1: SSL Failure: ... certificate verify failed
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 400 venv/bin/pip install -q python-qpid-proton==0.40.0; } ||
    unable "pip install failed"
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 2 \
    -subj /CN=broker.example.org -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null ||
    unable "openssl made no certificate"
timeout 60 venv/bin/python - <<'EOF'
import socket, ssl, sys, threading
from proton import SSLDomain
from proton.handlers import MessagingHandler
from proton.reactor import Container

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
listening = threading.Event()


class Broker(MessagingHandler):
    def on_start(self, event):
        event.container.ssl.server.set_credentials("certificate.pem", "key.pem", "")
        self.acceptor = event.container.listen(f"amqps://127.0.0.1:{port}")
        listening.set()


class Client(MessagingHandler):
    def __init__(self, host):
        super().__init__()
        self.host, self.result = host, None

    def on_start(self, event):
        event.container.ssl.client.set_trusted_ca_db("certificate.pem")
        event.container.ssl.client.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
        event.container.connect(f"amqps://{self.host}:{port}", reconnect=False, allowed_mechs="ANONYMOUS")

    def on_connection_opened(self, event):
        self.result = "opened"
        event.connection.close()

    def on_transport_error(self, event):
        self.result = event.transport.condition.description


threading.Thread(target=Container(Broker()).run, daemon=True).start()
listening.wait(10)
context = ssl.create_default_context(cafile="certificate.pem")
with context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10),
                         server_hostname="127.0.0.1"):
    print("Python's ssl, 127.0.0.1: verified")
results = {}
for host in ("localhost", "127.0.0.1"):
    client = Client(host)
    Container(client).run()
    results[host] = client.result
    print(f"Proton, {host}: {client.result}")
if results["localhost"] != "opened":
    sys.exit("the control failed: the certificate is not taken for localhost either")
if not (results["127.0.0.1"] or "").endswith("certificate verify failed"):
    sys.exit("the behaviour has changed: Proton takes an IP address in subjectAltName")
EOF
