# SPDX-License-Identifier: Apache-2.0
"""Real proxies in front, with the PROXY protocol: the client is the one that the proxy names."""
import smtplib
import socket
import ssl
import subprocess

import pytest

from support import proxies
from support.certificates import Certificates, table
from support.smtp import Client
from support.wait import wait_until

MAIL = b"Subject: behind a proxy\r\n\r\nhello\r\n"
CLIENT = "127.0.0.7"  # where the proxy is at 127.0.0.1
TLVS = "proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,crc32c,authority,unique-id"


def behind(**listener):
    first = {"name": "mx", "address": "127.0.0.1:0", "proxy_protocol_from": ["127.0.0.1"], **listener}
    return {"listener": [{key: value for key, value in first.items() if value is not None}],
            "chain": {"default": {"steps": ["headers", "spool"]}},
            "plugin": {"headers": {"use": "filter_headers", "options": {"received": True}},
                       "spool": {"options": {"extra": True}}}}


def send(port, context=None, source=CLIENT, host="127.0.0.1"):
    kind, options = (smtplib.SMTP_SSL, {"context": context}) if context else (smtplib.SMTP, {})
    with kind(host, port, "client.example", timeout=30, source_address=(source, 0), **options) as client:
        client.sendmail("s@example.org", ["r@example.org"], MAIL)


def check_client(server):
    """Log, JSON and Received name the client; the log has the proxy too."""
    line = server.wait_log("accepted")
    assert line["peer"].startswith(CLIENT + ":") and line["proxy"].startswith("127.0.0.1:"), line
    mail = server.spool.only()
    assert mail.json["peer_address"] == CLIENT and mail.json["protocol"] == line["protocol"]
    assert b"(" + b"[127.0.0.7]" + b")" in mail.content.split(b"\tby ")[0]
    return mail.json


def context_of(certificate=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate[2])
    return context


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2", f"send-proxy-v2 {TLVS}"],
                         ids=["version 1", "version 2", "every TLV"])
def test_haproxy_names_the_client(daemon, tmp_path, options):
    server = daemon(behind())
    with proxies.haproxy(tmp_path, server, options) as proxy:
        send(proxy.port)
    assert "tls" not in check_client(server)


@pytest.mark.parametrize("certificate", [False, True], ids=["without", "with certificate"])
def test_haproxy_ends_tls_and_says_so(daemon, tmp_path, certificate):
    server = daemon(behind())
    authority = proxies.certificate(tmp_path, "authority")
    end = proxies.certificate(tmp_path, "mx.test.example")
    bind = f"ssl crt {end[2]} ca-file {authority[0]} verify optional"
    own = proxies.certificate(tmp_path, "device 7, floor 2", authority) if certificate else None
    with proxies.haproxy(tmp_path, server, f"send-proxy-v2 {TLVS}", bind) as proxy:
        send(proxy.port, context_of(own), host="localhost")
    message = check_client(server)
    assert message["protocol"] == "ESMTPS"
    tls = message["tls"]
    assert tls["by"] == "proxy" and tls["version"] == "TLSv1.3" and tls["cipher"].startswith("TLS_"), tls
    assert tls.get("client_subject") == ("CN=device 7\\, floor 2" if certificate else None)
    assert tls["server_name"] == "localhost"


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2", f"send-proxy-v2 {TLVS}"],
                         ids=["version 1", "version 2", "every TLV"])
def test_haproxy_checks_pass_without_a_line(daemon, tmp_path, options):
    server = daemon({**behind(), "limits": {"connections_per_peer": 1}})
    checks = f"{options} check check-send-proxy inter 200"
    with proxies.haproxy(tmp_path, server, checks, backend="option smtpchk EHLO check.example") as proxy:
        wait_until(lambda: proxies.haproxy_state(proxy) == ("UP", "L7OK"), 20,
                   lambda: f"the check to pass, not {proxies.haproxy_state(proxy)}")
        wait_until(lambda: len(server.log_lines("proxy_check")) > 5, 20, "more checks")
        assert proxies.haproxy_state(proxy) == ("UP", "L7OK")
    assert {line["level"] for line in server.log_lines("proxy_check")} == {"debug"}
    assert not [line for line in server.log_lines() if line["level"] in ("warn", "error") or "peer" in line
                and line["level"] != "debug"]


def test_checks_of_layer_4_have_no_line(daemon, tmp_path):
    server = daemon(behind())
    with proxies.haproxy(tmp_path, server, "send-proxy check inter 100") as proxy:
        wait_until(lambda: proxies.haproxy_state(proxy) == ("UP", "L4OK"), 20, "the check to pass")
    for _ in range(20):
        Client(server.address()).reset()
        Client(server.address()).close()
    send_header_and_quit(server)
    assert {line["level"] for line in server.log_lines("proxy_refused")} <= {"debug"}
    assert not [line for line in server.log_lines() if line["level"] in ("warn", "error")]


def send_header_and_quit(server):
    with Client(server.address()) as client:
        client.send("PROXY UNKNOWN\r\nQUIT\r\n")
        client.expect("220 ")
        client.expect("221 ")


@pytest.mark.parametrize("options", ["send-proxy", "send-proxy-v2"])
def test_haproxy_client_on_a_unix_socket(daemon, tmp_path, options):
    """There is no address of it: the mail is the proxy's."""
    server = daemon(behind())
    with proxies.haproxy(tmp_path, server, options) as proxy:
        with socket.socket(socket.AF_UNIX) as local:
            local.connect(str(proxy.sockets / "in"))
            client = smtplib.SMTP(local_hostname="client.example")
            client.sock = local
            assert client.getreply()[0] == 220
            client.sendmail("s@example.org", ["r@example.org"], MAIL)
            client.quit()
    assert server.wait_log("accepted")["peer"].startswith("127.0.0.1:")


def test_nginx_stream_names_the_client(daemon, tmp_path):
    server = daemon(behind())
    with proxies.nginx_stream(tmp_path, server) as proxy:
        send(proxy.port)
    check_client(server)


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_envoy_names_the_client(daemon, tmp_path, version):
    server = daemon(behind())
    with proxies.envoy(tmp_path, server, version) as proxy:
        send(proxy.port)
    assert "tls" not in check_client(server)


def test_stunnel_names_the_client(daemon, tmp_path):
    server = daemon(behind())
    with proxies.stunnel(tmp_path, server, proxies.certificate(tmp_path)) as proxy:
        send(proxy.port, context_of())
    check_client(server)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("mode", ["implicit", "starttls"])
def test_our_own_tls_follows_the_header(daemon, tmp_path, certificates, mode):
    server = daemon({**behind(tls=mode), "tls": table(certificates.issue())})
    with proxies.haproxy(tmp_path, server, "send-proxy-v2") as proxy:
        if mode == "implicit":
            send(proxy.port, certificates.trusting())
        else:
            with smtplib.SMTP("127.0.0.1", proxy.port, "client.example", timeout=30, source_address=(CLIENT, 0)) as client:
                client.starttls(context=certificates.trusting())
                client.sendmail("s@example.org", ["r@example.org"], MAIL)
    message = check_client(server)
    assert message["protocol"] == "ESMTPS" and "by" not in message["tls"]


def test_the_header_and_the_handshake_may_come_in_one_packet(daemon, certificates):
    server = daemon({**behind(tls="implicit"), "tls": table(certificates.issue())})
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = certificates.trusting().wrap_bio(incoming, outgoing, server_hostname="mx.test.example")
    with socket.create_connection(server.address(), timeout=20) as raw:
        first = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 465\r\n"
        while True:
            try:
                tls.do_handshake()
                banner = tls.read(100)
                break
            except ssl.SSLWantReadError:
                raw.sendall(first + outgoing.read())
                first = b""
                incoming.write(raw.recv(65536))
        assert banner.startswith(b"220 mx.test.example")


def test_tls_that_the_header_cannot_name_is_the_listeners(daemon, tmp_path):
    """stunnel sends version 1: tls = "proxy" says that it has ended TLS."""
    server = daemon(behind(tls="proxy"))
    with proxies.stunnel(tmp_path, server, proxies.certificate(tmp_path)) as proxy:
        send(proxy.port, context_of())
    message = check_client(server)
    assert message["protocol"] == "ESMTPS" and message["tls"] == {"by": "proxy"}
    with Client(server.address(), source="127.0.0.9") as stranger:
        assert stranger.until_close() == []
    assert server.wait_log("proxy_refused")["level"] == "warn"


def test_connections_are_limited_by_client(daemon, tmp_path):
    server = daemon({**behind(), "limits": {"connections_per_peer": 2}})
    with proxies.haproxy(tmp_path, server, "send-proxy-v2") as proxy:
        address = ("127.0.0.1", proxy.port)
        held = [Client(address, source=CLIENT) for _ in range(2)]
        for client in held:
            client.expect("220 ")
        with Client(address, source=CLIENT) as refused:
            refused.expect("421 4.3.2")
        with Client(address, source="127.0.0.8") as other:
            other.expect("220 ")
        for client in held:
            client.close()


def test_greet_delay_watches_the_client(daemon, tmp_path):
    server = daemon(behind(greet_delay="1s"))
    with proxies.haproxy(tmp_path, server, "send-proxy-v2") as proxy:
        with Client(("127.0.0.1", proxy.port), source=CLIENT) as client:
            client.send("EHLO early.example\r\n")
            client.expect("554 5.5.0")
    line = server.wait_log("refused")
    assert line["peer"].startswith(CLIENT) and line["proxy"].startswith("127.0.0.1:")


def test_check_listening_sends_a_header_where_one_is_needed(daemon):
    server = daemon(behind())
    server.config["listener"][0]["address"] = "127.0.0.1:%d" % server.address()[1]
    server.write_config()
    assert "220 mx.test.example" in server.cli("check", "--listening", "--config", server.config_file, check=0).stdout


def test_nginx_mail_names_the_client_with_xclient(daemon, tmp_path):
    server = daemon(behind(proxy_protocol_from=None, xclient_from=["127.0.0.1"]))
    with proxies.nginx_mail(tmp_path, server, lambda headers: {}) as proxy:
        send(proxy.port)
    assert check_client(server)["client_address"] == "client.example"


def test_nginx_mail_names_the_user_with_xclient(daemon, tmp_path):
    """nginx encodes nothing: the + is part of the name."""
    server = daemon(behind(proxy_protocol_from=None, xclient_from=["127.0.0.1"]))
    with proxies.nginx_mail(tmp_path, server, lambda headers: {}) as proxy:
        with smtplib.SMTP("127.0.0.1", proxy.port, "client.example", timeout=30, source_address=(CLIENT, 0)) as client:
            client.login("user+tag@example.org", "secret")
            client.sendmail("s@example.org", ["r@example.org"], MAIL)
    message = check_client(server)
    assert message["auth_user"] == "user+tag@example.org" and message["protocol"] == "ESMTPA"


def test_swaks_sends_several_xclient(daemon, tmp_path):
    server = daemon(behind(proxy_protocol_from=None, xclient_from=["127.0.0.1"]))
    host, port = server.address()
    done = subprocess.run(["swaks", "--server", f"{host}:{port}", "--from", "s@example.org", "--to", "r@example.org",
                           "--helo", "client.example", "--xclient", f"ADDR={CLIENT} NAME=host.example",
                           "--xclient", "PORT=4711 HELO=first.example PROTO=ESMTP"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    line = server.wait_log("accepted")
    assert line["peer"] == f"{CLIENT}:4711" and line["proxy"].startswith("127.0.0.1:")


def test_xclient_is_for_the_trusted_only(daemon):
    server = daemon(behind(proxy_protocol_from=None, xclient_from=["127.0.0.1"]))
    for source, offered in (("127.0.0.1", True), (CLIENT, False)):
        with smtplib.SMTP(*server.address(), "client.example", timeout=30, source_address=(source, 0)) as client:
            client.ehlo()
            assert client.has_extn("xclient") == offered
            assert client.docmd("XCLIENT", "ADDR=192.0.2.1")[0] == (220 if offered else 550)
