"""Faults that this machine can make: a full disk, failing system calls, a file size limit."""
import os
import signal
import subprocess

from .process import Process
from .wait import wait_until


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


def strace(folder, *injections, calls=None):
    """A wrapper for Daemon under which system calls fail or kill as strace's --inject says."""
    # With -o strace leaves signals to the daemon and ends with it.
    return ["strace", "-f", "-qq", "-o", str(folder / "strace.txt"),
            *(f"--inject={each}" for each in injections),
            "-e", "trace=" + (calls or ",".join(each.split(":")[0] for each in injections)),
            "-e", "signal=none"]


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


# Leak detection needs ptrace for itself.
STRACED = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
