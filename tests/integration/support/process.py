# SPDX-License-Identifier: Apache-2.0
"""A server that a test starts, in a process group of its own, so that it and what it starts can be
stopped, frozen and killed by id, and nothing else is."""
import os
import signal
import subprocess

from .wait import Timeout, wait_until


def sudo():
    """[] for root; the sudo command where it needs no password; None otherwise."""
    if os.geteuid() == 0:
        return []
    try:
        subprocess.run(["sudo", "-n", "true"], check=True, capture_output=True)
        return ["sudo", "-n"]
    except (OSError, subprocess.CalledProcessError):
        return None


def _group_of(pid):
    try:
        return os.getpgid(int(pid))
    except ProcessLookupError:
        return None


def _stands_still(pid):
    """Every thread is stopped, or the process has ended."""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] not in "TtZX":
                    return False
    except (FileNotFoundError, ProcessLookupError):
        pass
    return True


class Process:
    """as_root: starts and signals it through sudo where we are not root; env does not reach it then."""

    def __init__(self, argv, log, env=None, cwd=None, as_root=False, **options):
        self._sudo = sudo() if as_root else []
        self.argv = self._sudo + [str(each) for each in argv]
        self.log = log
        with open(log, "ab") as out:
            self._popen = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=out,
                                           stderr=subprocess.STDOUT, env=env, cwd=cwd,
                                           start_new_session=True, **options)
        self.pid = self._popen.pid

    @property
    def returncode(self):
        return self._popen.poll()

    def running(self):
        return self._popen.poll() is None

    def signal(self, number):
        """To the process alone. After SIGSTOP it runs no more: threads stop a moment later than the call returns."""
        if self._sudo:
            self.signal_group(number)
        elif self.running():
            self._popen.send_signal(number)
            if number == signal.SIGSTOP:
                wait_until(lambda: _stands_still(self.pid), 10, f"process {self.pid} to stop")

    def signal_group(self, number):
        """To the process and all that it started; SIGSTOP as signal()."""
        if self._sudo:
            subprocess.run([*self._sudo, "kill", f"-{int(number)}", "--", f"-{self.pid}"],
                           capture_output=True)
        else:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                pass
        if number == signal.SIGSTOP:
            wait_until(lambda: all(map(_stands_still, self._group())), 10, f"process group {self.pid} to stop")

    def _group(self):
        """The numbers of its processes."""
        return [int(each) for each in os.listdir("/proc") if each.isdigit() and _group_of(each) == self.pid]

    def wait(self, seconds):
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.argv[0]} (pid {self.pid}) still runs after {seconds} s; "
                          f"its output ends:\n{self.tail()}") from None

    def kill(self):
        """kill -9, all of it, and wait until it is gone."""
        self.signal_group(signal.SIGKILL)
        self._popen.wait()
        wait_until(self._group_gone, 10, f"process group {self.pid} to end")

    def stop(self, seconds=30):
        """SIGTERM, then SIGKILL after the time. Returns the exit status."""
        self.signal_group(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            self.wait(seconds)
        except Timeout:
            pass
        self.kill()
        return self._popen.returncode

    def _group_gone(self):
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def tail(self, lines=40):
        try:
            with open(self.log, "r", errors="replace") as text:
                return "".join(text.readlines()[-lines:])
        except OSError as error:
            return f"(no output: {error})"
