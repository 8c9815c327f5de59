# SPDX-License-Identifier: Apache-2.0
"""AUTH with real clients, inside the TLS that a trusted proxy (HAProxy) ends, against a file of users."""
import os
import pathlib
import re
import smtplib
import ssl
import subprocess

import pytest

from support import proxies
from support.admin import Admin
from support.brokers import CACHE
from support.certificates import Certificates, fingerprint, table
from support.daemon import run_cli
from support.smtp import Client
from support.wait import wait_until

MAIL = b"Subject: submitted\r\n\r\nhello\r\n"
USER, PASSWORD = "user@example.org", "hunter2 is secret"
ROOT = pathlib.Path(__file__).parents[2]


def line(user, password):
    return run_cli("auth", "hash", user, input=password.encode() + b"\n", check=0).stdout


def settings(users, **listener):
    return {"listener": [{"name": "submission", "address": "127.0.0.1:0", "proxy_protocol_from": ["127.0.0.1"],
                          "auth": "required", "auth_plugin": "users", **listener}],
            "plugin": {"users": {"use": "auth_file", "options": {"file": str(users)}},
                       "spool": {"options": {"extra": True}}}}


@pytest.fixture
def users(tmp_path):
    file = tmp_path / "users"
    file.write_text(line(USER, PASSWORD))
    return file


@pytest.fixture
def submission(daemon, users, tmp_path):
    """The daemon behind HAProxy, which ends TLS at .port."""
    server = daemon(settings(users))
    end = proxies.certificate(tmp_path)
    with proxies.haproxy(tmp_path, server, "send-proxy-v2 proxy-v2-options ssl", f"ssl crt {end[2]}",
                         listener="submission") as proxy:
        server.port = proxy.port
        yield server


def context():
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    return unchecked


def connect(server, source="127.0.0.7"):
    return smtplib.SMTP_SSL("127.0.0.1", server.port, "client.example", timeout=30, context=context(),
                            source_address=(source, 0))


def run(*argv, input=None):
    done = subprocess.run([str(each) for each in argv], input=input, capture_output=True, timeout=60)
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")[-2000:]


def with_smtplib(server, folder):
    with connect(server) as client:
        client.login(USER, PASSWORD)
        client.sendmail(USER, ["r@example.org"], MAIL)


def with_smtplib_login(server, folder):
    with connect(server) as client:
        client.ehlo()
        client.user, client.password = USER, PASSWORD
        assert client.auth("LOGIN", client.auth_login, initial_response_ok=False)[0] == 235
        client.sendmail(USER, ["r@example.org"], MAIL)


def with_swaks(server, folder, mechanism="PLAIN"):
    run("swaks", "--server", f"127.0.0.1:{server.port}", "--tlsc", "--auth", mechanism, "--auth-user", USER,
        "--auth-password", PASSWORD, "--from", USER, "--to", "r@example.org", "--helo", "client.example")


def with_swaks_login(server, folder):
    with_swaks(server, folder, "LOGIN")


def with_msmtp(server, folder):
    run("msmtp", "--host=127.0.0.1", f"--port={server.port}", "--tls=on", "--tls-starttls=off", "--tls-certcheck=off",
        "--auth=plain", f"--user={USER}", f"--passwordeval=echo {PASSWORD}", f"--from={USER}", "--domain=c.example",
        "r@example.org", input=MAIL)


def with_curl(server, folder):
    file = folder / "mail.eml"
    file.write_bytes(MAIL)
    run("curl", "-sS", "-k", "--url", f"smtps://127.0.0.1:{server.port}/client.example", "--user", f"{USER}:{PASSWORD}",
        "--mail-from", USER, "--mail-rcpt", "r@example.org", "--upload-file", file)


@pytest.mark.parametrize("send", [with_smtplib, with_smtplib_login, with_swaks, with_swaks_login, with_msmtp, with_curl],
                         ids=lambda send: send.__name__.removeprefix("with_"))
def test_real_clients_authenticate(submission, tmp_path, send):
    send(submission, tmp_path)
    submission.wait_log("accepted", protocol="ESMTPSA")
    assert submission.spool.only().json["auth_user"] == USER


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


def with_own_tls(users, certificates, **tls):
    """Two listeners without a proxy: TLS at once, and by STARTTLS."""
    change = settings(users, proxy_protocol_from=[], tls="implicit")
    change["listener"].append({**change["listener"][0], "name": "starttls", "address": "127.0.0.2:0", "tls": "required"})
    return {**change, "tls": {**table(certificates.issue()), **tls}}


@pytest.mark.parametrize("listener", ["submission", "starttls"])
def test_auth_inside_our_own_tls(daemon, users, certificates, listener):
    server = daemon(with_own_tls(users, certificates))
    host, port = server.address(listener)
    if listener == "starttls":
        client = smtplib.SMTP(host, port, "client.example", timeout=30)
        client.ehlo()
        assert not client.has_extn("auth")
        client.starttls(context=certificates.trusting())
    else:
        client = smtplib.SMTP_SSL(host, port, "client.example", timeout=30, context=certificates.trusting())
    with client:
        client.login(USER, PASSWORD)
        client.sendmail(USER, ["r@example.org"], MAIL)
    message = server.spool.only().json
    assert message["auth_user"] == USER and message["protocol"] == "ESMTPSA" and "by" not in message["tls"]


def test_a_client_certificate_logs_in(daemon, users, certificates):
    own = certificates.issue("device-7", names="")
    users.write_text(users.read_text() + "device-7:{cert-sha256}" + fingerprint(own[0]) + "\n")
    server = daemon(with_own_tls(users, certificates, client_ca=str(certificates.ca), client_certificate="request"))
    host, port = server.address("submission")
    for certificate, code in ((own, 235), (certificates.issue("device-8", names=""), 535), (None, 504)):
        with smtplib.SMTP_SSL(host, port, "client.example", timeout=30,
                              context=certificates.trusting(certificate)) as client:
            client.ehlo()
            assert ("EXTERNAL" in client.esmtp_features["auth"]) == (certificate is not None)
            assert client.docmd("AUTH", "EXTERNAL =")[0] == code
            if code == 235:
                client.sendmail("s@example.org", ["r@example.org"], MAIL)
    assert server.spool.only().json["auth_user"] == "device-7"


def test_failures_have_one_line_each_and_no_password(submission):
    for user in (USER, "nobody@example.org"):
        with connect(submission) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login(user, "a wrong password")
        assert refused.value.smtp_code in (421, 535)
    lines = wait_until(lambda: (found := submission.log_lines("auth_failed")) and len(found) >= 2 and found, 20, "lines")
    assert {each.get("user") for each in lines} == {USER, None}
    assert all(each["peer"].startswith("127.0.0.7:") for each in lines)
    log = submission.log.read_text()
    for secret in ("a wrong password", "YSB3cm9uZyBwYXNzd29yZA", "nobody@"):
        assert secret not in log


def test_attempts_are_counted_by_mechanism_and_result(daemon, users, certificates):
    admin = Admin()
    server = daemon({**with_own_tls(users, certificates), **admin.configuration()})
    admin.attach(server).wait_ready()

    def attempts(mechanism, result):
        return admin.value("lsmtpd_auth_attempts_total", mechanism=mechanism, result=result)

    assert attempts("EXTERNAL", "unavailable") == attempts("PLAIN", "limited") == 0, "each is there from the start"
    for password in (PASSWORD, "wrong"):
        with smtplib.SMTP_SSL(*server.address("submission"), "client.example", timeout=30,
                              context=certificates.trusting()) as client:
            client.ehlo()
            client.user, client.password = USER, password
            try:
                client.auth("PLAIN", client.auth_plain)
            except smtplib.SMTPAuthenticationError:
                assert password == "wrong"
    wait_until(lambda: attempts("PLAIN", "ok") == attempts("PLAIN", "wrong") == 1, 10, "both to be counted")
    assert admin.value("lsmtpd_refusals_total", listener="submission", phase="auth", reason="auth",
                       **{"class": "5"}) == 1
    assert attempts("LOGIN", "ok") == 0


def test_the_file_is_read_again(submission, users):
    with connect(submission) as client:
        client.login(USER, PASSWORD)
    fresh = users.with_suffix(".new")
    fresh.write_text(line(USER, "another one"))
    fresh.rename(users)

    def changed():
        with connect(submission) as client:
            try:
                client.login(USER, PASSWORD)
                return False
            except smtplib.SMTPAuthenticationError:
                return True
    wait_until(changed, 20, "the old password to be refused", every=0.5)
    with connect(submission, source="127.0.0.8") as client:
        client.login(USER, "another one")


def test_without_tls_nothing_is_offered_or_taken(daemon, users):
    server = daemon(settings(users, proxy_protocol_from=[]))
    with Client(server.address("submission")) as client:
        client.expect("220 ")
        client.send("EHLO client.example\r\n")
        assert not [each for each in client.reply_lines() if "AUTH" in each]
        client.send("AUTH PLAIN AHVzZXIAc2VjcmV0\r\n")
        client.expect("538 5.7.11")
        client.send("MAIL FROM:<a@example.org>\r\n")
        client.expect("530 5.7.0")


def test_the_reverse_path_may_be_tied_to_the_user(daemon, users, tmp_path):
    change = settings(users)
    change["plugin"]["users"]["options"]["reverse_path"] = "user"
    change["chain"] = {"default": {"steps": ["users", "spool"]}}
    server = daemon(change)
    end = proxies.certificate(tmp_path)
    with proxies.haproxy(tmp_path, server, "send-proxy-v2 proxy-v2-options ssl", f"ssl crt {end[2]}",
                         listener="submission") as proxy:
        server.port = proxy.port
        with connect(server) as client:
            client.login(USER, PASSWORD)
            assert client.mail("other@example.org")[0] == 553
            client.sendmail(USER, ["r@example.org"], MAIL)


def test_hashes_of_the_command_are_bcrypt_of_cost_10():
    assert re.fullmatch(r"name:\$2b\$10\$[./0-9A-Za-z]{53}\n", line("name", "secret"))
    for name, password, what in ((":", b"x\n", "colon"), ("a", b"\n", "empty"), ("a", b"x" * 73 + b"\n", "72")):
        assert what in run_cli("auth", "hash", name, input=password, check=2).stderr


def test_the_fail2ban_filter_finds_the_peer(submission):
    """Its regular expressions, as fail2ban reads them: <HOST> is an address."""
    with connect(submission) as client, pytest.raises(smtplib.SMTPAuthenticationError):
        client.login(USER, "a wrong password")
    submission.wait_log("auth_failed")
    filter_file = (ROOT / "contrib" / "fail2ban" / "lsmtpd.conf").read_text()
    patterns = re.findall(r"^\s*(?:failregex\s*=)?\s*(\S.*auth_failed.*)$", filter_file, re.M)
    host = r"(?:\[?(?P<host>(?:[0-9a-f]*:){2,}[0-9a-f.:]*|\d{1,3}(?:\.\d{1,3}){3})\]?)"
    samples = {
        "2026-11-29T05:33:33.188Z info auth_failed peer=192.0.2.7:4711 listener=submission mechanism=PLAIN user=u":
            "192.0.2.7",
        "2026-11-29T05:33:33.188Z info auth_failed peer=[2001:db8::7]:4711 listener=s mechanism=LOGIN proxy=10.0.0.1:9":
            "2001:db8::7",
    }
    for each in submission.log.read_text().splitlines():
        if '"auth_failed"' in each:
            samples[each] = "127.0.0.7"
    assert len(samples) >= 3 and patterns
    for sample, address in samples.items():
        found = [match["host"] for pattern in patterns
                 if (match := re.search(pattern.replace("<HOST>", host), sample))]
        assert found == [address], sample
    forged = "2026-11-29T05:33:33.188Z info accepted id=x from=\"auth_failed peer=192.0.2.9:1\" peer=192.0.2.7:1"
    assert not any(re.search(pattern.replace("<HOST>", host), forged) for pattern in patterns)


def test_fail2ban_itself_finds_the_peers(submission, tmp_path):
    """The real fail2ban-regex, unpacked by contrib/dev test, over our own log and over lines of the text format."""
    program = pathlib.Path(CACHE) / "fail2ban/usr/bin/fail2ban-regex"
    if not program.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Debian's fail2ban is not unpacked: run contrib/dev test")
    for user in (USER, "nobody@example.org"):
        with connect(submission) as client, pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(user, "a wrong password")
    # smtplib tries PLAIN and LOGIN, and the log is written behind.
    wait_until(lambda: len(submission.log_lines("auth_failed")) == 4, 20, "the lines")
    lines = submission.log_lines("auth_failed")

    def found(log, token):
        argv = ["/usr/bin/python3", program, "-c", program.parents[2] / "etc/fail2ban", "-o", token, log,
                ROOT / "contrib/fail2ban/lsmtpd.conf"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, env={
            **os.environ, "PYTHONPATH": str(program.parents[1] / "lib/python3/dist-packages")})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.split()

    assert found(submission.log, "ip") == ["127.0.0.7"] * len(lines)
    text = tmp_path / "text.log"
    text.write_text(
        "2026-11-29T05:33:33.188Z info auth_failed peer=192.0.2.7:4711 listener=submission mechanism=PLAIN user=u\n"
        "2026-11-29T05:33:34.188Z info auth_failed peer=[2001:db8::7]:4711 listener=s mechanism=LOGIN proxy=10.0.0.1:9\n"
        "2026-11-29T05:33:35.188Z info accepted id=x from=\"auth_failed peer=192.0.2.9:1\" peer=192.0.2.8:1\n"
        "2026-11-29T05:33:36.188Z info tls_failed peer=192.0.2.10:4711 listener=s why=x\n")
    assert found(text, "ip") == ["192.0.2.7", "2001:db8::7"]
