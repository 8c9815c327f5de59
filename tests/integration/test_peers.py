# SPDX-License-Identifier: Apache-2.0
"""No client, peer or handful of peers takes from others what they need: time, memory, disk, the log."""
import multiprocessing
import socket
import time

import pytest

from support.daemon import Daemon
from support.faults import can_mount
from support.flood import Crowd
from support.hostile import MAIL, E, H, M
from support.smtp import Client, queued_id
from support.wait import wait_until

MIB = 1 << 20
LONG_RECIPIENTS = b"".join(b"RCPT TO:<%s%d@%s.example> ORCPT=rfc822;%s\r\n" % (b"r" * 50, n, b"d" * 150, b"o" * 480)
                           for n in range(1000))


class Senders:
    """A process whose connections send without end, each what its kernel takes."""

    def __init__(self, server, count, piece):
        self._process = multiprocessing.get_context("fork").Process(
            target=self._run, args=(server.address(), count, piece), daemon=True)

    def __enter__(self):
        self._process.start()
        time.sleep(1)
        return self

    def __exit__(self, *_):
        alive = self._process.is_alive()
        self._process.kill()
        self._process.join(60)
        assert alive, "the senders' connections were ended"

    @staticmethod
    def _run(address, count, piece):
        sockets = []
        for _ in range(count):
            made = socket.create_connection(address)
            assert made.recv(512).startswith(b"220 ")
            made.sendall(MAIL + H + b"a bare LF:\nand on\r\n")
            made.setblocking(False)
            sockets.append([made, piece])
        while True:
            for entry in sockets:
                try:
                    sent = entry[0].send(entry[1])
                    entry[1] = entry[1][sent:] or piece
                except BlockingIOError:
                    pass
            time.sleep(0.0005)


def longest_round_trip(server, seconds):
    """In CPU time of the daemon, since the machine may be busy with other things."""
    longest = 0
    with server.client() as client:
        client.command("EHLO c.example", 250)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begun = server.cpu_seconds()
            client.command("RSET", 250)
            longest = max(longest, server.cpu_seconds() - begun)
            client.command("MAIL FROM:<>", 250)
            time.sleep(0.01)
    return longest


def test_clients_that_send_short_lines_without_end_leave_others_their_turn(daemon):
    # A bare LF has condemned their message, so that what they send is read and thrown away, and fills no disk.
    server = daemon({"server": {"workers": 1}, "limits": {"message_size": "100GiB", "commands": 100_000}})
    with Senders(server, 40, (b"x" * 998 + b"\r\n") * 256):
        long_lines = longest_round_trip(server, 4)
    wait_until(lambda: server.descriptors() < 40, 30, "the senders to be gone")
    with Senders(server, 40, b"..\r\n" * 65536):
        short_lines = longest_round_trip(server, 4)
    print(f"longest round trip, of CPU: {long_lines * 1000:.1f} ms beside long lines, {short_lines * 1000:.1f} ms beside short")
    assert short_lines <= max(5 * long_lines, 0.1)


def test_eight_addresses_with_all_recipients_they_may_have_leave_others_theirs(daemon):
    server = daemon({"limits": {"memory": "48MiB"}})
    with Crowd(server, 8 * 95) as crowd:
        crowd.send_all(E + M + LONG_RECIPIENTS)
        crowd.read()
        for _ in range(10):
            with server.client() as client:
                client.envelope()
                queued_id(client.data(H + b"x" * 4000 + b"\r\n"))
    wait_until(lambda: server.descriptors() < 100, 60, "the crowd to be gone")


def test_many_refusals_are_few_lines(daemon):
    server = daemon({"limits": {"errors": 1_000_000, "commands": 1_000_000}})
    with server.client() as client:
        client.command("EHLO c.example", 250)
        for _ in range(100):
            client.send(b"RCPT TO:<a@b.example>\r\n" * 1000)
            for _ in range(1000):
                assert client.reply().startswith("503")
    wait_until(lambda: server.log_lines("refused_more"), 20, "the line with the count")
    assert len(server.log_lines("refused")) == 20
    assert [line["count"] for line in server.log_lines("refused_more")] == [99_980]


def test_the_addresses_of_a_network_are_one_peer(daemon):
    server = daemon({"limits": {"connections_per_peer": 3, "peer_prefix_v4": 24}})
    held = []
    for n in range(4):
        made = socket.socket()
        made.bind((f"127.9.9.{n + 1}", 0))
        made.connect(server.address())
        held.append(made)
        assert made.recv(512).startswith(b"220 " if n < 3 else b"421 4.3.2")
    with socket.socket() as other:
        other.bind(("127.9.8.1", 0))
        other.connect(server.address())
        assert other.recv(512).startswith(b"220 ")
    for made in held:
        made.close()


def test_an_exempt_network_has_as_many_connections_as_it_likes(daemon):
    server = daemon({"limits": {"connections_per_peer": 2, "connections": 8, "exempt": ["127.9.9.0/24"]}})
    replies = {}
    held = []
    for host in ("127.9.9.1", "127.9.8.1"):
        for _ in range(4):
            made = socket.socket()
            made.bind((host, 0))
            made.connect(server.address())
            held.append(made)
            replies.setdefault(host, []).append(made.recv(512)[:9])
    assert [reply[:4] for reply in replies["127.9.9.1"]] == [b"220 "] * 4
    assert replies["127.9.8.1"][2:] == [b"421 4.3.2"] * 2
    for made in held:
        made.close()


@pytest.mark.skipif(not can_mount(), reason="needs to mount a hosts file")
def test_a_listener_by_name_listens_on_every_address_of_the_name(tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n127.0.0.2 two.example\n127.0.0.3 two.example\n")
    script = f"mount --make-rprivate / && mount --bind {hosts} /etc/hosts && exec \"$@\""
    server = Daemon(tmp_path / "daemon", {"listener": [{"name": "mx", "address": "two.example:0"}]},
                    wrapper=["unshare", "-m", "sh", "-c", script, "sh"])
    server.start()
    try:
        addresses = sorted(line["address"] for line in server.log_lines("listening"))
        assert [address.rsplit(":", 1)[0] for address in addresses] == ["127.0.0.2", "127.0.0.3"]
        assert len({address.rsplit(":", 1)[1] for address in addresses}) == 1
        port = int(addresses[0].rsplit(":", 1)[1])
        for host in ("127.0.0.2", "127.0.0.3"):
            with Client((host, port)) as client:
                assert client.reply().startswith("220 ")
    finally:
        server.check_clean()
