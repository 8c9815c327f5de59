# SPDX-License-Identifier: Apache-2.0
"""claim_check: large bodies are stored durably before their reference is published, resends replace them, the fallback
has them whole, and a store that fails is a tempfail. test_conformance.py has an output with it among its sinks."""
import json
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from support import amqp091
from support.claims import claim_of, fetch
from support.daemon import merge, run_cli, sanitized
from support.faults import STRACED, PowerCut, SmallDisk, ThreadsTraced, can_mount, why_no_power_cut
from support.load import Ledger, Load
from support.sinks import Amqp, Amqp091, Kafka, NatsStream
from support.smtp import queued_id, stuff
from support.spool import content_of
from support.wait import wait_until

ROOT = pathlib.Path(__file__).parents[2]
MEMORY = 128 * 2**20
HEADER = b"From: s@example.org\r\nSubject: x\r\n\r\n"
SMALL = HEADER + b"hello\r\n"
LARGE = HEADER + b"0123456789abcde\r\n" * 300_000  # 5 MB
needs_mount = pytest.mark.skipif(not can_mount(), reason="only root can mount")


@pytest.fixture
def claims(tmp_path):
    folder = tmp_path / "claims"
    folder.mkdir()
    return folder


def made_of(kind, request, tmp_path):
    process = request.getfixturevalue(kind.broker)
    process.resume()
    process.start()
    made = kind(process, "claim-" + request.node.name.split("[")[0].removeprefix("test_"), tmp_path)
    made.begin()
    return made


@pytest.fixture(params=[Amqp091, Amqp, Kafka, NatsStream], ids=lambda kind: kind.name)
def sink(request, tmp_path):
    made = made_of(request.param, request, tmp_path)
    yield made
    made.end()


@pytest.fixture
def rabbit(request, tmp_path):
    made = made_of(Amqp091, request, tmp_path)
    yield made
    made.end()


def start(daemon, sink, claims, above="256KiB", environment=None, layout="files", **changes):
    settings = sink.configuration(claim_check={"above": above, "directory": str(claims)}, **changes)
    settings = merge(settings, {"plugin": {"spool": {"options": {"layout": layout}}}})
    made = daemon(settings, environment=environment) if environment else daemon(settings)
    made.wait_log(sink.ready, 30)
    return made


def send(client, content):
    reply = ""
    for line in ("MAIL FROM:<s@example.org>", "RCPT TO:<r@example.org>", "DATA"):
        client.send(line.encode() + b"\r\n")
        reply = client.reply()
        if reply[0] not in "23":
            client.command("RSET", 250)
            return reply
    client.send(stuff(content))
    return client.reply()


def one(made, content=LARGE):
    with made.client() as client:
        client.command("EHLO client.example", 250)
        return send(client, content)


def names(claims):
    return sorted(path.name for path in claims.iterdir())


def empty(made):
    wait_until(lambda: len(made.spool) == 0, 60, lambda: f"the fallback to be empty:\n{made._log_tail()}")


def test_a_large_body_is_stored_and_a_small_one_is_sent_whole(daemon, sink, claims):
    made = start(daemon, sink, claims)
    with made.client() as client:
        client.send("EHLO client.example\r\n")
        words = dict(line[4:].partition(" ")[::2] for line in client.reply_lines())
        assert int(words["SIZE"]) == 32 * 2**20, "the limit of the daemon, not of the broker"
        small, large = queued_id(send(client, SMALL)), queued_id(send(client, LARGE))
    found = dict(sink.read(2))
    assert found[small] == SMALL
    claim = claim_of(found[large])
    assert fetch(claim) == LARGE
    assert claim["content_type"] == "message/rfc822"
    assert names(claims) == [large] and claim["location"] == str(claims / large)
    assert json.loads(found[large])["message_id"] == json.loads(found[large])["copy_id"] == large
    assert len(made.spool) == 0


def test_json_is_stored_as_it_would_have_been_published(daemon, rabbit, claims):
    made = start(daemon, rabbit, claims, format="json")
    identity = queued_id(one(made))
    (properties, body), = amqp091.receive(rabbit.process, rabbit.target, 1)
    assert properties.content_type == "application/vnd.lsmtpd.claim+json"
    assert properties.headers["claim_check"] == str(claims / identity)
    assert properties.headers["smtp_rcpt_to"] == "r@example.org"
    stored = json.loads(fetch(claim_of(body)))
    assert stored["message_id"] == identity and content_of(stored) == LARGE


def test_out_of_reach_the_fallback_has_it_whole_and_replay_stores_it(daemon, sink, claims):
    sink.cut()
    made = daemon(sink.configuration(claim_check={"directory": str(claims)}))
    ids = sorted(queued_id(one(made, LARGE + b"%d\r\n" % number)) for number in range(3))
    assert sorted(made.spool.ids()) == ids
    assert all(len(each.content) > len(LARGE) for each in made.spool.messages()), "the bodies, not references"
    sink.mend()
    empty(made)
    found = dict(sink.read(3))
    assert sorted(found) == names(claims) == ids
    assert sorted(fetch(claim_of(body)) for body in found.values()) == [LARGE + b"%d\r\n" % n for n in range(3)]


def test_a_resend_replaces_the_body(daemon, rabbit, claims):
    made = start(daemon, rabbit, claims, deadline="2s")
    rabbit.hold()
    identity = queued_id(one(made))
    assert made.spool.ids() == [identity], "the outcome is not known by the deadline"
    wait_until(lambda: names(claims) == [identity], 20, "the body to be stored")
    first = (claims / identity).stat().st_ino
    rabbit.cut()  # what was sent is lost, so that replay sends it again
    rabbit.release()
    rabbit.mend()
    empty(made)
    assert names(claims) == [identity]
    assert (claims / identity).stat().st_ino != first
    assert {fetch(claim_of(body)) for _, body in rabbit.read(rabbit.waiting())} == {LARGE}


def test_a_refusal_deletes_it(daemon, rabbit, claims):
    rabbit.process.delete_queue(rabbit.target)
    made = start(daemon, rabbit, claims, exchange="amq.direct", routing_key="nobody", unroutable="reject",
                 allow_unsynced_target=True)
    assert one(made).startswith("550 5.1.1")
    wait_until(lambda: names(claims) == [], 20, "the stored body to be deleted")
    assert len(made.spool) == 0


# The daemon dies after the body has its name, and before the reference is published.
def test_killed_between_store_and_publication_leaves_an_orphan_and_no_message(daemon, rabbit, claims, tmp_path):
    made = start(daemon, rabbit, claims, fallback=False, environment=STRACED)
    with ThreadsTraced(made, "claims", "fsync:signal=KILL"):
        with made.client() as client:
            client.envelope()
            client.command("DATA", 354)
            client.send(stuff(LARGE))
            client.expect_close()  # no reply: the client keeps the mail
        made.process.wait(20)
    assert made.process.returncode == -signal.SIGKILL
    orphan, = names(claims)
    assert rabbit.waiting() == 0
    made.restart()
    made.wait_log(rabbit.ready, 30)
    identity = queued_id(one(made))
    assert rabbit.read(1)[0][0] == identity
    assert names(claims) == sorted([orphan, identity])
    assert listed(made, "--orphans", "1h") == []
    assert {orphan, identity} == set(listed(made, "--orphans", "0s"))
    (claims / orphan).touch()
    old = time.time() - 7200
    subprocess.run(["touch", "-d", f"@{int(old)}", claims / orphan], check=True)
    assert listed(made, "--orphans", "1h") == [orphan]
    assert listed(made, "--orphans", "1h", "--delete") == [orphan]
    assert names(claims) == [identity]


def test_killed_under_load_each_reference_has_its_body(daemon, rabbit, claims):
    made = start(daemon, rabbit, claims, above="4KiB")
    ledger = Ledger()
    for _ in range(3):
        load = Load(made.address(), ledger, threads=6, sizes=(200, 8192, 300_000))
        load.wait_accepted(60)
        made.kill()
        load.stop()
        made.restart()
    made.wait_log(rabbit.ready, 30)
    empty(made)
    bodies = [body for _, body in rabbit.read(rabbit.waiting())]
    ledger.check([fetch(claim) if (claim := claim_of(body)) else body for body in bodies], duplicates_allowed=True)
    referenced = {json.loads(body)["copy_id"] for body in bodies if claim_of(body)}
    assert referenced <= set(names(claims))
    assert set(listed(made, "--orphans", "0s")) >= set(names(claims)) - referenced


def listed(made, *words):
    done = run_cli("claims", "--config", made.config_file, *words, check=0)
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("layout", ["files", "journal"])
def test_a_copy_that_waits_in_the_spool_is_no_orphan(daemon, rabbit, claims, layout):
    made = start(daemon, rabbit, claims, deadline="2s", layout=layout)
    rabbit.hold()
    identity = queued_id(one(made))
    wait_until(lambda: names(claims) == [identity], 20, "the body to be stored")
    assert listed(made) == [identity]
    assert listed(made, "--orphans", "0s") == [identity]
    assert listed(made, "--orphans", "0s", "--spool", made.spool.folder) == []
    rabbit.release()


def test_the_command_says_what_is_wrong(daemon, rabbit, claims):
    made = start(daemon, rabbit, claims)
    for words, why in ((["--orphans"], "wants one more word"), (["--orphans", "5x"], "is no age"),
                       (["--delete"], "go with --orphans"), (["--nothing"], "is unknown"),
                       (["--orphans", "1d", "--spool", "/nowhere"], "cannot read the folder")):
        done = run_cli("claims", "--config", made.config_file, *words)
        assert done.returncode == 2 and why in done.stderr, done
    made.config["plugin"]["sink"]["options"].pop("claim_check")
    made.write_config()
    done = run_cli("claims", "--config", made.config_file)
    assert done.returncode == 2 and "has no claim_check" in done.stderr


def test_a_power_cut_keeps_the_body_of_every_reference(daemon, rabbit, claims):
    why = why_no_power_cut("ext4")
    if why:
        pytest.skip(why)
    ledger = Ledger()
    with PowerCut(claims, "ext4") as disk:
        made = start(daemon, rabbit, claims, above="4KiB", fallback=False)
        load = Load(made.address(), ledger, threads=4, sizes=(200, 8192, 100_000))
        load.wait_accepted(200)
        refused = ledger.count(4)
        disk.cut()
        wait_until(lambda: ledger.count(4) > refused, 60, "the dead disk to be noticed")
        load.stop()
        made.kill()
        disk.remount()
        bodies = [body for _, body in rabbit.read(rabbit.waiting())]
        assert sum(claim_of(body) is not None for body in bodies) > 50
        ledger.check([fetch(claim) if (claim := claim_of(body)) else body for body in bodies], refused_may_stay=True)


@needs_mount
def test_a_full_disk_is_452_and_small_mail_goes_on(daemon, rabbit, claims):
    with SmallDisk(claims, "size=8M"):
        made = start(daemon, rabbit, claims, fallback=False)
        assert one(made).startswith("250")
        reply = one(made)
        assert reply.startswith("452 4.3.1"), reply
        assert len(names(claims)) == 1, "nothing unfinished stays"
        assert one(made, SMALL).startswith("250")
        for path in claims.iterdir():
            path.unlink()
        assert one(made).startswith("250")
        made.wait_log("the store of claim_check takes bodies again")
        assert rabbit.waiting() == 3
        assert made.stop() == 0


@needs_mount
def test_a_full_disk_fills_the_fallback(daemon, rabbit, claims):
    with SmallDisk(claims, "size=1M"):
        made = start(daemon, rabbit, claims)
        identity = queued_id(one(made))
        assert made.spool.ids() == [identity]
        subprocess.run(["mount", "-o", "remount,size=64M", claims], check=True)
        empty(made)
        assert fetch(claim_of(rabbit.read(1)[0][1])) == LARGE
        assert made.stop() == 0


def test_a_disk_that_hangs_costs_the_deadline_and_holds_no_mail(daemon, rabbit, claims):
    why = why_no_power_cut("ext4")
    if why:
        pytest.skip(why)
    with PowerCut(claims, "ext4"):
        made = start(daemon, rabbit, claims, deadline="1s", fallback=False)
        subprocess.run(["fsfreeze", "--freeze", claims], check=True)
        try:
            assert {one(made)[:9] for _ in range(16)} == {"451 4.3.0"}
            assert made.memory() < 64 * 2**20, "what the four threads hold, not the 80 MB that were given up"
            assert one(made, SMALL).startswith("250"), "small mail goes on"
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", claims], check=True)
        wait_until(lambda: one(made).startswith("250"), 30, "the disk to be used again")
        found = [body for _, body in rabbit.read(2)]
        assert sorted(fetch(claim) if (claim := claim_of(body)) else body for body in found) == sorted([SMALL, LARGE])
        assert made.stop() == 0


def test_memory_stays_bounded(daemon, rabbit, claims):
    made = start(daemon, rabbit, claims)
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
    whole = [fetch(claim) if (claim := claim_of(body)) else body for body in bodies]
    assert any(claim_of(body) for body in bodies)
    ledger.check(whole)


def test_check_looks_at_the_directory(daemon, rabbit, claims):
    made = start(daemon, rabbit, claims)
    done = run_cli("check", "--live", "--config", made.config_file, check=0)
    assert f"directory {claims}: a body was stored and deleted" in done.stdout
    assert names(claims) == []
    made.config["plugin"]["sink"]["options"]["claim_check"]["directory"] = str(claims / "missing")
    made.write_config()
    done = run_cli("check", "--config", made.config_file)
    assert done.returncode != 0
    assert f"cannot write to {claims}/missing: No such file or directory" in done.stdout + done.stderr


@pytest.mark.parametrize("wrong, why", [
    ('{ above = "1KiB", directory = "/tmp" }', "claim_check.above must be at least 4KiB"),
    ('{ above = "1MiB" }', "has neither `directory` nor `s3`"),
    ('{ directry = "/tmp" }', "claim_check.directry is unknown"),
    ('[{ directory = "/tmp" }, { directory = "/var/tmp" }]', "is the second table"),
])
def test_mistakes_have_their_place(tmp_path, wrong, why):
    file = tmp_path / "lsmtpd.toml"
    file.write_text('[[listener]]\nname = "mx"\naddress = "127.0.0.1:0"\nchain = "default"\n[plugin.sink]\nuse = "output_amqp091"\n'
                    f'[plugin.sink.options]\nurls = ["amqp://127.0.0.1"]\nrouting_key = "mail"\nclaim_check = {wrong}\n'
                    '[chain.default]\nsteps = ["sink"]\n')
    done = run_cli("check", "--config", file)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and why in said, said
    assert f"{file}:10:" in said, said


def test_the_example_consumer_takes_and_deletes(daemon, rabbit, claims):
    made = start(daemon, rabbit, claims)
    assert one(made).startswith("250") and one(made, SMALL).startswith("250")
    url = f"amqp://{rabbit.process.user}:{rabbit.process.password}@{rabbit.process.host}:{rabbit.process.port}/%2F"
    done = subprocess.run([sys.executable, ROOT / "contrib/examples/claims/worker.py", "--url", url, "--queue", rabbit.target,
                           "--count", "2"], capture_output=True, text=True, timeout=60, check=True)
    assert sorted(int(line.split()[0]) for line in done.stdout.splitlines()) == [len(SMALL), len(LARGE)]
    assert names(claims) == []
    assert rabbit.waiting() == 0
