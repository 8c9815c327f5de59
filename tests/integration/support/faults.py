# SPDX-License-Identifier: Apache-2.0
"""Faults that this machine can make: a full disk, a power cut, failing system calls."""
import contextlib
import ctypes
import fcntl
import functools
import os
import pathlib
import re
import signal
import struct
import subprocess
import tempfile

from .daemon import BUILD
from .process import Process
from .wait import wait_until


# Both are in the fault matrix; an instance has the first one by default.
LAYOUTS = ("files", "journal")


def with_layout(layout):
    return {"plugin": {"spool": {"options": {"layout": layout}}}}


def wrong_clock(offset):
    """An environment whose clock is off by that, such as "+1d"; timers go on."""
    return {"LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME": offset}


def own_mounts():
    """From here on this process and its children have mounts of their own, where they may: they go with
    the process, and nobody else's namespace holds one that a test wants to be gone."""
    libc, new_mounts = ctypes.CDLL(None), 0x00020000
    if libc.unshare(new_mounts) == 0:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def can_mount():
    return os.geteuid() == 0


class SmallDisk:
    """A tmpfs of its own, mounted at a folder."""

    def __init__(self, folder, options="size=1M"):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=0700,{options}", "tmpfs", str(folder)], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Lazily: after a failure the daemon still has it open.
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


class PowerCut:
    """A file system of its own in an image, mounted at a folder, that can lose its power: cut(), and
    what was not on the disk by then is gone after remount(). Root only."""

    def __init__(self, folder, kind):
        self._folder, self._image = folder, folder.parent / f"{folder.name}.{kind}"
        subprocess.run(["truncate", "-s", "2G", self._image], check=True)  # sparse
        subprocess.run([f"mkfs.{kind}", "-q", self._image], check=True)
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        self.mount()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.unmount(lazily=True)
        self._image.unlink()

    def mount(self):
        subprocess.run(["mount", "-o", "loop", self._image, self._folder], check=True)
        self._folder.chmod(0o700)

    def unmount(self, lazily=False):
        subprocess.run(["umount", *(["--lazy"] if lazily else []), self._folder], check=True)

    def cut(self):
        """The file system is dead from here on; its log is not written out (NOLOGFLUSH)."""
        shutdown, without_flushing_the_log = 0x8004587D, struct.pack("I", 2)  # the same in ext4 and XFS
        directory = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.ioctl(directory, shutdown, without_flushing_the_log)
        finally:
            os.close(directory)

    def remount(self):
        """Once no process has a file open there: mounts the disk as it is."""
        self.unmount()
        self.mount()


@functools.cache
def why_no_power_cut(kind):
    """Why there can be no PowerCut here, or nothing."""
    if os.geteuid() != 0:
        return "only root can mount an image"
    try:
        with tempfile.TemporaryDirectory() as folder, PowerCut(pathlib.Path(folder) / "try", kind):
            return None
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no {kind} in an image: {error}"


class Injected:
    """While the `with` block lasts, system calls of a running daemon fail as strace's --inject says.
    A `when=` there counts for each thread by itself."""

    def __init__(self, daemon, injection):
        self._daemon, self._log = daemon, daemon.folder / "strace-attach.txt"
        self._argv = ["strace", "-f", "-p", str(daemon.pid), "-o", str(daemon.folder / "strace.txt"),
                      f"--inject={injection}", "-e", f"trace={injection.split(':')[0]}",
                      "-e", "signal=none"]

    def __enter__(self):
        threads = len(os.listdir(f"/proc/{self._daemon.pid}/task"))
        self._process = Process(self._argv, self._log)
        wait_until(lambda: self._traced() >= threads, 30, lambda: self._process.tail())
        return self

    def _traced(self):
        def tracer(thread):
            with open(f"/proc/{self._daemon.pid}/task/{thread}/status") as status:
                return next(line for line in status if line.startswith("TracerPid:")).split()[1]
        return sum(tracer(each) != "0" for each in os.listdir(f"/proc/{self._daemon.pid}/task"))

    def __exit__(self, *_):
        self._process.signal(signal.SIGINT)
        self._process.wait(20)
        wait_until(lambda: self._traced() == 0, 20, "strace to let go")


class ThreadsTraced:
    """While the `with` block lasts, strace watches the daemon's threads of these names, and no others.
    names: separated by spaces. injection: as strace's --inject; with :signal=KILL the daemon dies at that call, and
    strace ends. A `when=` counts for each thread by itself."""

    def __init__(self, daemon, names, injection=None):
        def comm(thread):
            with open(f"/proc/{daemon.pid}/task/{thread}/comm") as file:
                return file.read().strip()
        self._threads = [each for each in os.listdir(f"/proc/{daemon.pid}/task") if comm(each) in names.split()]
        assert self._threads, f"the daemon has no thread {names}"
        self._daemon, self._log = daemon, daemon.folder / "strace-threads.txt"
        self._output = daemon.folder / "strace.txt"
        self._argv = ["strace", "-o", str(self._output), "-e", "signal=none",
                      *(word for each in self._threads for word in ("-p", each))]
        if injection:
            self._argv += [f"--inject={injection}", "-e", f"trace={injection.split(':')[0]}"]

    def __enter__(self):
        self._process = Process(self._argv, self._log)
        wait_until(lambda: all(self._traced(each) for each in self._threads), 30,
                   lambda: self._process.tail())
        return self

    def _traced(self, thread):
        try:
            with open(f"/proc/{self._daemon.pid}/task/{thread}/status") as status:
                return "TracerPid:\t0\n" not in status.read()
        except (FileNotFoundError, ProcessLookupError):  # killed already
            return True

    def __exit__(self, *_):
        self._process.signal(signal.SIGINT)
        self._process.wait(20)

    def calls(self):
        """The names of the system calls seen, after the block."""
        return sorted(set(re.findall(r"^(?:\d+ +)?(\w+)\(", self._output.read_text(), re.M)))


# The spool with test_hooks.hpp at work.
HOOKED_SPOOL = BUILD / "tests/hooked/output_json_spool.so"

# Leak detection needs ptrace for itself.
STRACED = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
