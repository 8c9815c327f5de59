# SPDX-License-Identifier: Apache-2.0
"""A file system in memory, so that a figure is the file system's and not that of a disk whose speed changes.

Journal, allocation and fsync are the real ones, through a loop device; what is missing is the disk's own time.
"""
import contextlib
import os
import pathlib
import subprocess
import tempfile

from support.faults import can_mount, own_mounts

# ext4's inodes are made with it: enough for a million files and those of the run.
MAKE = {"ext4": ["mkfs.ext4", "-q", "-i", "4096"], "xfs": ["mkfs.xfs", "-q"]}
KINDS = tuple(MAKE)


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
