# SPDX-License-Identifier: Apache-2.0
"""A file system in memory, so that a figure is the file system's and not that of a disk whose speed changes.

Journal, allocation and fsync are the real ones, through a loop device; what is missing is the disk's own time.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

from support.faults import can_mount, own_mounts

# ext4's inodes are made with it: enough for a million files and those of the run.
MAKE = {"ext4": ["mkfs.ext4", "-q", "-i", "4096"], "xfs": ["mkfs.xfs", "-q"]}
KINDS = tuple(MAKE)


@contextlib.contextmanager
def in_memory(kind):
    """(folder, file system): an image of that kind, or tmpfs where no image can be mounted."""
    room = shutil.disk_usage("/dev/shm").free
    with contextlib.ExitStack() as stack:
        try:
            if not can_mount():
                raise OSError("only root can mount")
            folder, name = stack.enter_context(mounted(kind, str(min(16 << 30, room * 3 // 4)))), kind
        except (OSError, subprocess.CalledProcessError):
            folder, name = stack.enter_context(tempfile.TemporaryDirectory(prefix="lsmtpd-bench-", dir="/dev/shm")), "tmpfs"
        yield folder, name


@contextlib.contextmanager
def mounted(kind, size="8G"):
    """The folder where it is mounted, for this process and its children alone. Root only."""
    if not can_mount():
        raise SystemExit("bench: only root can mount --ram-disk")
    own_mounts()
    with tempfile.TemporaryDirectory(prefix="lsmtpd-bench-disk-", dir="/dev/shm") as name:
        image, folder = pathlib.Path(name) / "image", pathlib.Path(name) / "disk"
        folder.mkdir()
        os.chmod(name, 0o755)
        subprocess.run(["truncate", "-s", size, image], check=True)  # sparse
        subprocess.run([*MAKE[kind], image], check=True)
        subprocess.run(["mount", "-o", "loop", image, folder], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
