"""Faults that this machine can make: a full disk, failing system calls, a file size limit."""
import os
import subprocess

from .wait import wait_until


def can_mount():
    return os.geteuid() == 0


class SmallDisk:
    """A tmpfs of its own, mounted at a folder."""

    def __init__(self, folder, options="size=1M"):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        wait_until(lambda: subprocess.run(["umount", str(self.folder)],
                                          capture_output=True).returncode == 0,
                   20, f"{self.folder} to be unmounted")


def strace(folder, *injections, calls=None):
    """A wrapper for Daemon under which system calls fail or kill as strace's --inject says."""
    # With -o strace leaves signals to the daemon and ends with it.
    return ["strace", "-f", "-qq", "-o", str(folder / "strace.txt"),
            *(f"--inject={each}" for each in injections),
            "-e", "trace=" + (calls or ",".join(each.split(":")[0] for each in injections)),
            "-e", "signal=none"]


# Leak detection needs ptrace for itself.
STRACED = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
