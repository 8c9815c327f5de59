# SPDX-License-Identifier: Apache-2.0
"""Each command that cannot write its output, to a full disk or a closed descriptor, fails and says so."""
import subprocess

import pytest

from support.admin import Admin
from support.daemon import BINARY, run_cli
from support.faults import SmallDisk, can_mount
from support.hostile import H
from support.recorder import Recorder
from support.smtp import queued_id

PROGRAM = [["--help"], ["--version"], ["plugins"], ["plugins", "filter_size"],
           *([command, "--help"] for command in ("run", "check", "plugins", "try", "auth", "ctl", "migrate", "spool", "map"))]


def to(where, *argv, input="", timeout=60):
    """lsmtpd with its standard output at `where`, in the shell's words."""
    return subprocess.run(["sh", "-c", f'exec "$@" {where}', "sh", BINARY, *map(str, argv)], input=input,
                          capture_output=True, text=True, timeout=timeout)


def fails(where, *argv, input=""):
    done = to(where, *argv, input=input)
    assert done.returncode == 1, (argv, done)
    assert "lsmtpd: cannot write to standard output" in done.stderr, (argv, done)


full_or_closed = pytest.mark.parametrize("where", [">/dev/full", ">&-"], ids=["full", "closed"])


@full_or_closed
def test_commands_that_need_no_daemon(where, tmp_path):
    for argv in PROGRAM:
        fails(where, *argv)
    fails(where, "try", "--plugin", "filter_size", "--show", input="x\n")
    fails(where, "auth", "hash", "name", input="a password\n")
    variables = tmp_path / "environment"
    variables.write_text("SERVER_NAME=mx.test.example\n")
    fails(where, "migrate", "--from-env", variables)
    base, listed = tmp_path / "base.toml", tmp_path / "list"
    base.write_text('[server]\nhostname = "x"\n[[listener]]\nname = "a"\naddress = "127.0.0.1:1"\n'
                    '[plugin.a]\nuse = "filter_access"\n[plugin.s]\nuse = "output_null"\n'
                    '[chain.default]\nsteps = ["a", "s"]\n')
    listed.write_text("192.0.2.1\n")
    fails(where, "map", "--config", base, listed)
    run_cli("map", "--config", base, listed, check=0)
    fails(where, "map", "--config", base, "--look-up", "192.0.2.1", f"{listed}.map")


def fallback(tmp_path, mails):
    """The configuration of a daemon that keeps mail in its spool, and that mail's content."""
    recorder = Recorder(tmp_path)
    recorder.down()
    return recorder.configuration(), [H + b"y" * 40_000 + b"\r\n" for _ in range(mails)]


def keep(server, mails):
    with server.client() as client:
        ids = []
        for content in mails:
            client.envelope()
            ids.append(queued_id(client.data(content)))
    return ids


@full_or_closed
def test_commands_about_a_configuration_and_its_spool(daemon, where, tmp_path):
    configuration, mails = fallback(tmp_path, 1)
    server = daemon(configuration)
    mail = keep(server, mails)[0]
    options = ["--config", server.config_file]
    for argv in (["check"], ["check", "--print"], ["check", "--changed"], ["check", "--live"],
                 ["spool", "ls"], ["spool", "ls", "--json"], ["spool", "show", mail], ["spool", "export", mail],
                 ["spool", "summary"], ["spool", "summary", "--json"]):
        fails(where, *argv, *options)
    server.config["listener"][0]["address"] = f"127.0.0.1:{server.address()[1]}"
    server.write_config()
    fails(where, "check", "--listening", *options)
    # What prints nothing there has nothing to lose.
    assert to(where, "spool", "rm", mail, *options).returncode == 0


@full_or_closed
def test_commands_to_a_running_daemon(daemon, where):
    admin = Admin()
    server = daemon(admin.configuration())
    admin.attach(server).wait_ready()
    for argv in (["status"], ["status", "--json"], ["sessions"], ["log-level"], ["log-level", "info"], ["flush"],
                 ["hold", "spool"], ["release", "spool"], ["reload"], ["trace", "--peer", "127.0.0.1"], ["drain"]):
        fails(where, "ctl", "--socket", admin.socket, *argv)


@pytest.mark.skipif(not can_mount(), reason="only root can mount a tmpfs")
def test_messages_are_exported_moved_and_imported_whole_or_not_at_all(daemon, tmp_path):
    configuration, mails = fallback(tmp_path, 3)
    server = daemon(configuration)
    ids = keep(server, mails)
    assert server.stop() == 0
    options = ["--config", server.config_file]
    small = tmp_path / "small"
    small.mkdir(mode=0o700)
    with SmallDisk(small, "size=64k"):  # room for one
        assert run_cli("spool", "export", ids[0], "-o", small / "one.eml", *options).returncode == 0
        done = run_cli("spool", "export", ids[1], "-o", small / "two.eml", *options)
        assert done.returncode == 1 and "No space left on device" in done.stderr, done
        assert not (small / "two.eml").exists()
        (small / "one.eml").unlink()
        done = run_cli("spool", "export", "--all", "--dir", small / "out", *options)
        assert done.returncode == 1 and "No space left on device" in done.stderr, done
        assert all(each.read_bytes() == mails[0] for each in (small / "out").iterdir())
        for each in (small / "out").iterdir():
            each.unlink()
        done = run_cli("spool", "move", "--all", "--to", small / "other", *options)
        assert done.returncode == 1 and "stays where it is" in done.stderr, done
        moved = list((small / "other").glob("*.json"))
        assert sorted([*server.spool.ids(), *(each.stem for each in moved)]) == sorted(ids)
    assert server.spool.ids(), "one at least was kept"


def test_import_into_a_full_disk_leaves_what_it_cannot_take(tmp_path, daemon):
    if not can_mount():
        pytest.skip("only root can mount a tmpfs")
    configuration, mails = fallback(tmp_path, 3)
    server = daemon(configuration)
    ids = keep(server, mails)
    assert server.stop() == 0
    other = daemon({"plugin": {"spool": {"options": {"min_free": "0", "min_free_inodes": 0}}}}, started=False)
    other.spool.folder.mkdir(mode=0o700)
    with SmallDisk(other.spool.folder, "size=64k"):
        done = run_cli("spool", "import", server.spool.folder, "--config", other.config_file)
        assert done.returncode == 1 and "stays where it is" in done.stderr, done
        assert sorted([*server.spool.ids(), *other.spool.ids()]) == sorted(ids)
        assert server.spool.ids()
