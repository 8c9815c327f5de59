# SPDX-License-Identifier: Apache-2.0
"""A limit of CPU for processes of a test, by a control group of either version of the kernel's interface."""
import itertools
import os
import pathlib

_numbers = itertools.count()
PERIOD = 0.1  # seconds: the default of the kernel and of Kubernetes


def _hierarchy():
    """(its folder, its version), or (None, why there is none)."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, folder, kind, options, *_ = line.split()
        folder = pathlib.Path(folder)
        if kind == "cgroup" and "cpu" in options.split(","):
            return folder, 1
        if kind == "cgroup2" and "cpu" in (folder / "cgroup.controllers").read_text().split():
            return folder, 2
    return None, "no control groups that limit CPU"


class NoQuota(Exception):
    pass


class Quota:
    """Its processes together get at most `cores` of CPU time. close() once they have ended."""

    def __init__(self, cores):
        folder, version = _hierarchy()
        if folder is None:
            raise NoQuota(version)
        self.cores = cores
        self._folder = folder / f"lsmtpd-tests-{os.getpid()}-{next(_numbers)}"
        try:
            if version == 2:
                (folder / "cgroup.subtree_control").write_text("+cpu")
            self._folder.mkdir()
            period = round(PERIOD * 1e6)
            quota = round(cores * period)
            if version == 1:
                self._write("cpu.cfs_period_us", period)
                self._write("cpu.cfs_quota_us", quota)
            else:
                self._write("cpu.max", f"{quota} {period}")
        except OSError as error:
            raise NoQuota(f"no control group of the test's own: {error}") from None

    def _write(self, name, value):
        (self._folder / name).write_text(str(value))

    def add(self, pid):
        """With all its threads, and those that begin later."""
        self._write("cgroup.procs", pid)

    @property
    def throttled(self):
        """In how many periods processes waited for the next one."""
        lines = (self._folder / "cpu.stat").read_text().splitlines()
        return int(dict(line.split() for line in lines)["nr_throttled"])

    def close(self):
        self._folder.rmdir()
