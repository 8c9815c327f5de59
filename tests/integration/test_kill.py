"""Whenever it ends, however it ends: no message with a 250 is lost, none comes twice."""
import os
import random
import signal

import pytest

from support.faults import STRACED, strace
from support.hostile import H
from support.load import Ledger, Load
from support.smtp import Client, queued_id
from support.wait import wait_until

ROUNDS = int(os.environ.get("LSMTPD_KILLS", "12"))


def contents(server):
    return [each.content for each in server.spool.messages()]


def test_kill_9_under_load_loses_no_acknowledged_message(daemon):
    chance = random.Random(5)
    server = daemon(started=False)
    ledger = Ledger()
    for _ in range(ROUNDS):
        server.start()
        load = Load(server.address(), ledger)
        load.wait_accepted(chance.randrange(1, 150))
        server.kill()
        load.stop()
    server.start()  # what was torn is not in place, and does not stop it
    assert server.stop() == 0
    assert len(ledger.accepted) >= ROUNDS
    ledger.check(contents(server))


@pytest.mark.parametrize("call", ["write,writev,pwrite64,pwritev", "fdatasync,fsync,sync_file_range",
                                  "linkat,renameat,renameat2,rename,link"])
@pytest.mark.parametrize("when", [1, 2, 3, 10, 25])
def test_killed_at_a_system_call_of_the_spool_loses_nothing(daemon, tmp_path, call, when):
    server = daemon({"log": {"level": "error"}}, started=False, environment=STRACED)
    server.config["log"]["level"] = "info"
    server.write_config()
    ledger = Ledger()
    server.wrapper = strace(tmp_path, f"{call}:signal=KILL:when={when}")
    server.launch()
    try:
        wait_until(lambda: server._listening(), 30, "to listen, or be killed before")
        load = Load(server.address(), ledger, threads=3, sizes=(200, 4096))
        wait_until(lambda: not server.process.running(), 60, "the system call that kills")
        load.stop()
    except AssertionError:
        assert not server.process.running()
    server.kill()
    server.wrapper = []
    server.start()
    with server.client() as client:
        client.envelope()
        queued_id(client.data(b"X-Number: 0\r\n" + H + b"x\r\n"))
    assert server.stop() == 0
    ledger.write(0, None, b"X-Number: 0\r\n" + H + b"x\r\n")
    ledger.check(contents(server))


def test_sigterm_lets_a_transaction_under_way_finish(daemon):
    server = daemon()
    busy, idle = server.client(), server.client()
    busy.envelope()
    busy.command("DATA", 354)
    server.process.signal(signal.SIGTERM)
    idle.expect("421")
    idle.expect_close()

    def refused():
        try:
            with Client(server.address()) as client:
                return client.reply().startswith("421")
        except (OSError, AssertionError):
            return True

    wait_until(refused, 20, "new connections to be refused")
    busy.send(H + b"finished\r\n.\r\n")
    message_id = queued_id(busy.reply())
    assert server.process.wait(20) == 0
    assert server.spool.message(message_id).content == H + b"finished\r\n"


@pytest.mark.parametrize("drain", ["0s", "1s"])
def test_sigterm_does_not_wait_longer_than_drain(daemon, drain):
    server = daemon({"timeouts": {"drain": drain}})
    with server.client() as client:
        client.envelope()
        client.command("DATA", 354)
        server.process.signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    assert len(server.spool) == 0


def test_a_second_sigterm_ends_it_at_once(daemon):
    server = daemon({"timeouts": {"drain": "300s"}})
    with server.client() as client:
        client.envelope()
        client.command("DATA", 354)
        server.process.signal(signal.SIGTERM)
        wait_until(lambda: server.log_lines("draining"), 20, "the drain to begin")
        server.process.signal(signal.SIGTERM)
        server.process.wait(20)
    server.kill()


@pytest.mark.parametrize("signals", [1, 2])
def test_sigterm_under_load_loses_no_acknowledged_message(daemon, signals):
    server = daemon(started=False)
    ledger = Ledger()
    for _ in range(3):
        server.start()
        load = Load(server.address(), ledger)
        load.wait_accepted(50)
        for _ in range(signals):
            server.process.signal(signal.SIGTERM)
        status = server.process.wait(40)
        load.stop()
        assert signals == 2 or status == 0
    server.kill()
    ledger.check(contents(server))


def test_sighup_reopens_the_log_and_loses_no_line(daemon):
    server = daemon()
    with server.client() as client:
        client.envelope()
        queued_id(client.data(H + b"x\r\n"))
        server.wait_log("accepted")
        server.log.rename(server.folder / "log.1")
        server.process.signal(signal.SIGHUP)
        server._log_start = 0
        wait_until(server.log.exists, 20, "the log to be opened again")
        client.envelope()
        second = queued_id(client.data(H + b"x\r\n"))
    server.wait_log("accepted", id=second)


def test_a_second_daemon_on_the_same_spool_is_refused(daemon):
    first = daemon()
    second = daemon({"plugin": {"spool": {"options": {"directory": str(first.spool.folder)}}}},
                    started=False)
    second.launch()
    assert second.process.wait(20) != 0
    output = second.process.tail() + second._log_tail()
    assert str(first.spool.folder) in output
    second.kill()
    second.process = None
    with first.client() as client:
        client.command("NOOP", 250)


def test_litter_and_torn_files_in_the_spool_do_not_stop_it(daemon):
    server = daemon(started=False)
    server.spool.folder.mkdir(mode=0o700)
    (server.spool.folder / "00000000-0000-4000-8000-000000000000.json").write_bytes(b'{"time')
    (server.spool.folder / "00000000-0000-4000-8000-000000000001.json").write_bytes(b"")
    (server.spool.folder / "notes.txt").write_text("not ours")
    server.start()
    with server.client() as client:
        client.envelope()
        message_id = queued_id(client.data(H + b"x\r\n"))
    assert server.spool.message(message_id).content == H + b"x\r\n"
    assert (server.spool.folder / "notes.txt").exists()
