# SPDX-License-Identifier: Apache-2.0
"""TLS from outside: STARTTLS and implicit TLS with real clients, what is injected in the clear, limits on
handshakes, and certificates that change."""
import json
import os
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import clients, sockets
from support.brokers import CACHE
from support.certificates import NAME, Certificates, fingerprint, table
from support.hostile import FIN, OPEN, TABLE
from support.smtp import Client, Closed, queued_id
from support.wait import wait_until

MAIL = b"From: <s@example.org>\r\nSubject: x\r\n\r\n..hello\r\n.\r\n"[:-3]
MODES = ["starttls", "implicit"]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


def listeners(**more):
    """One for each mode, and LMTP."""
    return [{"name": "mx", "address": "127.0.0.1:0", "chain": "default", **more},
            {"name": "implicit", "address": "127.0.0.1:0", "chain": "default", "tls": "implicit", **more},
            {"name": "required", "address": "127.0.0.1:0", "chain": "default", "tls": "required", **more},
            {"name": "lmtp", "address": "127.0.0.1:0", "chain": "default", "protocol": "lmtp", **more}]


@pytest.fixture(scope="module")
def shared(tmp_path_factory, certificates):
    from support.daemon import Daemon
    made = Daemon(tmp_path_factory.mktemp("tls"), {
        "listener": listeners(), "tls": table(certificates.issue()),
        "limits": {"connections_per_peer": 2000, "message_size": "10MiB"}, "log": {"level": "info"}}).start()
    yield made
    made.check_clean()


@pytest.fixture
def server(shared):
    for each in shared.spool.files():
        each.unlink()
    return shared


class TlsClient(Client):
    """A raw client that can wrap its socket."""

    def wrap(self, context, name=None):
        self.socket = context.wrap_socket(self.socket, server_hostname=name)
        return self

    def starttls(self, context, name=None):
        self.command("STARTTLS", 220)
        return self.wrap(context, name)


def connect(server, mode, context, listener=None):
    """After the banner, inside TLS."""
    client = TlsClient(server.address(listener or {"starttls": "mx"}.get(mode, mode)))
    if mode == "implicit":
        client.wrap(context)
    client.expect(220)
    if mode != "implicit":
        client.command("LHLO c.example" if listener == "lmtp" else "EHLO c.example", 250)
        client.starttls(context)
    return client


# Real clients.
def ends_well(argv, **more):
    return clients.run(argv, timeout=60, **more)


def with_smtplib(server, certificates, mode, folder):
    host, port = server.address("mx" if mode == "starttls" else "implicit")
    context = certificates.trusting()
    made = smtplib.SMTP(host, port, timeout=30) if mode == "starttls" else \
        smtplib.SMTP_SSL(host, port, timeout=30, context=context)
    with made as client:
        if mode == "starttls":
            client.starttls(context=context)
        client.sendmail("s@example.org", ["r@example.org"], MAIL)


def with_swaks(server, certificates, mode, folder):
    host, port = server.address("mx" if mode == "starttls" else "implicit")
    ends_well(["swaks", "--server", f"{host}:{port}", "--from", "s@example.org", "--to", "r@example.org", "--helo",
               "c.example", "--tls" if mode == "starttls" else "--tlsc", "--tls-verify", "--tls-ca-path",
               certificates.ca, "--suppress-data"])


def with_curl(server, certificates, mode, folder):
    host, port = server.address("mx" if mode == "starttls" else "implicit")
    (folder / "mail").write_bytes(MAIL)
    ends_well(["curl", "-sS", f"smtp{'' if mode == 'starttls' else 's'}://{host}:{port}/c.example", "--ssl-reqd",
               "--cacert", certificates.ca, "--mail-from", "s@example.org", "--mail-rcpt", "r@example.org",
               "--upload-file", folder / "mail"])


def with_msmtp(server, certificates, mode, folder):
    host, port = server.address("mx" if mode == "starttls" else "implicit")
    ends_well(["msmtp", f"--host={host}", f"--port={port}", "--from=s@example.org", "--tls=on",
               f"--tls-starttls={'on' if mode == 'starttls' else 'off'}", f"--tls-trust-file={certificates.ca}",
               "--auth=off", "--domain=c.example", "--", "r@example.org"],
              input=MAIL.replace(b"\r\n", b"\n"), env={"HOME": str(folder)})


def with_openssl(server, certificates, mode, folder, *options, listener=None):
    """One command at a time: s_client does not wait for replies."""
    host, port = server.address(listener or ("mx" if mode == "starttls" else "implicit"))
    with subprocess.Popen(["openssl", "s_client", "-quiet", "-connect", f"{host}:{port}", "-CAfile",
                           certificates.ca, "-verify_return_error",
                           *(["-starttls", "smtp"] if mode == "starttls" else []), *map(str, options)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        replies = iter(process.stdout.readline, b"")
        for line in ([] if mode == "starttls" else [None]) + [
                b"EHLO c.example", b"MAIL FROM:<s@example.org>", b"RCPT TO:<r@example.org>", b"DATA",
                MAIL + b".", b"QUIT"]:
            if line is not None:
                process.stdin.write(line + b"\r\n")
                process.stdin.flush()
            last = next(each for each in replies if re.match(rb"\d{3} ", each) and each != b"250 HELP\r\n"
                        or line == b"EHLO c.example" and each == b"250 HELP\r\n")
            assert last[:1] in b"23", last
        assert process.wait(30) == 0


SENDERS = [with_smtplib, with_swaks, with_curl, with_msmtp, with_openssl]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("send", SENDERS, ids=lambda send: send.__name__)
def test_real_clients_deliver(server, certificates, tmp_path, send, mode):
    send(server, certificates, mode, tmp_path)
    stored = server.spool.only()
    assert stored.json["protocol"] == "ESMTPS"
    assert stored.json["tls"]["version"] == "TLSv1.3"
    assert stored.json["tls"]["cipher"].startswith("TLS_")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("mode", MODES)
def test_each_version_is_spoken(server, certificates, tmp_path, mode, version):
    with_openssl(server, certificates, mode, tmp_path, version, "-servername", NAME)
    facts = server.spool.only().json["tls"]
    assert facts["version"] == {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}[version]
    assert facts["server_name"] == NAME


def test_lmtp_has_starttls_and_says_so(server, certificates):
    with connect(server, "starttls", certificates.trusting(), "lmtp") as client:
        client.command("LHLO c.example", 250)
        client.command("MAIL FROM:<s@example.org> SMTPUTF8", 250)
        client.command("RCPT TO:<r@example.org>", 250)
        client.data(MAIL)
        client.command("QUIT", 221)
        assert client.socket.recv(1) == b"", "a close_notify comes after the 221"
    assert server.spool.only().json["protocol"] == "UTF8LMTPS"


def test_a_session_has_one_line_with_its_facts(server, certificates):
    with connect(server, "starttls", certificates.trusting()) as client:
        client.command("EHLO c.example", 250)
        peer = "%s:%d" % client.socket.getsockname()
    line = server.wait_log("tls", peer=peer)
    assert len(server.log_lines("tls", peer=peer)) == 1
    assert line["listener"] == "mx" and line["version"] == "TLSv1.3" and line["server_name"] == ""


def test_required_refuses_mail_before_tls(server, certificates):
    with TlsClient(server.address("required")) as client:
        client.expect(220)
        client.command("EHLO c.example", 250)
        client.command("MAIL FROM:<s@example.org>", "530 5.7.0")
        client.starttls(certificates.trusting())
        client.envelope()
        queued_id(client.data(MAIL))


def test_old_versions_are_refused_with_one_line_at_info(server):
    before = len(server.log_lines("tls_failed"))
    host, port = server.address("implicit")
    for version in ("-tls1", "-tls1_1"):
        done = subprocess.run(["openssl", "s_client", "-connect", f"{host}:{port}", version, "-cipher",
                               "ALL:@SECLEVEL=0"], input=b"", capture_output=True, timeout=30)
        assert done.returncode != 0 and b"protocol version" in done.stderr
    wait_until(lambda: len(server.log_lines("tls_failed")) == before + 2, 10,
               "two lines")
    assert server.log_lines("tls_failed")[-1]["why"] == "unsupported protocol"


# Commands that are injected.
INJECTED = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<r@example.org>\r\nDATA\r\nevil\r\n.\r\n"


def test_octets_behind_starttls_are_never_executed_however_they_are_cut(server, certificates):
    """In the clear, cut at each octet. What comes with STARTTLS is thrown away; what comes later is no TLS."""
    sent = b"STARTTLS\r\n" + INJECTED
    context = certificates.trusting()

    def one(cut):
        with TlsClient(server.address()) as client:
            client.expect(220)
            client.command("EHLO c.example", 250)
            client.send_split(sent, cut)
            client.expect("220")
            try:
                client.wrap(context)
            except (ssl.SSLError, ConnectionError):
                return 0  # they came as a packet of their own: broken TLS
            client.command("RCPT TO:<r@example.org>", "503")
            client.command("EHLO c.example", 250)
            client.command("QUIT", 221)
        return 1

    with ThreadPoolExecutor(8) as pool:
        kept = sum(pool.map(one, range(1, len(sent) + 1)))
    assert kept >= 1, "whole in one packet the session goes on"
    assert server.spool.files() == []
    assert not server.log_lines("accepted", **{"from": "evil@example.org"})


def test_replies_before_starttls_do_not_leak_into_it(server, certificates):
    with TlsClient(server.address()) as client:
        client.expect(220)
        client.send(b"EHLO c.example\r\nMAIL FROM:<s@example.org>\r\nRSET\r\nSTARTTLS\r\n")
        for code in (250, 250, 250, 220):
            client.expect(code)
        assert client.unread() == 0
        client.wrap(certificates.trusting())
        client.command("DATA", 503)


@pytest.mark.parametrize("mode", MODES)
def test_the_hostile_inputs_fare_the_same_within_tls(server, certificates, mode):
    """Each of them whole, in one record."""
    context = certificates.trusting()
    rows = [row for row in TABLE if row.listener == "mx" and row.end != FIN and len(row.sent) < 1 << 20
            and b"STARTTLS" not in row.sent  # TLS is active
            and not (mode == "starttls" and {"421 4.7.0", "554 5.5.0"} & set(row.replies))]
    # After STARTTLS two commands have been counted, and the client is known to speak SMTP.
    assert len(rows) > 60

    def play(row):
        with connect(server, mode, context) as client:
            try:
                client.send(row.sent)
            except OSError:
                assert row.end != OPEN
            for expected in row.replies:
                assert client.reply().startswith(expected), row.name
            if row.end == OPEN:
                client.command("NOOP", 250)
                client.command("QUIT", 221)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(play, rows))
    assert len(server.spool.files()) == sum(len(row.stored) for row in rows)


def test_the_end_without_a_close_notify_is_an_end(server, certificates):
    """Exim's way: all in one write and then FIN. What came before it is processed."""
    with connect(server, "starttls", certificates.trusting()) as client:
        client.send(b"EHLO c.example\r\nMAIL FROM:<s@example.org>\r\nRCPT TO:<r@example.org>\r\n"
                    b"BDAT %d LAST\r\n%sQUIT\r\n" % (len(MAIL), MAIL))
        socket.socket.shutdown(client.socket, socket.SHUT_WR)
        for code in (250, 250, 250, 250, 221):
            client.expect(code)
    assert server.spool.only().content == MAIL


# Certificates.
def test_each_client_gets_the_certificate_of_its_name_and_key_type(daemon, certificates):
    rsa = certificates.issue("rsa", key="rsa")
    other = certificates.issue("other", "DNS:mail.test.example,DNS:*.wild.example")
    server = daemon({"listener": listeners(), "tls": table(certificates.issue(), rsa, other)})

    def shown(name=None, **more):
        with TlsClient(server.address("implicit")) as client:
            context = certificates.trusting(**more)
            client.wrap(context, name)
            return dict(each[0] for each in client.socket.getpeercert()["subject"])["commonName"]

    assert shown() == "server" and shown(NAME) == "server"
    assert shown("mail.test.example") == "other" and shown("a.wild.example") == "other"
    assert shown("127.0.0.1") == "server" and shown("nobody.example") == "server", "no name is an error"
    context = certificates.trusting(version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")
    with TlsClient(server.address("implicit")) as client:
        client.wrap(context, NAME)
        assert dict(each[0] for each in client.socket.getpeercert()["subject"])["commonName"] == "rsa"


def test_client_certificates_are_in_the_json(daemon, certificates, tmp_path):
    mine = certificates.issue("device-7", names="")
    server = daemon({"listener": listeners(), "tls": table(
        certificates.issue(), client_ca=str(certificates.ca), client_certificate="require")})
    with_openssl(server, certificates, "starttls", tmp_path, "-cert", mine[0], "-key", mine[1])
    facts = server.spool.only().json["tls"]
    assert facts["client_subject"] == "CN=device-7" and facts["client_sha256"] == fingerprint(mine[0])
    with TlsClient(server.address()) as client:
        client.expect(220)
        client.command("EHLO c.example", 250)
        client.starttls(certificates.trusting())
        with pytest.raises((ssl.SSLError, Closed, ConnectionError)):
            client.command("EHLO c.example", 250)
    assert server.wait_log("tls_failed")["why"] == "peer did not return a certificate"


def install(folder, pair):
    """As certbot and Kubernetes do it: a new folder, and a symbolic link that is renamed over the old one."""
    version = folder / f"version{time.monotonic_ns()}"
    version.mkdir()
    shutil.copy(pair[0], version / "tls.crt")
    shutil.copy(pair[1], version / "tls.key")
    (folder / "new").symlink_to(version)
    os.replace(folder / "new", folder / "current")
    return folder / "current" / "tls.crt", folder / "current" / "tls.key"


@pytest.mark.skipif(not os.environ.get("LSMTPD_LONG"), reason="waits for the look at the files: LSMTPD_LONG=1")
def test_certificates_change_under_load_without_a_failed_session(daemon, certificates, tmp_path):
    one, two = certificates.issue("one"), certificates.issue("two")
    files = install(tmp_path, one)
    server = daemon({"listener": listeners(), "tls": table(files)})
    ended, failures, seen = threading.Event(), [], set()

    def deliver():
        while not ended.is_set():
            try:
                with connect(server, "implicit", certificates.trusting()) as client:
                    seen.add(dict(each[0] for each in client.socket.getpeercert()["subject"])["commonName"])
                    client.envelope()
                    queued_id(client.data(MAIL))
                    client.command("QUIT", 221)
            except (AssertionError, OSError) as error:
                failures.append(repr(error))

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for each in threads:
        each.start()
    try:
        with connect(server, "implicit", certificates.trusting()) as old:
            install(tmp_path, two)
            server.wait_log("certificates_renewed", 90)
            old.command("NOOP", 250)
            wait_until(lambda: "two" in seen, 20, "a session with the new certificate")
            install(tmp_path, (one[0], two[1]))
            assert "does not belong to" in server.wait_log("certificates_kept", 90)["why"]
            old.command("NOOP", 250)
    finally:
        ended.set()
        for each in threads:
            each.join()
    assert failures == []


def test_check_warns_of_certificates_that_clients_refuse(daemon, certificates):
    def said(pair, **changes):
        server = daemon({"listener": [{"name": "mx", "address": "127.0.0.1:0"}], "tls": table(pair), **changes},
                        started=False)
        return server.cli("check", "--config", server.config_file, check=0).stderr

    assert "certificate" not in said(certificates.issue())
    assert "is self-signed" in said(certificates.self_signed())
    assert "expired on " in said(certificates.issue("expired", days=-1))
    assert "expires on " in said(certificates.issue("soon", days=5))
    assert "no certificate names server.hostname (mx.test.example)" in said(
        certificates.issue("elsewhere", "DNS:elsewhere.example"))
    for more in ({"tls": "required"}, {"client_certificate": "request"}):
        server = daemon({"listener": [{"name": "mx", "address": "*:25", **more}],
                         "tls": table(certificates.issue())}, started=False)
        assert "RFC 3207 section 4" in server.cli("check", "--config", server.config_file).stderr


def test_check_refuses_what_cannot_be_used_at_its_line(daemon, certificates, tmp_path):
    pair, other = certificates.issue(), certificates.issue("one")
    for files, problem in [((pair[0], other[1]), "does not belong to the certificate"),
                           ((tmp_path / "none.pem", pair[1]), "cannot open"),
                           ((pair[1], pair[1]), "has no certificate in PEM form")]:
        server = daemon({"listener": listeners(), "tls": table(files)}, started=False)
        for command in ("check", "run"):
            output = server.cli(command, "--config", server.config_file, check=2).stderr
            assert re.search(rf"lsmtpd\.toml:\d+:\d+: error: .*{problem}", output), output


def test_live_asks_its_own_listeners_and_prints_the_digest_for_dane(daemon, certificates):
    from support.certificates import tlsa
    from support.wait import free_ports
    ports = free_ports(3)
    server = daemon({"listener": [{"name": "mx", "address": f"127.0.0.1:{ports[0]}"},
                                  {"name": "submit", "address": f"127.0.0.1:{ports[1]}", "tls": "implicit"},
                                  {"name": "lmtp", "address": f"127.0.0.1:{ports[2]}", "protocol": "lmtp"}],
                     "tls": table(certificates.issue())})
    pair = certificates.issue()
    output = server.cli("check", "--live", "--config", server.config_file, check=0).stdout
    assert f"TLSA 3 1 1 {tlsa(pair[0])}" in output
    for name in ("mx", "submit", "lmtp"):
        assert f"listener {name}: tls: TLSv1.3, shows {pair[0]}" in output
    answered = server.cli("check", "--listening", "--config", server.config_file, check=0).stdout
    assert answered.count("220 mx.test.example") == 3
    server.stop()
    output = server.cli("check", "--live", "--config", server.config_file, check=0).stdout
    assert output.count("nobody listens") == 3


# A Unix socket.
def test_lmtp_on_a_unix_socket_survives_a_stale_file(daemon, certificates):
    path = sockets.folder() / "lmtp"
    server = daemon({"listener": [{"name": "lmtp", "address": f"unix:{path}", "protocol": "lmtp"}],
                     "server": {"workers": 2}}, started=False)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    server.launch()
    server.wait_log("ready")
    assert path.stat().st_mode & 0o777 == 0o660
    for number in range(8):  # both workers accept
        with smtplib.LMTP(str(path), local_hostname="c.example") as client:
            client.sendmail("s@example.org", ["r@example.org"], MAIL)
    stored = server.spool.messages()
    assert len(stored) == 8 and stored[0].json["peer_address"] == "unix"
    assert server.cli("check", "--listening", "--config", server.config_file, check=0).stdout.count("220 ") == 1
    taken = server.cli("run", "--config", server.config_file, check=2).stderr
    assert "another process listens there" in taken


def test_sslscan_finds_nothing_old_on_a_submission_listener(daemon, certificates):
    """With the settings of docs/security.md."""
    from test_docs import ROOT
    if not shutil.which("sslscan"):
        pytest.skip("no sslscan")
    text = (ROOT / "docs/security.md").read_text()
    ciphers = re.search(r'^ciphers\s*= "(.*)"', text, re.M).group(1)
    server = daemon({"listener": listeners(), "tls": table(certificates.issue(), certificates.issue("rsa", key="rsa"),
                                                           ciphers=ciphers)})
    host, port = server.address("implicit")
    output = clients.run(["sslscan", "--no-colour", f"{host}:{port}"], timeout=120).stdout.decode()
    for old in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
        assert re.search(rf"^{re.escape(old)}\s+disabled", output, re.M), output
    accepted = re.findall(r"^(?:Preferred|Accepted)\s+(\S+)\s+\d+ bits\s+(\S+)", output, re.M)
    assert accepted
    assert all(version == "TLSv1.3" or name.startswith("ECDHE-") for version, name in accepted), accepted


@pytest.mark.skipif(not os.environ.get("LSMTPD_LONG"), reason="takes minutes: LSMTPD_LONG=1")
def test_testssl_finds_nothing_above_low_on_a_submission_listener(daemon, certificates, tmp_path):
    """With the settings of docs/security.md, and certificates whose CA names no CRL, which is a finding of its own."""
    from test_docs import ROOT
    tree = CACHE / "testssl"
    if not tree.is_dir():
        pytest.skip("Debian's testssl.sh is not unpacked: run contrib/dev test")
    text = (ROOT / "docs/security.md").read_text()
    ciphers = re.search(r'^ciphers\s*= "(.*)"', text, re.M).group(1)
    pairs = [certificates.issue(f"long-{key}", key=key, days=180) for key in ("ec", "rsa")]
    server = daemon({"listener": listeners(), "tls": table(*pairs, ciphers=ciphers),
                     "limits": {"connections_per_peer": 1000}})
    host, port = server.address("implicit")
    (tmp_path / "bin").mkdir()
    resolver = tmp_path / "bin/dig"  # it wants one, though it is to ask nothing
    resolver.write_text("#!/bin/sh\nexit 1\n")
    resolver.chmod(0o755)
    output = tmp_path / "findings.json"
    subprocess.run([tree / "usr/bin/testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none",
                    "--openssl", shutil.which("openssl"), "--add-ca", certificates.ca, "--jsonfile", output,
                    "-p", "-s", "-f", "-S", "-U", f"{host}:{port}"], capture_output=True, timeout=1800,
                   env={**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
                        "TESTSSL_INSTALL_DIR": str(tree / "etc/testssl")})
    findings = json.loads(output.read_text())
    found = {each["id"]: (each["severity"], each["finding"]) for each in findings}
    assert found["TLS1_1"][1] == found["SSLv3"][1] == "not offered" and found["cert_chain_of_trust <cert#1>"][1] == "passed."
    grave = {key: each for key, each in found.items()
             if each[0] in ("MEDIUM", "HIGH", "CRITICAL") and not key.startswith("cert_revocation")}
    assert not grave, grave
