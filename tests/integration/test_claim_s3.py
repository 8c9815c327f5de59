# SPDX-License-Identifier: Apache-2.0
"""claim_check with a bucket of S3, against versitygw, which checks signatures and checksums: bodies arrive before their
references, a bucket that does not answer is a tempfail, TLS, orphans."""
import os
import time

import pytest
from test_claim_check import LARGE, SMALL, empty, listed, one, rabbit  # noqa: F401, a fixture among them

from support.claims import claim_of
from support.daemon import run_cli, sanitized
from support.load import Ledger, Load
from support.relay import Relay
from support.s3 import S3Server, program
from support.smtp import queued_id
from support.wait import wait_until

MEMORY = 128 * 2**20
pytestmark = pytest.mark.skipif(program() is None, reason="no versitygw: run contrib/dev brokers get all")


@pytest.fixture
def s3(tmp_path):
    made = S3Server(tmp_path / "s3").start()
    yield made
    made.end()


def start(daemon, rabbit, server, fallback=True, deadline="20s", **changes):
    made = daemon(rabbit.configuration(fallback=fallback, deadline=deadline, claim_check=server.options(**changes)))
    made.wait_log(rabbit.ready, 30)
    return made


def test_a_large_body_is_an_object_before_its_reference_comes(daemon, rabbit, s3):
    made = start(daemon, rabbit, s3)
    small, large = queued_id(one(made, SMALL)), queued_id(one(made))
    found = dict(rabbit.read(2))
    assert found[small] == SMALL
    claim = claim_of(found[large])
    assert claim["location"] == f"s3://mail/large/{large}" and claim["size"] == len(LARGE)
    assert s3.keys() == [large] and s3.content(large) == LARGE


def test_over_tls_with_an_issuer_of_its_own(daemon, rabbit, tmp_path, authority):
    certificate, key, _ = authority.issue("s3", "localhost")
    s3 = S3Server(tmp_path / "s3", certificate, key).start()
    try:
        made = start(daemon, rabbit, s3, fallback=False, tls_ca=str(authority.ca))
        identity = queued_id(one(made))
        assert s3.content(identity) == LARGE
        untrusted = start(daemon, rabbit, s3, fallback=False)
        assert one(untrusted).startswith("451 4.3.0")
        wait_until(lambda: "certificate" in untrusted.log.read_text(), 20, "the log to say it")
    finally:
        s3.end()


def test_a_wrong_secret_is_a_tempfail_with_the_reason_and_no_secret(daemon, rabbit, s3):
    made = start(daemon, rabbit, s3, secret_key_file=str(s3.folder / "wrong"))
    identity = queued_id(one(made))
    assert made.spool.ids() == [identity]
    assert made.spool.messages()[0].content == LARGE, "the fallback has it whole"
    wait_until(lambda: "SignatureDoesNotMatch" in made.log.read_text(), 20, "the log to say it")
    assert s3.secret not in made.log.read_text() + made.output.read_text()
    assert one(made, SMALL).startswith("250")
    # A key is changed without a reload.
    (s3.folder / "wrong").write_text(s3.secret)
    empty(made)
    assert s3.keys() == [identity] and rabbit.waiting() == 2


def test_a_server_that_is_down_fills_the_fallback_and_replay_stores(daemon, rabbit, s3):
    made = start(daemon, rabbit, s3)
    s3.kill()
    ids = sorted(queued_id(one(made, LARGE + b"%d\r\n" % number)) for number in range(3))
    assert sorted(made.spool.ids()) == ids
    s3.start()
    empty(made)
    assert s3.keys() == ids and rabbit.waiting() == 3
    made.wait_log("the store of claim_check takes bodies again")


def test_a_server_that_does_not_answer_costs_the_deadline_and_no_more(daemon, rabbit, s3):
    relay = Relay("127.0.0.1", s3.port)
    try:
        host, port = relay.address
        made = start(daemon, rabbit, s3, fallback=False, deadline="1s", s3=f"http://{host}:{port}/mail/large", timeout="60s")
        relay.freeze()
        assert one(made)[0] == "4"
        assert one(made, SMALL).startswith("250"), "small mail goes on"
        began = time.monotonic()
        assert made.stop() == 0
        assert time.monotonic() - began < 20, "a request that nobody wants ends"
    finally:
        relay.close()


def test_a_refusal_deletes_the_object(daemon, rabbit, s3):
    rabbit.process.delete_queue(rabbit.target)
    settings = rabbit.configuration(claim_check=s3.options(), exchange="amq.direct", routing_key="nobody",
                                    unroutable="reject", allow_unsynced_target=True)
    made = daemon(settings)
    made.wait_log(rabbit.ready, 30)
    assert one(made).startswith("550 5.1.1")
    wait_until(lambda: s3.keys() == [], 20, "the object to be deleted")


def test_check_tries_the_bucket(daemon, rabbit, s3):
    made = start(daemon, rabbit, s3)
    done = run_cli("check", "--live", "--config", made.config_file, check=0)
    assert "s3://mail/large/" in done.stdout and "a body was stored and deleted" in done.stdout
    assert s3.keys() == []
    claim_check = made.config["plugin"]["sink"]["options"]["claim_check"]
    claim_check["s3"] = claim_check["s3"].replace("/mail/", "/nobody/")
    made.write_config()
    done = run_cli("check", "--live", "--config", made.config_file)
    assert done.returncode == 16 and "NoSuchBucket" in done.stdout + done.stderr, done


def test_check_looks_at_the_options(daemon, rabbit, s3):
    made = start(daemon, rabbit, s3)
    claim_check = made.config["plugin"]["sink"]["options"]["claim_check"]
    right = dict(claim_check)
    for changes, why in (({"s3": "https://host"}, "names no bucket"), ({"secret_key_file": "/nowhere"}, "/nowhere"),
                         ({"directory": "/tmp"}, "there is one store"), ({"access_key_file": None}, "signed requests"),
                         ({"tls_certificate": "/nowhere.pem"}, "tls_key")):
        claim_check.clear()
        claim_check.update({key: value for key, value in {**right, **changes}.items() if value is not None})
        made.write_config()
        done = run_cli("check", "--config", made.config_file)
        assert done.returncode != 0 and why in done.stdout + done.stderr, done
    claim_check.clear()
    claim_check.update({**right, "tls_key_password": "secret-of-the-key"})
    made.write_config()
    printed = run_cli("check", "--print", "--config", made.config_file)
    assert "tls_key_password" in printed.stdout and "secret-of-the-key" not in printed.stdout


def test_orphans_are_listed_over_many_answers(daemon, rabbit, s3):
    made = start(daemon, rabbit, s3)
    assert listed(made) == []
    folder = s3.bucket / "large"
    folder.mkdir(exist_ok=True)
    keys = [f"{number:08}" for number in range(1200)]
    for key in keys:
        (folder / key).write_bytes(b"x")
    old = time.time() - 7200
    for key in keys[:3]:
        os.utime(folder / key, (old, old))
    assert listed(made) == keys
    assert listed(made, "--orphans", "1h") == keys[:3]
    assert listed(made, "--orphans", "1h", "--delete") == keys[:3]
    assert s3.keys() == keys[3:]


def test_memory_stays_bounded(daemon, rabbit, s3):
    made = start(daemon, rabbit, s3)
    ledger, peak = Ledger(), 0
    load = Load(made.address(), ledger, threads=8, sizes=(4096, 1_000_000, 10_000_000))
    try:
        for _ in range(4):
            load.wait_accepted(20, 120)
            peak = max(peak, made.memory())
    finally:
        load.stop()
    empty(made)
    assert sanitized() or peak < MEMORY, f"{peak / 2**20:.0f} MB"
    bodies = [body for _, body in rabbit.read(rabbit.waiting())]
    ledger.check([s3.content(claim["location"].rsplit("/", 1)[1]) if (claim := claim_of(body)) else body
                  for body in bodies])
