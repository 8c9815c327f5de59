# SPDX-License-Identifier: Apache-2.0
"""A Debian in a folder, started: its systemd is the first process of namespaces of its own, with a loopback interface and
no other network. Nothing on this machine is reached from there."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

START = """
T=$1
mount --bind "$T" "$T"
mount -t proc proc "$T/proc"
mount -t sysfs -o ro sysfs "$T/sys"
if [ -n "$2" ]; then
  mount -t tmpfs tmpfs "$T/sys/fs/cgroup"
  mkdir "$T/sys/fs/cgroup/systemd" "$T/sys/fs/cgroup/unified" "$T/sys/fs/cgroup/memory"
  mount -t cgroup -o none,name=systemd cgroup "$T/sys/fs/cgroup/systemd"
  mount -t cgroup2 cgroup2 "$T/sys/fs/cgroup/unified"
  mount -t cgroup -o memory cgroup "$T/sys/fs/cgroup/memory"
else
  mount -t cgroup2 cgroup2 "$T/sys/fs/cgroup" 2>/dev/null || {
    mount -t tmpfs tmpfs "$T/sys/fs/cgroup"; mount -t cgroup2 cgroup2 "$T/sys/fs/cgroup"; }
fi
mount -t tmpfs -o mode=755 tmpfs "$T/dev"
for name in null zero full random urandom tty; do touch "$T/dev/$name"; mount --bind "/dev/$name" "$T/dev/$name"; done
mkdir "$T/dev/pts" "$T/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$T/dev/pts"
ln -s pts/ptmx "$T/dev/ptmx"
mount -t tmpfs tmpfs "$T/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$T/run"
cd "$T"
mkdir -p .old
pivot_root . .old
exec chroot . /bin/sh -c 'umount -l /.old && exec env -i container=lsmtpd-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --show-status=no --unit=multi-user.target'
"""


def hierarchy():
    """Where this machine has cgroups of version 2; None: nowhere."""
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return pathlib.Path(where)
    return None


def older_hierarchies():
    """Those of version 1 that systemd needs so that it can limit memory, where this machine's kernel limits it there."""
    found = []
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup" and {"name=systemd", "memory"} & set(options.split(",")):
            found.append(pathlib.Path(where))
    return found if len(found) == 2 else []


def takes_older_hierarchies(tree):
    """Debian 13's systemd does no longer."""
    return 'VERSION_ID="12"' in (tree.path / "etc/os-release").read_text()


class Machine:
    def __init__(self, tree):
        self.tree = tree
        older = older_hierarchies() if takes_older_hierarchies(tree) else []
        self._groups = [each / f"lsmtpd-test-{os.getpid()}-{time.monotonic_ns()}" for each in (hierarchy(), *older)]

    @property
    def limits_memory(self):
        return len(self._groups) > 1 or "memory" in (hierarchy() / "cgroup.controllers").read_text().split()

    def __enter__(self):
        (self.tree.path / "usr/sbin/policy-rc.d").unlink(missing_ok=True)  # services start here as on any machine
        for group in self._groups:
            group.mkdir()
        command = ("".join(f"echo $$ >{group}/cgroup.procs && " for group in self._groups)
                   + 'exec unshare --mount --pid --ipc --uts --net --cgroup --fork --kill-child --propagation private '
                     'bash -ec "$0" bash "$1" "$2"')
        self._said = tempfile.TemporaryFile()
        self._process = subprocess.Popen(["bash", "-c", command, START, self.tree.path, "older" if len(self._groups) > 1 else ""], stdin=subprocess.DEVNULL,
                                         stdout=self._said, stderr=self._said)
        try:
            self._await_boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _await_boot(self):
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                self._said.seek(0)
                raise AssertionError(f"systemd ended: {self._said.read().decode(errors='replace')}")
            if self._first() and self.run("systemctl is-system-running", check=False).stdout.strip() in ("running", "degraded"):
                return
            time.sleep(0.2)
        raise AssertionError("systemd has not started")

    def _first(self):
        """The process number of its systemd."""
        children = pathlib.Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        return children[0] if children else None

    def __exit__(self, *_):
        first = self._first() if self._process.poll() is None else None
        if first:
            os.kill(int(first), signal.SIGKILL)  # the kernel ends all others of its namespace
        self._process.wait(30)
        for group in self._groups:
            _remove(group)

    def run(self, command, check=True, seconds=300):
        """A shell command as root of that machine; returns the finished process with its output as text."""
        done = subprocess.run(
            ["nsenter", "-t", self._first(), "-m", "-p", "-i", "-u", "-n", "-C", "-r", "-w", "env", "-i", "HOME=/root",
             "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds)
        if check:
            assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}"
        return done

    def python(self, script, *arguments, check=True):
        """A script for this machine's Python in the network of that one."""
        done = subprocess.run(["nsenter", "-t", self._first(), "-n", "/usr/bin/python3", "-c", script, *map(str, arguments)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def state(self, unit="lsmtpd"):
        return tuple(self.run(f"systemctl {word} {unit}", check=False).stdout.strip() for word in ("is-enabled", "is-active"))

    def send(self, subject, port=25):
        self.python("import smtplib, sys\n"
                    "with smtplib.SMTP('127.0.0.1', int(sys.argv[2]), local_hostname='client.example', timeout=30) as smtp:\n"
                    "    smtp.sendmail('s@example.org', ['r@example.org'], f'Subject: {sys.argv[1]}\\r\\n\\r\\nbody\\r\\n')\n",
                    subject, port)


def _remove(group):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and (group / "cgroup.procs").exists():
        for below in sorted(group.rglob("*"), reverse=True):
            if below.is_dir() and not (below / "cgroup.procs").read_text():
                below.rmdir()
        if not (group / "cgroup.procs").read_text():
            group.rmdir()


def missing_for_a_machine():
    """Why no Debian can be started here, or nothing."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("debootstrap", "unshare", "nsenter", "pivot_root"):
        if not shutil.which(program):
            return f"no {program}"
    if hierarchy() is None:
        return "no cgroups of version 2"
    return ""
