# SPDX-License-Identifier: Apache-2.0
"""After any end at any time: no message with a 250 is lost, none comes twice."""
import random
import signal
import socket
import time

import pytest

from support import report
from support.daemon import BUILD, merge
from support.faults import HOOKED_SPOOL, LAYOUTS, STRACED, ThreadsTraced, with_layout
from support.hostile import H
from support.load import Ledger, Load
from support.matrix import pick
from support.report import Timing
from support.smtp import Client, queued_id
from support.wait import free_ports, wait_until

SIZES = pick((200, 4096, 100_000), (200, 1024, 4096, 30_000))
MANNERS = ("data", "bdat")
THREADS = "spool-journal spool-filer"


def kill_at_random(server, ledger, rounds, most):
    """Starts and kills the daemon under load."""
    chance, restarts = random.Random(5), Timing()
    for _ in range(rounds):
        restarts.take(server.start)
        load = Load(server.address(), ledger, sizes=SIZES, manners=MANNERS)
        load.wait_accepted(chance.randrange(1, most))
        server.kill()
        load.stop()
    return restarts


def test_kill_9_under_load_loses_no_acknowledged_message(daemon):
    server = daemon({"log": {"level": "info"}}, started=False)
    ledger, rounds = Ledger(), pick(12, 200)
    restarts = kill_at_random(server, ledger, rounds, pick(150, 1000))
    server.start()  # a torn file is not in place, and does not stop it
    assert server.stop() == 0
    assert ledger.count(2) >= rounds
    found = ledger.check(server.spool.contents())
    report.record("kill -9 of the daemon, at random", "spool", ledger, found, kills=rounds, restart=str(restarts))


def test_control_with_250_sent_early_kill_9_loses_messages(daemon):
    server = daemon({"plugin": {"spool": {"use": str(HOOKED_SPOOL)}}}, started=False,
                    environment={"LSMTPD_TEST_EARLY_250": "1"})
    ledger = Ledger()
    for _ in range(20):  # a kill that comes between 250 and commit may take some
        kill_at_random(server, ledger, 5, 100)
        found = ledger.compare(server.spool.contents())
        if found.lost:
            break
    assert found.lost, "the kill test cannot fail"
    report.record("kill -9 of the daemon, 250 sent early", "spool", ledger, found, control=True)


def test_killed_at_each_system_call_that_stores_a_message(daemon):
    server = daemon({"log": {"level": "info"}}, started=False, environment=STRACED)
    ledger, restarts, kills = Ledger(), Timing(), 0
    calls = calls_that_store(server, ledger)
    for call, when in [(call, when) for call in calls for when in pick((1, 3), (1, 2, 3, 5, 8, 13, 30, 60))]:
        server.start()
        with ThreadsTraced(server, THREADS, f"{call}:signal=KILL:when={when}"):
            load = Load(server.address(), ledger, threads=4, sizes=(200, 4096, 30_000), manners=MANNERS)
            kills += dies(server, ledger, 400)
        server.kill()
        load.stop()
        restarts.take(server.start)
        assert server.stop() == 0
    assert kills >= len(calls)
    found = ledger.check(server.spool.contents())
    report.record("kill -9 at each system call that stores", "spool", ledger, found, calls=" ".join(calls),
                  kills=kills, restart=str(restarts))


def calls_that_store(server, ledger):
    """The system calls that the threads of the journal and of the files are seen to make."""
    server.start()
    with ThreadsTraced(server, THREADS) as traced:
        load = Load(server.address(), ledger, threads=8, sizes=(200, 4096, 30_000), manners=MANNERS)
        load.wait_accepted(300)
        load.stop()
    assert server.stop() == 0
    calls = traced.calls()
    assert {"openat", "write", "pwrite64", "fdatasync", "syncfs", "linkat", "fsync"} <= set(calls), calls
    return calls


def dies(server, ledger, accepted):
    """False when it did not come to that call within so many messages."""
    end = ledger.count(2) + accepted
    wait_until(lambda: not server.process.running() or ledger.count(2) >= end, 60,
               "the system call that kills, or messages to pass without it")
    return not server.process.running()


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


def test_a_second_sigterm_while_plugins_stop_ends_it_as_cleanly(daemon):
    fixture = {"use": str(BUILD / "tests/fixtures/bad_filter.so"),
               "options": {"mode": "continue", "close": "slow_stop", "delay": "60s"}}
    server = daemon({"plugin": {"slow": fixture}, "chain": {"default": {"steps": ["slow", "spool"]}}})
    server.process.signal(signal.SIGTERM)
    wait_until(lambda: "bad_filter stops" in server.process.tail(), 20, "the loop to have ended")
    server.process.signal(signal.SIGTERM)
    assert server.process.wait(20) == 0


def test_ending_names_the_plugin_that_the_drain_waited_for(daemon):
    fixture = {"use": str(BUILD / "tests/fixtures/bad_filter.so"), "options": {"mode": "never"}, "deadline": "300s"}
    server = daemon({"server": {"workers": 1}, "timeouts": {"drain": "1s"}, "plugin": {"silent": fixture},
                     "chain": {"default": {"steps": ["silent", "spool"]}}})
    with server.client() as client:
        client.envelope()
        client.command("DATA", 354)
        client.send(H + b"x\r\n.\r\n")
        with server.client() as other:  # on the one worker, so that what was sent before is read by then
            other.command("NOOP", 250)
        server.process.signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    ending, = server.log_lines("ending")
    assert ending["plugins"] == "silent" and ending["why"] == "timeouts.drain passed", ending


def test_idle_clients_that_ignore_their_421_do_not_hold_a_stop(daemon):
    server = daemon({"timeouts": {"drain": "300s"}})
    clients = [server.client(receive_buffer=2304) for _ in range(20)]
    for client in clients[:10]:  # these do not read either, and their replies are stuck
        client.send(b"EHLO c.example\r\n" * 900)
    server.process.signal(signal.SIGTERM)
    begun = time.monotonic()
    assert server.process.wait(60) == 0
    assert time.monotonic() - begun < 20
    assert not server.log_lines("ending")
    for client in clients:
        client.close()


def test_a_second_sigterm_ends_it_at_once(daemon):
    server = daemon({"timeouts": {"drain": "300s"}})
    with server.client() as client:
        client.envelope()
        client.command("DATA", 354)
        server.process.signal(signal.SIGTERM)
        wait_until(lambda: server.log_lines("draining"), 20, "the drain to begin")
        server.process.signal(signal.SIGTERM)
        assert server.process.wait(20) == 0


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
    found = ledger.check(server.spool.contents())
    report.record(f"SIGTERM under load, {signals}x", "spool", ledger, found)


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


def test_sighup_before_it_is_ready_does_not_end_it(daemon, tmp_path):
    # -D: the daemon is our child, and strace its.
    server = daemon(started=False, environment=STRACED, wrapper=[
        "strace", "-D", "-qq", "-o", tmp_path / "strace.txt", "-e", "trace=bind", "--inject=bind:signal=HUP:when=1"])
    server.start()
    assert "--- SIGHUP" in (tmp_path / "strace.txt").read_text()
    with server.client() as client:
        client.command("NOOP", 250)
    assert server.stop() == 0


def connects(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_sigterm_before_it_is_ready_is_a_drain_too(daemon, tmp_path):
    [port] = free_ports(1)
    # The caller of listen() waits a second more for it.
    server = daemon({"listener": [{"name": "mx", "address": f"127.0.0.1:{port}", "chain": "default"}]},
                    started=False, environment=STRACED, wrapper=[
        "strace", "-D", "-f", "-qq", "-o", tmp_path / "strace.txt", "-e", "trace=listen",
        "--inject=listen:delay_exit=1000000"])
    server.launch()
    wait_until(lambda: connects(port), 20, "the daemon to listen")
    assert server.stop() == 0
    server.wait_log("stopped")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_second_daemon_on_the_same_spool_is_refused(daemon, layout):
    first = daemon(with_layout(layout))
    second = daemon(merge(with_layout(layout), {"plugin": {"spool": {"options": {"directory": str(first.spool.folder)}}}}),
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
