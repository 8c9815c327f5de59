# SPDX-License-Identifier: Apache-2.0
"""Postfix and Exim hand their mail on to lsmtpd inside TLS, by SMTP and LMTP; and the versions of TLS, each with a
client's certificate, by openssl s_client."""
import os

import pytest

from support.certificates import Certificates, fingerprint, table
from support.clients import postfix_program
from support.daemon import Daemon
from support.relays import Exim, Postfix, exim_program
from test_tls import MODES, listeners, with_openssl

MAIL = b"From: <s@example.org>\nTo: <r@example.org>\nSubject: from a relay\n\n..two dots\n.\n\nthe end\n"
BODY = b"\r\n\r\n..two dots\r\n.\r\n\r\nthe end\r\n"
VERSIONS = ["TLSv1.2", "TLSv1.3"]
PROTOCOLS = {"mx": "ESMTPS", "implicit": "ESMTPS", "lmtp": "LMTPS"}


def needs(program, name):
    if os.geteuid() != 0:
        pytest.skip(f"{name} starts as root only")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not unpacked")
        pytest.skip(f"{name} is not unpacked: run contrib/dev test")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory, certificates):
    made = Daemon(tmp_path_factory.mktemp("relays"), {
        "listener": listeners(), "log": {"level": "info"},
        "tls": table(certificates.issue(), client_ca=str(certificates.ca), client_certificate="request")}).start()
    yield made
    made.check_clean()


@pytest.fixture
def server(shared):
    for each in shared.spool.files():
        each.unlink()
    return shared


def stored(server, listener):
    message = server.spool.only()
    assert message.content.endswith(BODY)
    assert message.json["protocol"] == PROTOCOLS[listener]
    return message.json["tls"]


@pytest.fixture(scope="module")
def postfix(shared, certificates, tmp_path_factory):
    """One for all, since it takes seconds to start: a route for each listener and version."""
    needs(postfix_program("sendmail")[0], "Postfix")
    own = certificates.issue("relay", names="")
    routes = {"certificate.test": (shared.address("mx"), "smtp",
                                   {"smtp_tls_cert_file": own[0], "smtp_tls_key_file": own[1]})}
    for listener in PROTOCOLS:
        kind = "lmtp" if listener == "lmtp" else "smtp"
        for version in VERSIONS:
            routes[f"{listener}.{version}.test"] = (shared.address(listener), kind, {
                f"{kind}_tls_mandatory_protocols": version,
                **({"smtp_tls_wrappermode": "yes"} if listener == "implicit" else {})})
    with Postfix(tmp_path_factory.mktemp("postfix"), routes, certificates.ca) as made:
        yield made


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("listener", PROTOCOLS)
def test_postfix_delivers(server, postfix, listener, version):
    recipient = f"r@{listener}.{version}.test"
    assert "status=sent (250 2.0.0 Ok: queued as " in postfix.deliver(MAIL, recipient)
    assert stored(server, listener)["version"] == version
    assert server.spool.only().json["recipients"] == [f"<{recipient}>"]


def test_postfix_shows_its_certificate(server, certificates, postfix):
    assert "status=sent" in postfix.deliver(MAIL, "r@certificate.test")
    assert stored(server, "mx")["client_sha256"] == fingerprint(certificates.issue("relay", names="")[0])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("listener", PROTOCOLS)
def test_exim_delivers_and_finds_nothing_odd(server, certificates, tmp_path, listener, version):
    needs(exim_program(), "Exim")
    exim = Exim(tmp_path / "exim", server.address(listener), ca=certificates.ca,
                protocol={"mx": "smtp", "implicit": "smtps"}.get(listener, listener),
                more=f"tls_require_ciphers = NORMAL:-VERS-ALL:+VERS-TLS{version[-3:]}")
    log = exim.deliver(MAIL)
    assert '=> r@example.org' in log and 'C="250 2.0.0 Ok: queued as ' in log, log
    assert " CV=yes " in log and "TLS error" not in log and "closed connection" not in log, log
    assert stored(server, listener)["version"] == version


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("mode", MODES)
def test_each_version_takes_a_certificate_of_the_client(server, certificates, tmp_path, mode, version):
    own = certificates.issue("device-9", names="")
    with_openssl(server, certificates, mode, tmp_path, version, "-cert", own[0], "-key", own[1])
    facts = server.spool.only().json["tls"]
    assert facts["version"] == {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}[version]
    assert facts["client_subject"] == "CN=device-9" and facts["client_sha256"] == fingerprint(own[0])
