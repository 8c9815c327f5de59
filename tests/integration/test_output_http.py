# SPDX-License-Identifier: Apache-2.0
"""output_http against servers that are processes of their own: each byte arrives, answers become the right replies, a
killed server loses nothing, nginx wants a client certificate, and keys are rotated while mail goes on."""
import base64
import hashlib
import hmac
import json
import os
import re
import socket
import subprocess

import pytest
from test_amqp_brokers import deliver, drained

from support import proxies
from support.application import Application
from support.certificates import Certificates
from support.daemon import merge, run_cli
from support.load import Ledger, Load
from support.matrix import LONG
from support.plugin_pages import DOCS, check_examples, check_options
from support.receiver import Receiver
from support.smtp import queued_id
from support.spool import content_of
from support.wait import free_ports, wait_until

KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()
NOT_TAKEN = "the server does not take the requests: look at url, token and server"
NEW_KEY = "whsec_" + base64.b64encode(b"n" * 32).decode()


@pytest.fixture
def receiver(tmp_path):
    made = Receiver(tmp_path / "receiver")
    yield made
    made.end()


def config(url, fallback=True, deadline="10s", **options):
    plugin = {"use": "output_http", "deadline": deadline,
              "options": {"url": url, "reconnect_first": "100ms", "reconnect_last": "500ms", **options}}
    if fallback:
        plugin["fallback"] = "spool"
    return {"plugin": {"app": plugin}, "chain": {"default": {"steps": ["app"]}}}


def one(made, content=b"Subject: x\r\n\r\nhello\r\n", recipients=("r@example.org",)):
    with made.client() as client:
        client.command("EHLO client.example", 250)
        return deliver(client, content, recipients=recipients)


def live(made):
    return run_cli("check", "--live", "--config", made.config_file, timeout=60)


def secret(file, text):
    """Replaced as an operator should: never half a file."""
    part = file.with_name(file.name + ".part")
    part.write_text(text)
    part.chmod(0o600)
    os.replace(part, file)
    return str(file)


def signature(key, message):
    signed = f"{message.headers['webhook-id']}.{message.headers['webhook-timestamp']}.".encode() + message.body
    digest = hmac.new(base64.b64decode(key.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def test_the_page_has_the_options_and_its_example_is_right(tmp_path):
    check_options("output_http", "http.md")
    check_examples("http.md", tmp_path, {"app.token": "token\n", "app.key": KEY + "\n"})


def test_the_server_of_the_page_works(daemon, tmp_path):
    (port,) = free_ports(1)
    code = re.search(r"```python\n(.*?)```", (DOCS / "http.md").read_text(), re.S)[1].replace("8080", str(port))
    process = subprocess.Popen(["/usr/bin/python3", "-c", code], stderr=subprocess.DEVNULL, cwd=tmp_path,
                               env={**os.environ, "TOKEN": "abc"})
    try:
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, 20, "the server to listen")
        made = daemon(config(f"http://127.0.0.1:{port}/", token_file=secret(tmp_path / "token", "abc\n")))
        identity = queued_id(one(made))
        (file,) = (tmp_path / "mail").glob("*.json")
        assert json.loads(file.read_text())["message_id"] == identity
        with socket.create_connection(("127.0.0.1", port), 20) as cut_off:
            cut_off.sendall(b"POST / HTTP/1.1\r\nAuthorization: Bearer abc\r\nIdempotency-Key: half\r\nContent-Length: 9\r\n\r\nhalf")
            cut_off.shutdown(socket.SHUT_WR)
            assert cut_off.recv(1) == b"", "half of a message was answered"
        assert list((tmp_path / "mail").iterdir()) == [file]
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("format", ["json", "raw"])
def test_each_byte_arrives(daemon, receiver, format):
    contents = [b"", b"\r\n.\r\n..\r\n" * 100, b"\r\n" + bytes(b for b in range(256) if b not in b"\r\n") * 2000 + b"\r\n",
                b"Subject: x\r\n\r\n" + b"Gr\xfc\xc3\xbc\xe2\x82\r\n" * 200_000]
    made = daemon(config(receiver.url + "/mail", format=format))
    with made.client() as client:
        client.command("EHLO client.example", 250)
        ids = [queued_id(deliver(client, content)) for content in contents]
    got = {each.headers["lsmtpd-id"]: content_of(json.loads(each.body)) if format == "json" else each.body
           for each in receiver.wait(len(contents))}
    assert got == dict(zip(ids, contents))
    assert len(made.spool) == 0, "something went to the fallback"


def test_signatures_go_on_while_keys_are_rotated(daemon, receiver, tmp_path):
    key, token = tmp_path / "key", tmp_path / "token"
    made = daemon(config(receiver.url + "/mail", format="raw", token_file=secret(token, "first\n"),
                         signing_key_files=[secret(key, KEY + "\n")]))
    assert one(made).startswith("250")
    (message,) = receiver.wait(1)
    assert message.headers["webhook-signature"] == signature(KEY, message)
    assert message.headers["webhook-id"] == message.headers["idempotency-key"]
    assert message.headers["authorization"] == "Bearer first"
    secret(key, f"{KEY}\n{NEW_KEY}\n")
    secret(token, "second\n")

    def rotated():
        message.file.unlink(missing_ok=True)
        assert one(made, b"\r\n" + b"x" * 70 + b"\r\n" * 50_000).startswith("250")
        (found,) = receiver.wait(1)
        found.file.unlink()
        return found if found.headers["authorization"] == "Bearer second" else None

    found = wait_until(rotated, 20, "the new token to be used")
    assert found.headers["webhook-signature"].split() == [signature(KEY, found), signature(NEW_KEY, found)]
    wait_until(lambda: len(made.log_lines("a secret was read again")) == 2, 20, "a line for each file")


def test_a_status_becomes_its_reply_and_those_of_configuration_an_error(daemon, receiver):
    made = daemon(config(receiver.url + "/mail", fallback=False, relay_text=True))
    for status, reply, line in ((413, "552 5.3.4", None), (422, "554 5.3.0", None), (415, "554 5.6.1", None),
                                (302, "451 4.3.0", NOT_TAKEN), (401, "451 4.3.0", NOT_TAKEN), (404, "451 4.3.0", NOT_TAKEN),
                                (500, "451 4.3.0", "the server takes no message for now")):
        receiver.control(status=status, headers={"Location": "/elsewhere"}, body="a reason\nmore")
        assert one(made) == f"{reply} a reason", status
        if line:
            made.wait_log(line, status=str(status), level="error" if line == NOT_TAKEN else "warn")
        receiver.control()
        assert one(made).startswith("250"), status
    assert receiver.messages("/elsewhere") == [], "a redirect was followed"


def test_retry_after_leaves_the_server_alone_until_then(daemon, receiver):
    receiver.control(status=503, headers={"Retry-After": "3"})
    made = daemon(config(receiver.url + "/mail", format="raw"))
    ids = [queued_id(one(made)) for _ in range(3)]
    assert len(made.spool) == 3
    made.wait_log("the server takes no message for now", retry_after_s="3")
    receiver.control()
    drained(made)
    assert {each.headers["lsmtpd-id"] for each in receiver.wait(3)} == set(ids)
    assert all(times == 1 for times in receiver.arrivals().values())


def test_recipients_get_requests_of_their_own_by_url(daemon, receiver):
    made = daemon(config(receiver.url + "/mail/{rcpt_domain}", format="raw"))
    one(made, recipients=("a@example.org", "b@example.net", "c@example.org"))
    (org,), (net,) = receiver.wait(1, "/mail/example.org"), receiver.wait(1, "/mail/example.net")
    assert org.headers["smtp-rcpt-to"] == "a@example.org,c@example.org"
    assert net.headers["smtp-rcpt-to"] == "b@example.net"


NGINX = """
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_client_certificate {ca};
    ssl_verify_client on;
    client_max_body_size 1m;
    location / {{ proxy_pass {url}; proxy_http_version 1.1; proxy_set_header Subject $ssl_client_s_dn; }}
  }}
}}
"""


def test_nginx_takes_the_client_certificate(daemon, receiver, tmp_path):
    certificates = Certificates(tmp_path / "tls")
    certificate, key = certificates.issue()
    mine, my_key = certificates.issue("lsmtpd", names=None)
    (port,) = free_ports(1)
    blocks = NGINX.format(folder=tmp_path, port=port, certificate=certificate, key=key, ca=certificates.ca, url=receiver.url)
    tls = {"tls_ca": str(certificates.ca), "tls_certificate": str(mine), "tls_key": str(my_key)}
    with proxies.nginx(tmp_path, blocks, [port]):
        made = daemon(config(f"https://localhost:{port}/mail", fallback=False, format="raw", **tls))
        assert one(made).startswith("250")
        (message,) = receiver.wait(1)
        assert message.headers["subject"] == "CN=lsmtpd"
        assert one(made, b"\r\n" + b"x" * 60 + b"\r\n" * 700_000).startswith("552 5.3.4"), "nginx says 413"
        # Without the certificate nginx answers 400; one that is not trusted ends the handshake.
        bare = daemon(config(f"https://localhost:{port}/mail", fallback=False, tls_ca=str(certificates.ca)))
        assert one(bare).startswith("451 4.3.0")
        other = Certificates(tmp_path / "other")
        wrong = daemon(config(f"https://localhost:{port}/mail", fallback=False, **{**tls, "tls_ca": str(other.ca)}))
        assert one(wrong).startswith("451 4.4.1")
        assert wrong.wait_log("the server gives no answer")["step"] == "tls"
        done = live(wrong)
        assert done.returncode == 12, done.stdout + done.stderr
        receiver.kill()
        assert one(made).startswith("451 4.3.0"), "nginx says 502"


def test_live_checks_say_what_a_250_rests_on(daemon, receiver):
    made = daemon(config(receiver.url + "/mail"), started=False)
    done = live(made)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rests on the server's 2xx" in done.stdout
    assert receiver.arrivals() == {}, "it was asked for something"
    receiver.kill()
    assert live(made).returncode == 11
    assert live(daemon(config("http://nowhere.invalid/"), started=False)).returncode == 10


def test_an_answer_that_breaks_off_is_in_doubt_and_comes_again_under_its_key(daemon):
    keys = []

    def decide(question):
        keys.append(application.headers["Idempotency-Key"])
        return b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf" if len(keys) == 1 else 204

    application = Application(decide)
    try:
        made = daemon(config(application.url))
        identity = queued_id(one(made))
        drained(made)
        assert keys == [identity, identity]
    finally:
        application.end()


def test_kill_9_of_the_server_under_load_loses_nothing(daemon, receiver, record_property):
    """The ledger: what was accepted, what was lost, what came more than once; under its key nothing is twice."""
    receiver.control(pause=0.02)  # so that a kill finds messages that are stored and not answered
    made = daemon(config(receiver.url + "/mail", format="raw", deadline="5s"))
    ledger = Ledger()
    load = Load(made.address(), ledger, threads=6, sizes=(200, 4096, 30_000, 300_000), pace=0.05)
    try:
        for _ in range(10 if LONG else 2):
            load.wait_accepted(150 if LONG else 50)
            receiver.kill()
            load.wait_accepted(20)  # the fallback takes it
            receiver.start()
        load.wait_accepted(50)
    finally:
        load.stop()
    drained(made, 120)
    arrivals = receiver.arrivals()
    found = ledger.check([each.body for each in receiver.messages()])
    figures = {"accepted": len(ledger.accepted), "lost": len(found.lost), "stored": len(found.seen),
               "again": sum(times > 1 for times in arrivals.values())}
    record_property("ledger", json.dumps(figures))
    print(figures)
    assert set(arrivals) == {each.file.stem for each in receiver.messages()}


def test_a_thousand_messages_arrive_once(daemon, tmp_path):
    """Into nginx, which answers 204 and keeps connections: none is sent twice."""
    (port,) = free_ports(1)
    log = tmp_path / "access"
    blocks = f"""
http {{
  log_format keys '$http_idempotency_key $connection';
  access_log {log} keys;
  client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy; fastcgi_temp_path {tmp_path}/fastcgi;
  uwsgi_temp_path {tmp_path}/uwsgi; scgi_temp_path {tmp_path}/scgi;
  keepalive_requests 100;
  server {{ listen 127.0.0.1:{port}; location / {{ return 204; }} }}
}}
"""
    with proxies.nginx(tmp_path, blocks, [port]):
        made = daemon(merge(config(f"http://127.0.0.1:{port}/mail", fallback=False, connections=8),
                            {"server": {"workers": 2}}))
        ledger = Ledger()
        load = Load(made.address(), ledger, threads=8, sizes=(200, 1024, 4096))
        try:
            load.wait_accepted(1_000, 120)
        finally:
            load.stop()
        assert len(ledger.accepted) == len(ledger.entries), "something was refused"
        wait_until(lambda: len(log.read_text().splitlines()) >= len(ledger.accepted), 20, "nginx to log all")
    keys = [line.split()[0] for line in log.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == len(ledger.accepted)
