# SPDX-License-Identifier: Apache-2.0
"""A reload changes what the file says while mail goes on. LSMTPD_LONG=1 makes the run under load five minutes:

    LSMTPD_LONG=1 python3 -m pytest test_reload.py -k load"""
import itertools
import os
import re
import signal
import socket
import threading
import time

import pytest

from support import sockets
from support.admin import Admin
from support.daemon import BUILD, merge, sanitized
from support.load import Ledger
from support.smtp import Client
from support.spool import Spool
from support.wait import free_ports, wait_until

LONG = bool(os.environ.get("LSMTPD_LONG"))
FIXTURES = BUILD / "tests/fixtures"


class Manager:
    """The socket of a service manager: keeps what it is told."""

    def __init__(self):
        self.path = sockets.folder() / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(20)

    def wait_for(self, start):
        """The next message that has a line with this start."""
        while True:
            message = self.socket.recv(65536).decode()
            if any(line.startswith(start) for line in message.splitlines()):
                return message


def reload(server, changes=None, good=True):
    """Writes a changed configuration, sends SIGHUP, and waits for the result."""
    if changes is not None:
        server.config = merge(server.config, changes)
        server.write_config()
    word = "reloaded" if good else "reload_failed"
    before = len(server.log_lines(word))
    server.process.signal(signal.SIGHUP)
    lines = wait_until(lambda: server.log_lines(word)[before:], 20,
                       lambda: f"the log to say {word}; it ends:\n{server._log_tail()}")
    return lines[0]


def headers(**options):
    return {"use": "filter_headers", "options": {"add": options}}


WITH_HEADERS = {"plugin": {"h": headers(**{"X-Step": "one"})}, "chain": {"default": {"steps": ["h", "spool"]}}}


def field(content, name):
    found = re.search(rb"^" + name.encode() + rb": (.*)\r$", content, re.M)
    return found and found.group(1).decode()


def mail(client, text=b"x\r\n"):
    client.command("MAIL FROM:<a@example.org>", 250)
    client.command("RCPT TO:<b@example.org>", 250)
    client.command("DATA", 354)
    client.send(text + b".\r\n")
    return client.expect(250)


def test_limits_count_from_the_next_mail_of_a_connection_that_stays(daemon):
    server = daemon()
    with server.client() as idle, server.client() as busy:
        for client in (idle, busy):
            client.command("EHLO client.example", 250)
        busy.command("MAIL FROM:<a@example.org> SIZE=200000", 250)
        reload(server, {"limits": {"message_size": "100KiB", "recipients": 2}})
        # Transactions end with the configuration that they began with.
        for _ in range(3):
            busy.command("RCPT TO:<b@example.org>", 250)
        busy.command("DATA", 354)
        busy.send(b"x" * 900 + b"\r\n" + (b"y" * 900 + b"\r\n") * 200 + b".\r\n")
        busy.expect(250)
        for client in (idle, busy):
            client.command("MAIL FROM:<a@example.org> SIZE=200000", 552)
            client.command("MAIL FROM:<a@example.org>", 250)
            client.command("RCPT TO:<b@example.org>", 250)
            client.command("RCPT TO:<b@example.org>", 250)
            client.command("RCPT TO:<b@example.org>", 452)


def test_a_mistake_leaves_everything_as_it_was(daemon):
    manager = Manager()
    server = daemon(WITH_HEADERS, environment={"NOTIFY_SOCKET": str(manager.path)})
    assert "STATUS=Serving 1 listener" in manager.wait_for("READY=1")
    with server.client() as client:
        client.command("EHLO client.example", 250)
        server.config_file.write_text(server.config_file.read_text() + "\n[limits\n")
        line = reload(server, good=False)
        assert line["line"] > 0 and line["column"] > 0 and line["config"] == str(server.config_file)
        begun = manager.wait_for("RELOADING=1")
        assert re.search(r"^MONOTONIC_USEC=\d+$", begun, re.M)
        assert f"STATUS=Reload failed, the former configuration goes on: {server.config_file}:" \
            in manager.wait_for("READY=1")
        mail(client)
        server.write_config()
        line = reload(server, {"plugin": {"h": {"options": {"add": {"bad name": "x"}}}}}, good=False)
        assert "is no name of a header field" in line["why"] and line["line"] > 0
        mail(client)
        reload(server, {"plugin": {"h": {"options": {"add": {"bad name": None, "X-Step": "two"}}}}})
        assert "configuration 2" in manager.wait_for("STATUS=Serving")
        mail(client)
    assert sorted(field(each, "X-Step") for each in server.spool.contents()) == ["one", "one", "two"]


@pytest.mark.parametrize("changes,named", [
    ({"server": {"workers": 3}}, "server.workers"),
    ({"server": {"hostname": "other.example"}}, "server.hostname"),
    ({"plugin": {"spool": {"options": {"directory": "other"}}}}, "directory"),
    ({"plugin": {"spool": {"options": {"commit_threads": 7}}}}, "commit_threads"),
], ids=["workers", "hostname", "directory", "threads"])
def test_a_change_that_needs_a_restart_is_named(daemon, changes, named):
    server = daemon()
    line = reload(server, changes, good=False)
    assert named in line["why"] and "cannot change while lsmtpd runs" in line["why"]
    assert "restart" in line["hint"] + line["why"]
    with server.client() as client:
        client.envelope()


def test_an_output_that_can_be_there_once_only_takes_new_options(daemon):
    server = daemon()
    reload(server, {"plugin": {"spool": {"options": {"extra": False, "max_bytes": "2MiB"}}}})
    with server.client() as client:
        client.command("EHLO client.example", 250)
        mail(client)
        assert "peer" not in server.spool.only().json
        reload(server, {"plugin": {"spool": {"deadline": "61s", "options": {"min_free": "1000TiB"}}}})
        wait_until(lambda: server.log_lines("the spool takes no messages now"), 10, "the spool to be full")
        client.command("MAIL FROM:<a@example.org>", 452)


def test_a_transaction_ends_on_the_filters_that_it_began_with(daemon):
    server = daemon(WITH_HEADERS)
    with server.client() as busy, server.client() as idle:
        idle.command("EHLO client.example", 250)
        busy.envelope()
        busy.command("DATA", 354)
        reload(server, {"plugin": {"h": headers(**{"X-Step": "two"})}})
        mail(idle)
        busy.send(b"x\r\n.\r\n")
        busy.expect(250)
        mail(busy)
    assert sorted(field(each, "X-Step") for each in server.spool.contents()) == ["one", "two", "two"]
    # Nobody uses the first one any more: a reload says how many are alive.
    wait_until(lambda: reload(server)["generations"] <= 2, 10, "the former generation to end")


def test_an_output_stays_while_messages_wait_for_it(daemon, tmp_path):
    down = tmp_path / "down"
    down.touch()
    kept = Spool(tmp_path / "kept")
    use = str(FIXTURES / "test_output.so")
    server = daemon({"plugin": {
        "out": {"use": use, "fallback": "kept", "options": {"down_while": str(down)}},
        "kept": {"use": "output_json_spool", "options": {"directory": str(kept.folder)}}},
        "chain": {"default": {"steps": ["out"]}}})
    with server.client() as client:
        client.command("EHLO client.example", 250)
        mail(client)
        mail(client)
        without = {"plugin": {"out": None, "kept": None}, "chain": {"default": {"steps": ["spool"]}}}
        before = server.config
        line = reload(server, without, good=False)
        assert line["why"] == "plugin.out: 2 messages in its fallback kept wait for it"
        # Another option makes another instance, which gets what waits for the one before.
        server.config = before
        reload(server, {"plugin": {"out": {"options": {"annotate": "second"}}}})
        down.unlink()
        wait_until(lambda: not kept.files(), 30, "the messages to be replayed")
        reload(server, without)
        mail(client)
    assert len(server.spool) == 1


def test_a_listener_stays_where_its_address_does(daemon):
    first, second = free_ports(2)
    mx = {"name": "mx", "address": f"127.0.0.1:{first}", "protocol": "smtp", "chain": "default"}
    more = {"name": "more", "address": f"127.0.0.1:{second}", "protocol": "lmtp", "chain": "default"}
    server = daemon({"listener": [mx]})
    sockets = _listening(first)
    reload(server, {"listener": [dict(mx, name="renamed"), more]})
    with Client(("127.0.0.1", second)) as client:
        client.expect("220 mx.test.example LMTP")
        client.command("LHLO client.example", 250)
        reload(server, {"listener": [mx]})
        with pytest.raises(ConnectionRefusedError):
            Client(("127.0.0.1", second))
        client.command("NOOP", 250)  # who is connected stays
    assert _listening(first) == sockets
    taken = socket.create_server(("127.0.0.1", second))
    line = reload(server, {"listener": [mx, more]}, good=False)
    assert line["line"] > 0 and f"127.0.0.1:{second}" in line["why"]
    taken.close()
    reload(server)


def _listening(port):
    """Inodes of the sockets that listen on it."""
    with open("/proc/net/tcp") as table:
        words = [line.split() for line in table]
    return {each[9] for each in words if each[3] == "0A" and each[1].endswith(f":{port:04X}")}


@pytest.mark.parametrize("how", ["drain", "removed"])
def test_clients_that_wait_in_a_queue_are_answered(daemon, how):
    first, second = free_ports(2)
    listeners = [{"name": name, "address": f"127.0.0.1:{port}", "protocol": "smtp", "chain": "default"}
                 for name, port in (("mx", first), ("gone", second))]
    server = daemon({"server": {"workers": 4}, "listener": listeners})
    server.process.signal(signal.SIGSTOP)
    clients = [Client(("127.0.0.1", second)) for _ in range(40)]
    if how == "removed":
        server.config = merge(server.config, {"listener": listeners[:1]})
        server.write_config()
    server.process.signal(signal.SIGTERM if how == "drain" else signal.SIGHUP)
    server.process.signal(signal.SIGCONT)
    for client in clients:
        assert client.reply()[:4] in ("220 ", "421 ")
        client.close()
    if how == "removed":
        server.wait_log("reloaded")
        with pytest.raises(ConnectionRefusedError):
            Client(("127.0.0.1", second))


def test_session_filters_that_changed_hear_of_the_session_at_mail(daemon):
    use = str(FIXTURES / "session_filter.so")
    server = daemon({"plugin": {"s": {"use": use, "options": {"annotate": "yes"}}},
                     "chain": {"default": {"steps": ["s", "spool"]}},
                     "timeouts": {"reload": "1s"}})
    with server.client() as moves, server.client() as refused, server.client() as idle:
        for client in (moves, refused, idle):
            client.command("EHLO client.example", 250)
        refused.command("EHLO bad.example", 250)
        mail(moves)
        reload(server, {"plugin": {"s": {"options": {"helo": "bad.example", "text": "not you"}}}})
        mail(moves)
        refused.command("MAIL FROM:<a@example.org>", "554 5.7.1 not you")
        idle.expect("421 4.3.2 mx.test.example has a new configuration")
        assert idle.until_close() == []
        mail(moves)
    # CONNECT, HELO, MAIL, RCPT, DATA, as the filter of the message heard of them
    phases = "".join(str(1 << n) for n in (0, 1, 3, 4, 5))
    seen = [re.search(r'"session_filter.phases": ?"(\d+)"', each.path.read_text()).group(1)
            for each in server.spool.messages()]
    assert sorted(seen) == [phases, phases, phases + phases[2:]]


def test_a_fifth_configuration_ends_the_sessions_of_the_first(daemon):
    use = str(FIXTURES / "session_filter.so")
    server = daemon({"plugin": {"s": {"use": use, "options": {"text": "0"}}},
                     "chain": {"default": {"steps": ["s", "spool"]}}})
    clients = []
    for number in range(1, 6):
        clients.append(server.client())
        reload(server, {"plugin": {"s": {"options": {"text": str(number)}}}})
    clients[0].expect("421 4.3.2")
    clients[1].expect("421 4.3.2")
    for client in clients[2:]:
        client.command("EHLO client.example", 250)
        mail(client)
        client.close()
    for client in clients[:2]:
        client.close()


def test_sigusr1_opens_the_log_and_reloads_nothing(daemon):
    server = daemon()
    server.config_file.write_text("no toml")
    server.process.signal(signal.SIGUSR1)
    server.wait_log("log_reopened")
    reload(server, good=False)
    assert len(server.log_lines("reload_failed")) == 1


def test_the_log_takes_its_new_settings(daemon, tmp_path):
    server = daemon()
    other = tmp_path / "other.json"
    server.config = merge(server.config, {"log": {"file": str(other), "level": "info"}})
    server.write_config()
    server.process.signal(signal.SIGHUP)
    wait_until(lambda: other.exists() and '"reloaded"' in other.read_text(), 20, "the new log")
    assert '"reloaded"' not in server.log.read_text()


def test_a_reload_under_way_does_not_hold_a_stop(daemon):
    server = daemon(WITH_HEADERS)
    for _ in range(20):
        server.process.signal(signal.SIGHUP)
    assert server.stop() == 0


def test_ctl_reload_waits_and_shows_each_mistake(daemon):
    admin = Admin()
    server = daemon({**WITH_HEADERS, **admin.configuration()})
    admin.attach(server).wait_ready()

    def ctl(check):
        server.write_config()
        return server.cli("ctl", "--config", server.config_file, "reload", check=check)

    server.config = merge(server.config, {"plugin": {"h": headers(**{"X-Step": "two"})}})
    assert "reloaded" in ctl(0).stdout
    server.wait_log("reloaded")
    assert len(server.log_lines("reloaded")) == 1
    with server.client() as client:
        client.command("EHLO client.example", 250)
        mail(client)
    assert field(next(server.spool.contents()), "X-Step") == "two"
    assert admin.value("lsmtpd_config_last_reload_successful") == 1
    when = admin.value("lsmtpd_config_last_reload_success_timestamp_seconds")
    assert abs(when - time.time()) < 60
    good = server.config
    server.config = merge(good, {"server": {"workers": 3}, "limits": {"recipients": "many"}})
    told = ctl(1).stderr
    assert re.search(rf"^{server.config_file}:\d+:\d+: error: ", told, re.M), told
    assert "the former configuration goes on" in told
    server.config = merge(good, {"server": {"workers": 3}})
    told = ctl(1).stderr
    assert re.search(rf"^{server.config_file}:\d+:\d+: error: server.workers cannot change while lsmtpd runs \(restart",
                     told, re.M), told
    wait_until(lambda: admin.value("lsmtpd_config_last_reload_successful") == 0, 5, "the metric")
    assert admin.value("lsmtpd_config_last_reload_success_timestamp_seconds") == when
    server.config = good
    ctl(0)


def test_orders_that_come_during_a_reload_share_the_next_one(daemon):
    admin = Admin()
    server = daemon({**WITH_HEADERS, **admin.configuration()})
    admin.attach(server).wait_ready()
    done = []
    orders = [threading.Thread(target=lambda: done.append(
        server.cli("ctl", "--config", server.config_file, "reload").returncode)) for _ in range(12)]
    for each in orders:
        each.start()
    for each in orders:
        each.join(60)
    assert done == [0] * 12
    # No order was answered by a reload that had begun before it.
    assert 1 <= len(server.log_lines("reloaded")) <= 12


def test_a_service_manager_that_does_not_read_stops_nothing(daemon):
    manager = Manager()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                filler.sendto(b"X=1", str(manager.path))
    server = daemon(environment={"NOTIFY_SOCKET": str(manager.path)})
    reload(server)
    with server.client() as client:
        client.command("EHLO client.example", 250)
        mail(client)
    # What it could not be told comes once it reads, in its order.
    assert "STATUS=Serving" in manager.wait_for("READY=1")
    manager.wait_for("RELOADING=1")
    assert "configuration 2" in manager.wait_for("READY=1")


class Mix:
    """Configurations that differ in turn: limits, a filter's option, an output's, a listener."""

    def __init__(self, server, manager, port):
        self.server, self.manager, self.port, self.base = server, manager, port, server.config
        self.count = 0

    def next(self):
        n = self.count = self.count + 1
        more = {"name": "more", "address": f"127.0.0.1:{self.port}", "protocol": "smtp", "chain": "default"}
        changes = {
            "limits": {"message_size": f"{10 + n // 4 % 3}MiB", "connections_per_peer": 200 + n % 7},
            "timeouts": {"command": f"{200 + n % 11}s"},
            "plugin": {"h": headers(**{"X-Step": str(n // 3)}),
                       "out": {"options": {"delay": f"{n // 2 % 3}ms"}},
                       "spool": {"options": {"max_bytes": f"{100 + n % 5}GiB"}}},
            "listener": self.base["listener"] + ([more] if n % 2 else []),
        }
        self.server.config = merge(self.server.config, changes)
        self.server.write_config()
        self.server.process.signal(signal.SIGHUP)
        assert "STATUS=Serving" in self.manager.wait_for("READY=1")


def test_reloads_under_load_lose_and_double_nothing(daemon, tmp_path):
    """100 reloads a minute: of mixed changes, while clients keep their connections."""
    seconds = 300 if LONG else 15
    (port,) = free_ports(1)
    record, manager = tmp_path / "record.txt", Manager()
    server = daemon({"log": {"level": "info"}, "limits": {"connections_per_peer": 200},
                     "plugin": {"h": headers(**{"X-Step": "0"}),
                                "out": {"use": str(FIXTURES / "test_output.so"), "fallback": "kept",
                                        "options": {"record": str(record)}},
                                "kept": {"use": "output_json_spool",
                                         "options": {"directory": str(tmp_path / "kept")}}},
                     "chain": {"default": {"steps": ["h", "spool", "out"]}}},
                    environment={"NOTIFY_SOCKET": str(manager.path)})
    manager.wait_for("READY=1")
    ledger, mix, broken = Ledger(), Mix(server, manager, port), []
    stop = threading.Event()

    def send():
        client, count = server.client(), 0
        try:
            client.command("EHLO kept.example", 250)
            while not stop.is_set():
                number = ledger.take()
                content = b"X-Number: %d\r\n\r\n" % number + b"x" * 60 + b"\r\n"
                ledger.write(number, None, content)
                ledger.write(number, mail(client, content), content)
                count += 1
            client.command("QUIT", 221)
        except (OSError, AssertionError) as error:
            broken.append(f"after {count} messages: {error!r}")

    threads = [threading.Thread(target=send, daemon=True) for _ in range(6)]
    for each in threads:
        each.start()
    begin = time.monotonic()
    memory, samples, names = None, [], set()
    for turn in itertools.count(1):
        time.sleep(max(0, begin + turn * 0.6 - time.monotonic()))
        mix.next()
        # The memory that it settles at, once every kind of change has been there.
        if time.monotonic() - begin > min(30, seconds / 3):
            memory = memory or server.memory()
            samples.append(server.memory())
        _take_away(server.spool, names, ledger)
        if broken or time.monotonic() - begin > seconds:
            break
    stop.set()
    for each in threads:
        each.join(60)
        assert not each.is_alive(), "a client hangs"
    assert not broken, broken
    _take_away(server.spool, names, ledger)
    accepted = ledger.accepted
    assert len(accepted) > 100
    copies = re.findall(r"^deliver (\S+?)(?:\.out)? ", record.read_text(), re.M)
    assert len(copies) == len(set(copies)) == len(accepted)
    assert len(names) == len(accepted), "each message is in the spool once"
    assert not Spool(tmp_path / "kept").files()
    if not sanitized():
        growth = max(samples[-5:]) / memory
        assert growth < 1.10, f"memory grew from {memory} to {samples[-5:]}"
    print(f"{mix.count} reloads in {time.monotonic() - begin:.0f} s, {len(accepted)} messages, memory "
          f"{memory >> 10} KiB, then {max(samples) >> 10} KiB at most")


def _take_away(spool, names, ledger):
    """Messages that were stored, out of the folder; each must come once."""
    for each in spool.files():
        assert each.name not in names, f"{each.name} came twice"
        names.add(each.name)
        each.unlink()
