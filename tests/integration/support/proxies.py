# SPDX-License-Identifier: Apache-2.0
"""Real proxies in front of the daemon, each with a configuration and a folder of its own."""
import pathlib
import shutil
import socket
import subprocess

import pytest

from . import sockets
from .brokers import CACHE
from .process import Process
from .wait import free_ports, wait_until


def program(name):
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def certificate(folder, name="localhost", issuer=None):
    """Self-signed, or of `issuer` (another one's result): paths of the certificate, its key, and both in one file."""
    done, key, both = (pathlib.Path(folder) / f"{name}.{end}" for end in ("pem", "key", "both"))
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key]

    def openssl(*argv):
        subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True)

    if issuer:
        request = pathlib.Path(folder) / f"{name}.csr"
        openssl("req", *new, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", issuer[0], "-CAkey", issuer[1], "-CAcreateserial", "-days",
                "30", "-out", done)
    else:
        openssl("req", "-x509", *new, "-days", "30", "-out", done)
    both.write_bytes(done.read_bytes() + key.read_bytes())
    return done, key, both


class Proxy:
    """A program that accepts at `port` once it is there; `with` ends it."""

    def __init__(self, folder, argv, ports, env=None):
        self.port = ports[0]
        self.ports = ports
        self.process = Process(argv, pathlib.Path(folder) / "proxy.log", cwd=folder, env=env)
        for port in ports:
            wait_until(lambda: self._accepts(port), 20, lambda: f"{argv[0]} to listen:\n{self.process.tail()}")

    def _accepts(self, port):
        assert self.process.running(), self.process.tail()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()


HAPROXY = """
global
  stats socket {sockets}/stats level admin
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout check 10s
  unique-id-format %[uuid()]
frontend in
  bind 127.0.0.1:{port} {bind}
  bind unix@{sockets}/in
  default_backend out
backend out
  {backend}
  server daemon {host}:{target} {server}
"""


def haproxy(folder, daemon, server="send-proxy", bind="", backend="", listener="mx"):
    binary, (port,) = program("haproxy"), free_ports(1)
    host, target = daemon.address(listener)
    config, places = pathlib.Path(folder) / "haproxy.cfg", sockets.folder()
    config.write_text(HAPROXY.format(sockets=places, port=port, bind=bind, backend=backend, host=host, target=target,
                                     server=server))
    proxy = Proxy(folder, [binary, "-db", "-f", config], [port])
    proxy.sockets = places
    wait_until(lambda: (places / "stats").exists() and (places / "in").exists(), 20, "HAProxy to have its sockets")
    return proxy


def haproxy_state(proxy):
    """The state of the server, as its health checks left it: "UP", "L7OK"."""
    with socket.socket(socket.AF_UNIX) as stats:
        stats.connect(f"{proxy.sockets}/stats")
        stats.sendall(b"show stat\n")
        text = b"".join(iter(lambda: stats.recv(65536), b"")).decode()
    names, *rows = [line.split(",") for line in text.splitlines() if line]
    row = next(dict(zip(names, row)) for row in rows if row[1] == "daemon")
    return row["status"], row["check_status"].removeprefix("* ")


NGINX = """
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
load_module /usr/lib/nginx/modules/ngx_mail_module.so;
daemon off;
user root;
worker_processes 1;
error_log {folder}/proxy.log info;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
{blocks}
"""


def nginx(folder, blocks, ports):
    binary = program("nginx")
    for module in ("stream", "mail"):
        if not pathlib.Path(f"/usr/lib/nginx/modules/ngx_{module}_module.so").exists():
            pytest.skip(f"nginx has no {module} module")
    config = pathlib.Path(folder) / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, blocks=blocks))
    return Proxy(folder, [binary, "-e", f"{folder}/proxy.log", "-p", folder, "-c", config], ports)


def nginx_stream(folder, daemon, listener="mx"):
    (port,) = free_ports(1)
    host, target = daemon.address(listener)
    return nginx(folder, f"""
stream {{
  server {{ listen 127.0.0.1:{port}; proxy_pass {host}:{target}; proxy_protocol on; }}
}}""", [port])


def nginx_mail(folder, daemon, users, listener="mx", extra=""):
    """Asks `users`, a function of the headers of a request, for the headers of the answer."""
    import http.server
    import threading

    class Asked(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            host, target = daemon.address(listener)
            answer = {"Auth-Status": "OK", "Auth-Server": host, "Auth-Port": str(target), **users(self.headers)}
            for name, value in answer.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    (port,) = free_ports(1)
    return nginx(folder, f"""
mail {{
  server_name proxy.example;
  auth_http 127.0.0.1:{server.server_port}/;
  server {{ listen 127.0.0.1:{port}; protocol smtp; smtp_auth none plain login; {extra} }}
}}""", [port])


ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: smtp
          cluster: lsmtpd
  clusters:
  - name: lsmtpd
    type: STATIC
    load_assignment:
      cluster_name: lsmtpd
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: {host}, port_value: {target}}}}}}}
    transport_socket:
      name: envoy.transport_sockets.upstream_proxy_protocol
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
        config: {{version: {version}}}
        transport_socket:
          name: envoy.transport_sockets.raw_buffer
          typed_config: {{"@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}
"""


def envoy(folder, daemon, version, listener="mx"):
    """`version`: of the PROXY protocol, V1 or V2."""
    binary = next(CACHE.glob("envoy-*/envoy"), None)
    if binary is None:
        pytest.skip("Envoy could not be had: contrib/dev test")
    (port,) = free_ports(1)
    host, target = daemon.address(listener)
    config = pathlib.Path(folder) / "envoy.yaml"
    config.write_text(ENVOY.format(port=port, host=host, target=target, version=version))
    return Proxy(folder, [binary, "--config-path", config, "--concurrency", "1", "--use-dynamic-base-id"], [port])


def stunnel(folder, daemon, cert, listener="mx"):
    binary, (port,) = program("stunnel4"), free_ports(1)
    host, target = daemon.address(listener)
    config = pathlib.Path(folder) / "stunnel.conf"
    config.write_text(f"foreground = yes\npid =\n[smtps]\naccept = 127.0.0.1:{port}\nconnect = {host}:{target}\n"
                      f"protocol = proxy\ncert = {cert[0]}\nkey = {cert[1]}\n")
    return Proxy(folder, [binary, config], [port])
