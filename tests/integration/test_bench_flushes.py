# SPDX-License-Identifier: Apache-2.0
"""`contrib/dev bench flushes`: its preload, its bare loop, and a short run of all of it."""
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from support.daemon import BUILD, sanitized
from support.faults import can_mount

BENCH = pathlib.Path(__file__).parents[1] / "bench"
sys.path.append(str(BENCH))
from preload import Preload  # noqa: E402

pytestmark = pytest.mark.skipif(sanitized(), reason="a sanitizer wants to be loaded first")

FLUSHES = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
plain = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.write(plain, b"x")
os.pwritev(plain, [b"x"], 0, 0)
os.fsync(plain)
os.fdatasync(plain), os.fdatasync(plain)
for _ in range(3):
    libc.syncfs(plain)
for _ in range(4):
    libc.sync_file_range(plain, ctypes.c_int64(0), ctypes.c_int64(0), 2)
os.pwritev(plain, [b"x"], 0, os.RWF_DSYNC)
for flag in (os.O_DSYNC, os.O_SYNC):
    fd = os.open(sys.argv[1], os.O_RDWR | flag)
    os.write(fd, b"x"), os.pwrite(fd, b"x", 0), os.writev(fd, [b"x"]), os.pwritev(fd, [b"x"], 0)
    os.close(fd)
    again = os.open(sys.argv[1], os.O_RDWR)
    assert again == fd
    os.write(again, b"x")
    os.close(again)
"""


def test_each_kind_of_flush_is_delayed_and_counted(tmp_path):
    preload = Preload(tmp_path / "counts", 5)
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", FLUSHES, tmp_path / "file"], check=True,
                   env={**os.environ, **preload.environment})
    assert preload.counts() == (1, 2, 3, 4, 9)
    assert time.monotonic() - begin >= 19 * 0.005


def test_a_failed_flush_stays_one(tmp_path):
    preload = Preload(tmp_path / "counts", 0)
    code = "import os\ntry: os.fsync(99)\nexcept OSError as error: print(error.errno)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, **preload.environment})
    assert done.stdout == "9\n", done


@pytest.mark.parametrize("writers", [1, 12])
def test_the_writers_of_the_bare_loop_share_flushes(tmp_path, writers):
    preload = Preload(tmp_path / "counts", 5)
    done = subprocess.run([BUILD / "tests/bare_flush", "--writers", str(writers), "--messages", "60", "--file", "65536",
                           tmp_path], capture_output=True, text=True, timeout=60, env={**os.environ, **preload.environment})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    synced, flushed, *others = preload.counts()
    assert (synced, others) == (1, [0, 0, 0]) and found["messages"] == 60  # the file's zeros, once
    assert found["flushes"] == pytest.approx(flushed / 60, abs=1e-5)
    assert flushed == 60 if writers == 1 else flushed < 30
    assert 5 <= found["reply_p50_ms"] <= found["reply_p99_ms"]
    assert [each.name for each in tmp_path.iterdir()] == ["counts"]


def run(tmp_path, *options):
    done = subprocess.run([sys.executable, BENCH / "bench_flushes.py", "--rounds", "1", "--directory", tmp_path, "--json",
                           tmp_path / "raw.json", *options], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("lsmtpd-bench-*"))
    found = {}
    for each in json.loads((tmp_path / "raw.json").read_text())["measurements"]:
        if each["server"] not in ("postfix", "smtp-sink"):  # where they are not installed, they are left out
            assert each["reason"] is None and len(each["runs"]) == 1, each
            cell = each["cell"]
            where = (cell["slow"], cell["connections"], cell["size"], cell["beside"])
            found.setdefault(where, {})[each["server"]] = each["runs"][0]
    return done.stdout, found


def test_a_short_run_has_each_server_and_each_target(tmp_path):
    text, found = run(tmp_path, "--seconds", "1", "--baseline", BUILD)
    layouts = {"lsmtpd-journal", "lsmtpd-files"}
    both = layouts | {"lsmtpd-baseline"}
    memory = {"lsmtpd-null", "lsmtpd-null-2"}
    assert {where: set(servers) for where, servers in found.items()} == {
        (True, 30, 4096, ""): both | {"bare loop"}, (True, 200, 4096, ""): both | {"bare loop"},
        (True, 1, 4096, ""): layouts | {"bare loop"}, (True, 30, 4096, ", beside 10 MiB"): both,
        (False, 30, 4096, ""): both | memory, (False, 30, 1 << 20, ""): layouts | {"lsmtpd-null", "bare loop"}}
    for where, servers in found.items():
        for name, each in servers.items():
            assert each["messages"] > 0 and each["cpu_us"] > 0, (where, name)
            if where[0]:
                assert each["reply_p50_ms"] >= 2 and each["flushes"] > 0, (where, name)
    targets = [line for line in text.splitlines() if line.endswith(("| yes |", "| **no** |", "not measured |  |"))]
    assert len(targets) == 18
    # Those that need a peer that may be missing.
    assert all("postfix" in line or "smtp-sink" in line for line in targets if "not measured" in line), text
    assert ("ext4 in memory" if can_mount() else "tmpfs in memory") in text


def test_targets_without_a_baseline_are_not_measured(tmp_path):
    text, found = run(tmp_path, "--seconds", "0.5", "--parts", "30", "--delay", "1")
    assert set(found[True, 30, 4096, ""]) == {"lsmtpd-journal", "lsmtpd-files", "bare loop"}
    (line,) = [each for each in text.splitlines() if "30 connections: rate at least 4 times the baseline's" in each]
    assert line.endswith("| not measured |  |")
