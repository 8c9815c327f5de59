# SPDX-License-Identifier: Apache-2.0
"""`check` finds the errors of a start, as the user that runs the daemon; and all commands and the daemon handle their
standard descriptors and signals."""
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from support import sockets
from support.daemon import BINARY, BUILD, Daemon, run_cli
from support.hostile import H
from support.wait import wait_until

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
NOBODY = pwd.getpwnam("nobody")


def place(server, key, said, holds=""):
    """The place of the first `key` whose line holds `holds`, and the message at it."""
    lines = server.config_file.read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if text.startswith(key + " ") and holds in text)
    return f"{server.config_file}:{line}:", said


def both(server, *expected, **options):
    """The output of `check`, which is that of a start too; both end with 2."""
    checked = run_cli("check", "--config", server.config_file, check=2, **options).stderr
    started = run_cli("run", "--config", server.config_file, check=2, **options).stderr
    for output in (checked, started):
        for start, said in expected:
            assert any(each.startswith(start) and said in each for each in output.splitlines()), \
                (said, output)


def test_a_port_that_is_taken_is_found_with_its_line(daemon):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = daemon({"listener": [{"name": "mx", "address": f"127.0.0.1:{port}"}]},
                        started=False)
        both(server, place(server, "address", f"listener mx: cannot bind 127.0.0.1:{port}: "
                                              "Address already in use"))


def test_an_address_that_is_not_this_machines_is_found_with_its_line(daemon):
    server = daemon({"listener": [{"name": "mx", "address": "192.0.2.77:0"}]}, started=False)
    both(server, place(server, "address", "Cannot assign requested address"))


def test_a_port_on_which_the_daemon_itself_runs_is_a_warning(daemon):
    server = daemon()
    host, port = server.address()
    server.config_file.write_text(server.config_file.read_text().replace(":0\"", f":{port}\""))
    checked = run_cli("check", "--config", server.config_file, check=0).stderr
    line = next(each for each in checked.splitlines() if "already in use" in each)
    assert ": warning: " in line and f"lsmtpd (pid {server.pid}) listens there" in line


def test_a_log_or_a_directory_that_cannot_be_used_is_found_at_a_start_too(daemon):
    server = daemon({"log": {"file": "/nonexistent/log"}}, started=False)
    both(server, place(server, "file", "/nonexistent/log"))
    server = daemon({"plugin": {"spool": {"options": {"directory": "/nonexistent/a/b"}}}},
                    started=False)
    both(server, place(server, "options", "its parent must exist: /nonexistent/a: No such file"))


@pytest.fixture
def public_folder():
    """A configuration in a folder that every user can enter, which pytest's own are not."""
    if any(not folder.stat().st_mode & 0o001 for folder in BUILD.resolve().parents):
        pytest.skip("another user cannot load the plugins of this build")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        pathlib.Path(folder).chmod(0o755)
        yield lambda changes: Daemon(folder, changes)


@root_only
def test_the_files_are_looked_at_as_the_user_that_runs_the_daemon(public_folder):
    server = public_folder({})
    password = server.folder / "password"
    password.write_text("secret")
    password.chmod(0o600)
    server.config["plugin"]["spool"]["options"]["directory"] = str(server.folder / "spool")
    server.config["plugin"]["broker"] = {
        "use": "output_amqp", "fallback": "spool",
        "options": {"urls": ["amqps://127.0.0.1"], "address": "mail", "username": "u",
                    "password_file": str(password)}}
    server.config["chain"]["default"]["steps"] = ["broker"]
    server.config["log"] = {}
    server.write_config()
    options = ["--config", server.config_file]
    as_root = run_cli("check", *options, check=0).stderr
    assert "warning: checked as root" in as_root and "--user NAME" in as_root
    expected = [f"cannot make {server.spool.folder}: {server.folder} cannot be written to",
                f"cannot read {password}: Permission denied"]
    by_option = run_cli("check", *options, "--user", "nobody", check=2).stderr
    assert all(each in by_option for each in expected), by_option
    server.config["server"]["user"] = "nobody"
    server.config["limits"]["spill_directory"] = "/var/tmp"
    server.write_config()
    both(server, place(server, "options", expected[0], "directory"),
         place(server, "options", expected[1], "password_file"))
    # The check uses the rights of the user nobody, not those of root.
    os.chown(server.folder, NOBODY.pw_uid, NOBODY.pw_gid)
    os.chown(password, NOBODY.pw_uid, NOBODY.pw_gid)
    assert "root" not in run_cli("check", *options, check=0).stderr


@root_only
def test_a_port_below_1024_is_bound_before_the_user_changes(public_folder):
    free = next(port for port in range(700, 1000)
                if socket.socket().connect_ex(("127.0.0.1", port)) != 0)
    server = public_folder({"listener": [{"name": "mx", "address": f"127.0.0.1:{free}"}],
                          "server": {"user": "nobody"}, "log": {"file": ""},
                          "limits": {"spill_directory": "/var/tmp"}})
    os.chown(server.folder, NOBODY.pw_uid, NOBODY.pw_gid)
    run_cli("check", "--config", server.config_file, check=0)


def test_an_impossible_user_is_an_error(daemon):
    server = daemon(started=False)
    done = run_cli("check", "--user", "no-such-user", "--config", server.config_file, check=2)
    assert "no such user" in done.stderr or "only root" in done.stderr


def test_a_password_file_that_others_can_read_is_a_warning_at_its_line(daemon):
    server = daemon(started=False)
    password = server.folder / "password"
    password.write_text("secret")
    password.chmod(0o644)
    server.config["plugin"]["broker"] = {
        "use": "output_amqp", "fallback": "spool",
        "options": {"urls": ["amqps://127.0.0.1"], "address": "mail", "username": "u",
                    "password_file": str(password)}}
    server.config["chain"]["default"]["steps"] = ["broker"]
    server.write_config()
    lines = run_cli("check", "--config", server.config_file, check=0).stderr.splitlines()
    assert any(each.startswith(f"{server.config_file}:") and ": warning: " in each
               and "can be read by every user" in each for each in lines), lines


def test_mistakes_of_admin_are_found_with_their_line(daemon, tmp_path):
    file = sockets.folder() / "file"
    file.write_text("")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = daemon({"admin": {"http": f"127.0.0.1:{port}", "socket": str(file)}}, started=False)
        both(server, place(server, "http", "Address already in use"), place(server, "socket", "is not a socket"))
    for key, value, said in [("token_file", str(tmp_path / "none"), "cannot be read"),
                             ("socket", str(tmp_path / ("x" * 200)), "longer than the 107 octets")]:
        server = daemon({"admin": {"http": "127.0.0.1:0", key: value}}, started=False)
        both(server, place(server, key, said))
    path = sockets.folder() / "admin"
    server = daemon({"admin": {"socket": str(path), "group": "no-such-group"}}, started=False)
    both(server, place(server, "socket", "there is no group no-such-group"))
    assert not path.exists()


def test_the_admin_socket_of_the_running_daemon_is_a_warning(daemon):
    server = daemon({"admin": {"socket": str(sockets.folder() / "admin")}})
    shown = run_cli("check", "--config", server.config_file, check=0).stderr
    assert any(": warning: " in each and "a process listens at" in each for each in shown.splitlines()), shown


def test_an_admin_token_that_others_can_read_is_a_warning(daemon, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret\n")
    token.chmod(0o644)
    server = daemon({"admin": {"http": "127.0.0.1:0", "token_file": str(token)}}, started=False)
    shown = run_cli("check", "--config", server.config_file, check=0).stderr
    assert "can be read by every user" in shown and "secret" not in shown


def test_a_missing_users_file_is_found_with_its_line(daemon, tmp_path):
    server = daemon({"plugin": {"users": {"use": "auth_file", "options": {"file": str(tmp_path / "none")}}}},
                    started=False)
    both(server, place(server, "options", "No such file or directory", holds="none"))


def test_two_spools_in_one_directory_are_found_with_their_line(daemon):
    server = daemon(started=False)
    directory = server.config["plugin"]["spool"]["options"]["directory"]
    server.config["plugin"]["twice"] = {"use": "output_json_spool", "options": {"directory": directory + "/"}}
    server.config["chain"]["default"]["steps"] = ["spool", "twice"]
    server.write_config()
    both(server, place(server, "options", "is the directory of plugin.spool already", holds=directory + "/"))


def test_a_size_filter_that_contradicts_the_limit_is_a_warning(daemon):
    for most, said in [("1MiB", "is below limits.message_size (32MiB), so limits.message_size has no"),
                       ("64MiB", "is above limits.message_size (32MiB), so it has no effect")]:
        server = daemon({"plugin": {"size": {"use": "filter_size", "options": {"max": most}}},
                         "chain": {"default": {"steps": ["size", "spool"]}}}, started=False)
        shown = run_cli("check", "--config", server.config_file, check=0).stderr
        assert f"plugin.size.options.max ({most}) {said}" in shown
    server = daemon({"plugin": {"size": {"use": "filter_size", "options": {"max": "32768KiB"}}},
                     "chain": {"default": {"steps": ["size", "spool"]}}}, started=False)
    assert "no effect" not in run_cli("check", "--config", server.config_file, check=0).stderr


def test_print_shows_every_key_and_changed_only_what_differs(daemon):
    server = daemon({"listener": [{"name": "mx", "address": "127.0.0.1:0", "chain": "default"}],
                     "plugin": {"size": {"use": "filter_size", "options": {"max": "10240KiB"}},
                                "broker": {"use": "output_amqp", "fallback": "spool", "options": {
                                    "urls": ["amqps://h"], "address": "a", "username": "u",
                                    "password": "hunter2"}}},
                     "chain": {"default": {"steps": ["size", "broker"]}}}, started=False)
    whole = run_cli("check", "--print", "--config", server.config_file, check=0).stdout
    changed = run_cli("check", "--changed", "--config", server.config_file, check=0).stdout
    assert "hunter2" not in whole + changed and 'password = "***"' in changed
    assert "# tls_ca is not set" in whole and "command = \"5m\"" in whole
    assert 'max = "10240KiB"' in whole and "max" not in changed
    assert "not set" not in changed and "command" not in changed and "protocol" not in changed
    assert 'message_size = "32MiB"' in changed and 'chain = "90s"' in changed
    again = server.folder / "again.toml"
    again.write_text(changed)
    assert run_cli("check", "--changed", "--config", again, check=0).stdout.splitlines()[1:] == \
        changed.splitlines()[1:]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_daemon_with_closed_standard_descriptors_serves_and_ends_cleanly(daemon, closed):
    server = daemon(started=False)
    server.wrapper = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    server.start()
    fds = pathlib.Path(f"/proc/{server.pid}/fd")
    assert all(os.readlink(fds / str(fd)) == "/dev/null" for fd, sign in
               ((0, "<&-"), (1, " >&-"), (2, "2>&-")) if sign in " " + closed)
    with server.client() as client:
        client.envelope()
        client.data(H + b"x\r\n")
    assert server.stop() == 0


def test_a_command_without_standard_descriptors_does_not_abort(daemon):
    server = daemon(started=False)
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", BINARY, "check", "--config",
                           str(server.config_file)], timeout=60)
    assert done.returncode == 1


def test_unused_signals_do_not_end_the_daemon(daemon):
    server = daemon()
    for number in (signal.SIGUSR2, signal.SIGPIPE, signal.SIGXFSZ):
        server.process.signal(number)
    time.sleep(0.3)
    with server.client() as client:
        client.command("NOOP", 250)
    assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGHUP], ids=["SIGUSR1", "SIGHUP"])
def test_a_signal_opens_the_log_again(daemon, number):
    server = daemon()
    moved = server.folder / "log.1"
    server.log.rename(moved)
    server.process.signal(number)
    wait_until(lambda: server.log.exists() and "log_reopened" in server.log.read_text(), 10,
               "the log to be opened again")
    assert server.stop() == 0


def test_an_unwritable_log_is_reported_once_on_standard_error(daemon):
    server = daemon({"log": {"file": "/dev/full"}}, started=False)
    server.launch()
    wait_until(lambda: "cannot write to the log" in server.output.read_text(), 20, "the complaint")
    time.sleep(0.5)
    server.process.signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    said = [line for line in server.output.read_text().splitlines() if "/dev/full" in line]
    assert said == ["lsmtpd: cannot write to the log /dev/full: No space left on device; lines are "
                    "lost until it can be written to again"]


def test_a_key_of_very_many_parts_is_an_error_and_not_a_crash(tmp_path):
    file = tmp_path / "deep.toml"
    many = ".".join(["a"] * 20_000)
    for text in (f"[{many}]\n", f"{many} = 1\n", "x = " + "{a=" * 20_000 + "1" + "}" * 20_000):
        file.write_text(text)
        done = run_cli("check", "--config", file, check=2)
        assert f"{file}:1:" in done.stderr and "more than 32" in done.stderr
