"""Every limit holds, gives its reply, and leaves the daemon serving."""
import select
import socket

import pytest

from support.daemon import sanitized
from support.hostile import H
from support.smtp import Client, queued_id, stuff
from support.wait import wait_until


def deliver(server, content=H + b"x\r\n"):
    with server.client() as client:
        client.envelope()
        return queued_id(client.data(content))


def test_ehlo_announces_what_is_offered_and_the_size_limit(daemon):
    server = daemon({"limits": {"message_size": "1MiB", "recipients": 7}})
    with server.client() as client:
        client.send(b"EHLO c.example\r\n")
        lines = [line[4:] for line in client.reply_lines()]
    assert {"PIPELINING", "SIZE 1048576", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING",
            "BINARYMIME", "DSN"} <= set(lines)
    assert any(line.startswith("LIMITS ") and "RCPTMAX=7" in line for line in lines)
    assert not any(line.startswith(("STARTTLS", "AUTH")) for line in lines)


def test_ehlo_size_is_the_smallest_limit_in_force(daemon):
    server = daemon({"limits": {"message_size": "1MiB"},
                     "plugin": {"size": {"use": "filter_size", "options": {"max": "100KiB"}}},
                     "chain": {"default": {"steps": ["size", "spool"]}}})
    with server.client() as client:
        client.send(b"EHLO c.example\r\n")
        assert any("SIZE 102400" in line for line in client.reply_lines())
        client.command("MAIL FROM:<s@example.org> SIZE=102401", "552 5.3.4")
        client.command("MAIL FROM:<s@example.org> SIZE=102400", 250)


@pytest.mark.parametrize("by", ["data", "bdat"])
def test_33_a_body_over_the_limit_is_refused_after_draining(daemon, by):
    server = daemon({"limits": {"message_size": "10KiB"}})
    with server.client() as client:
        client.envelope()
        assert getattr(client, by)(H + b"x" * 15_000 + b"\r\n").startswith("552 5.3.4")
        client.envelope()
        queued_id(client.data(H + b"x" * 10_000 + b"\r\n"))
    assert len(server.spool) == 1


def test_33_a_body_of_more_than_twice_the_limit_ends_the_connection(daemon):
    server = daemon({"limits": {"message_size": "10KiB"}})
    with server.client() as client:
        client.envelope()
        client.command("DATA", 354)
        try:
            for _ in range(1000):
                client.send(b"x" * 998 + b"\r\n")
            client.send(b".\r\n")
        except ConnectionError:
            pass
        try:
            client.expect("552 5.3.4")
            client.expect_close()
        except ConnectionError:
            pass  # the reset that answers what came after the close
    assert len(server.spool) == 0
    deliver(server)


def test_34_one_recipient_too_many_is_refused_and_the_others_kept(daemon):
    server = daemon({"limits": {"recipients": 3}})
    with server.client() as client:
        client.envelope(recipients=[f"r{n}@example.org" for n in range(3)])
        client.command("RCPT TO:<r3@example.org>", "452 4.5.3")
        queued_id(client.data(H + b"x\r\n"))
    assert server.spool.only().json["recipients"] == [f"<r{n}@example.org>" for n in range(3)]


@pytest.mark.parametrize("command", ["NOOP", "RSET", "VRFY x"])
def test_35_commands_that_carry_no_mail_forward_are_counted(daemon, command):
    server = daemon({"limits": {"commands": 50}})
    with server.client() as client:
        client.command("EHLO c.example", 250)
        replies = []
        for _ in range(60):
            client.send(command.encode() + b"\r\n")
            replies.append(client.reply())
            if replies[-1].startswith("421"):
                break
        assert replies[-1].startswith("421 4.7.0") and 45 <= len(replies) <= 51
        client.expect_close()
    deliver(server)


def test_35_errors_are_counted(daemon):
    server = daemon({"limits": {"errors": 5}})
    with server.client() as client:
        client.send(b"NONSENSE\r\n" * 10)
        replies = [client.reply() for _ in range(5)]
        assert all(reply.startswith(("500", "421")) for reply in replies)
        while not replies[-1].startswith("421"):
            replies.append(client.reply())
        assert len(replies) <= 6
    deliver(server)


def test_a_connection_over_the_limit_of_its_peer_is_told_so(daemon):
    server = daemon({"limits": {"connections_per_peer": 5}})
    held = [server.client() for _ in range(5)]
    with Client(server.address()) as client:
        client.expect("421 4.")
        client.expect_close()
    held.pop().close()

    def served():
        with Client(server.address()) as client:
            return client.reply().startswith("220")

    wait_until(served, 20, "a place to be free again")
    for client in held:
        client.close()


def test_a_connection_over_the_limit_in_all_is_told_so(daemon):
    server = daemon({"limits": {"connections": 5}})
    held = [server.client() for _ in range(5)]
    with Client(server.address()) as client:
        client.expect("421 4.3.2")
        client.expect_close()
    for client in held:
        client.command("NOOP", 250)
        client.close()


@pytest.mark.parametrize("timeouts, sent", [
    ({"command": "1s"}, b""),
    ({"command": "1s"}, b"EHLO c.ex"),
    ({"session": "1s"}, b"EHLO c.example\r\n"),
], ids=["no command", "half a command", "session"])
def test_44_a_client_that_is_too_slow_gets_421(daemon, timeouts, sent):
    server = daemon({"timeouts": timeouts})
    with server.client() as client:
        client.send(sent)
        reply = client.reply()
        if reply.startswith("250"):
            reply = client.reply()
        assert reply.startswith("421 4.4.2")
        client.expect_close()


def test_44_silence_inside_data_gets_421_and_stores_nothing(daemon):
    server = daemon({"timeouts": {"data_idle": "1s"}})
    with server.client() as client:
        client.envelope()
        client.command("DATA", 354)
        client.send(H + b"half")
        client.expect("421 4.4.2")
        client.expect_close()
    assert len(server.spool) == 0


def test_44_a_body_that_trickles_gets_421_though_it_is_never_silent(daemon):
    server = daemon({"limits": {"data_rate": 100}})
    with server.client(timeout=90) as client:
        client.envelope()
        client.command("DATA", 354)
        while not select.select([client.socket], [], [], 0.5)[0]:
            client.send(b"x")
        client.expect("421 4.4.2")
        client.expect_close()
    assert len(server.spool) == 0


def test_45_a_client_that_never_reads_its_replies_is_cut_off(daemon):
    server = daemon({"limits": {"commands": 1_000_000, "unread_replies": "64KiB"}})
    client = server.client(receive_buffer=4096)
    client.socket.settimeout(30)
    with pytest.raises((ConnectionError, socket.timeout)):
        for _ in range(2000):
            client.send(b"HELP\r\n" * 1000)
    client.close()
    deliver(server)
    assert server.memory() < 128 << 20 or sanitized()


def test_memory_and_spill_used_up_gives_452_and_recovers(daemon):
    server = daemon({"limits": {"memory": "1MiB", "spill": "1MiB", "message_size": "8MiB"}})
    with server.client(timeout=60) as client:
        client.envelope()
        client.command("DATA", 354)
        try:
            client.send((b"x" * 998 + b"\r\n") * 6000 + b".\r\n")
        except ConnectionError:
            pass
        reply = client.reply()
        assert reply.startswith(("452 4.3.1", "421 4.3")), reply
    wait_until(lambda: deliver(server), 20, "the next message")
    assert len(server.spool) == 1


def test_5000_idle_connections_are_cheap(daemon):
    server = daemon({"limits": {"connections": 6000, "connections_per_peer": 6000}})
    before = server.memory()
    held = [server.client() for _ in range(5000)]
    used = server.memory() - before
    deliver(server)
    for client in held:
        client.close()
    assert used < 5000 * (16 << 10) or sanitized(), f"{used / 5000:.0f} bytes a connection"


def test_100_messages_of_10_MB_at_once_stay_within_128_MB(daemon):
    server = daemon({"limits": {"message_size": "10MiB"}})
    mail = H + (b"y" * 998 + b"\r\n") * 10_000
    stuffed = stuff(mail)
    peak, clients = 0, []
    for _ in range(100):
        client = server.client(timeout=120)
        client.envelope()
        client.command("DATA", 354)
        clients.append(client)
    half = len(stuffed) // 2
    for part in (stuffed[:half], stuffed[half:]):
        for client in clients:
            client.send(part)
            peak = max(peak, server.memory())
    for client in clients:
        message_id = queued_id(client.reply())
        peak = max(peak, server.memory())
        assert server.spool.message(message_id).content == mail
        server.spool.message(message_id).path.unlink()
        client.close()
    assert peak < 128 << 20 or sanitized(), f"{peak >> 20} MiB"
