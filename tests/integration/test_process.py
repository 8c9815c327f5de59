# SPDX-License-Identifier: Apache-2.0
"""The daemon's process: its user, and the number of its cores and descriptors."""
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import pytest

from support.daemon import BINARY, BUILD
from support.hostile import H
from support.smtp import queued_id
from support.wait import wait_until

NOBODY = "nobody"
AS_NOBODY = ["setpriv", "--reuid", NOBODY, "--regid", "nogroup", "--clear-groups"]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else, or mount")


def run(*argv):
    done = subprocess.run([str(each) for each in argv], capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def workers(text):
    return next(line for line in text.splitlines() if line.startswith("workers = "))


@pytest.fixture
def for_nobody():
    """A folder that NOBODY can write to and reach, unlike pytest's."""
    if run(*AS_NOBODY, "test", "-r", BUILD / "plugins" / "output_json_spool.so")[0] != 0:
        pytest.skip(f"{NOBODY} cannot read {BUILD}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="lsmtpd-test-"))
    os.chown(folder, pwd.getpwnam(NOBODY).pw_uid, -1)
    yield folder
    shutil.rmtree(folder)


@needs_root
def test_started_as_root_it_becomes_server_user_before_it_opens_anything(daemon, for_nobody):
    server = daemon({"server": {"user": NOBODY}, "log": {"file": str(for_nobody / "log.json")},
                     "limits": {"spill_directory": str(for_nobody)},
                     "plugin": {"spool": {"options": {"directory": str(for_nobody / "spool")}}}},
                    started=False)
    server.log = for_nobody / "log.json"
    server.start()
    with server.client() as client:
        client.envelope()
        message_id = queued_id(client.data(H + b"x\r\n"))
    uid = pwd.getpwnam(NOBODY).pw_uid
    status = pathlib.Path(f"/proc/{server.pid}/status").read_text().splitlines()
    assert f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}" in status
    wait_until((for_nobody / f"spool/{message_id}.json").exists, 20, "the file")
    for made in ("log.json", "spool", "spool/journal", f"spool/{message_id}.json"):
        assert (for_nobody / made).stat().st_uid == uid, made
    assert server.stop() == 0


def test_workers_0_is_the_cores_that_affinity_leaves(daemon):
    server = daemon({"server": {"workers": 0}}, started=False)
    check = [BINARY, "check", "--print", "--config", server.config_file]
    core = min(os.sched_getaffinity(0))
    assert workers(run("taskset", "-c", core, *check)[1]) == "workers = 1"


@needs_root
@pytest.mark.parametrize("limit, cores", [("50000 100000", 1), ("max 100000", None)])
def test_workers_0_is_the_cores_that_cpu_max_leaves(daemon, limit, cores):
    server = daemon({"server": {"workers": 0}}, started=False)
    # All of /sys, for a container may have none of it.
    script = ('mount -t tmpfs none /sys && mkdir -p /sys/fs/cgroup && echo "$1" >/sys/fs/cgroup/cpu.max && '
              'exec "$2" check --print --config "$3"')
    status, out, error = run("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh",
                             limit, BINARY, server.config_file)
    assert status == 0, error
    assert workers(out) == f"workers = {cores or len(os.sched_getaffinity(0))}"


@needs_root
def test_too_few_descriptors_for_the_connections_is_an_error_at_its_place(daemon, for_nobody):
    server = daemon({"limits": {"connections": 5000, "spill_directory": "/var/tmp"}, "log": {"file": None}},
                    started=False)
    config = shutil.copy(server.config_file, for_nobody)
    pathlib.Path(config).chmod(0o644)
    # Root would raise the limit.
    status, _, error = run(*AS_NOBODY, "prlimit", "--nofile=2000:2000", BINARY, "check", "--config", config)
    lines = server.config_file.read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if text.startswith("connections"))
    assert status == 2
    assert f"{config}:{line}:" in error and "lower limits.connections to 976" in error
