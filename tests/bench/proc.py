# SPDX-License-Identifier: Apache-2.0
"""The kernel's figures of a server: all its processes together, threads and ended children included.

Memory is a sum over the processes: what they share is counted in each of them.
"""
import os
import pathlib
import time

SCHEDULED = 2  # CPUCLOCK_SCHED of the kernel's clock ids: (~pid << 3) | this is a process's CPU clock
TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """The fields of /proc/PID/stat after the name; [] when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def family(pid):
    """The process and all that descend from it."""
    parents = {}
    for each in os.listdir("/proc"):
        if each.isdigit():
            stat = _stat(each)
            if stat:
                parents.setdefault(int(stat[1]), []).append(int(each))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def cpu_seconds(*pids):
    """User and system time, of children that ended too. The processes' own from their CPU clocks: the
    same time as in /proc/PID/stat, where it is rounded to ticks of 10 ms."""
    total = 0
    for pid in pids:
        try:
            own = time.clock_gettime(~pid << 3 | SCHEDULED)
        except OSError:
            continue  # it is gone: its parent has its time
        total += own + sum(map(int, _stat(pid)[13:15])) / TICK
    return total


def _status(pids, key):
    total = 0
    for pid in pids:
        try:
            lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))
    return total


def resident(*pids):
    return _status(pids, "VmRSS:")


def peak(*pids):
    return _status(pids, "VmHWM:")


def traced(pid):
    """Somebody traces each of its threads."""
    try:
        threads = [f"/proc/{pid}/task/{each}/status" for each in os.listdir(f"/proc/{pid}/task")]
        return all("TracerPid:\t0\n" not in pathlib.Path(each).read_text() for each in threads)
    except OSError:
        return True
