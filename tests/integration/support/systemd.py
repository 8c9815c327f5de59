# SPDX-License-Identifier: Apache-2.0
"""A systemd of a test's own: booted in namespaces, with a root that is an overlay of this machine's, so that it leaves
nothing behind. Needs root, overlayfs and systemd; nothing of this machine's own services is started in it."""
import os
import pathlib
import shutil
import subprocess

from .daemon import BUILD
from .process import Process
from .wait import Timeout, wait_until

ROOT = pathlib.Path(__file__).parents[3]
PROGRAM = "/opt/lsmtpd/lsmtpd"  # the build under test

# The upper layer is a tmpfs, since overlayfs takes no overlay for one. cgroup2 alone is mounted: where the machine has
# the controllers in hierarchies of the first version, limits such as MemoryMax= have no effect, and all else has.
_BOOT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup 2>/dev/null || { mount -t tmpfs tmpfs sys/fs/cgroup; mount -t cgroup2 cgroup2 sys/fs/cgroup; }
mount -t tmpfs -o mode=0755 tmpfs dev
for node in null zero full random urandom tty; do
  touch "dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/shm dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir -p opt/lsmtpd
mount --bind "$2" opt/lsmtpd
rm -rf etc/systemd/system
mkdir -p etc/systemd/system etc/lsmtpd
printf '[Unit]\nDescription=for a test\n' >etc/systemd/system/test.target
ip link set lo up
# Not a mere chroot, in which there are no user namespaces.
mkdir -p oldroot
pivot_root . oldroot
# Mounts of credentials are made in a namespace of their own, and must show in this one.
exec chroot . /bin/sh -c 'umount -l /oldroot && mount --make-rshared / && exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --unit=test.target --log-target=console --log-level=info --show-status=no'
"""


def why_not():
    """Why there can be none here; empty: there can."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("/lib/systemd/systemd", shutil.which("nsenter"), shutil.which("unshare"), shutil.which("ip")):
        if not program or not os.path.exists(program):
            return "systemd, util-linux or iproute2 is missing"
    with open("/proc/filesystems") as known:
        if "overlay" not in known.read():
            return "the kernel has no overlayfs"
    tried = subprocess.run(["unshare", "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net", "--fork", "true"],
                           capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"no namespaces: {tried.stderr.strip()}"


class Machine:
    """Order of calls: start(); run(), write() and systemctl() at will; end()."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.log = self.folder / "systemd.log"

    def start(self):
        mount = self.folder / "machine"
        mount.mkdir()
        self.process = Process(["unshare", "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net", "--fork",
                                "--kill-child", "bash", "-c", _BOOT, "bash", mount, BUILD], self.log)
        self.pid = wait_until(self._systemd, 30, lambda: f"systemd to begin; {self.process.tail()}")
        wait_until(lambda: self.systemctl("is-active", "test.target", check=False).returncode == 0, 60,
                   lambda: f"systemd to boot; {self.process.tail()}")
        return self

    def _systemd(self):
        if not self.process.running():
            raise Timeout(f"it ended with {self.process.returncode}: {self.process.tail()}")
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if children and pathlib.Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd":
            return int(children[0])
        return None

    def end(self):
        self.process.kill()

    def path(self, name):
        """Of a file inside, as seen from outside."""
        return pathlib.Path(f"/proc/{self.pid}/root") / str(name).lstrip("/")

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def run(self, *argv, check=True, input=None, timeout=60):
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w",
                               *map(str, argv)], capture_output=True, text=True, input=input, timeout=timeout,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
        assert not check or done.returncode == 0, \
            f"{argv} ended with {done.returncode}: {done}\n{self.unit_log()[-3000:]}\n{self.process.tail(60)}"
        return done

    def systemctl(self, *argv, check=True, timeout=60):
        return self.run("systemctl", "--no-pager", *argv, check=check, timeout=timeout)

    def show(self, unit, name):
        return self.systemctl("show", "--value", f"--property={name}", unit).stdout.strip()

    def python(self, text, *argv, timeout=60):
        """What a program prints that runs inside."""
        return self.run("/usr/bin/python3", "-c", text, *argv, timeout=timeout).stdout

    def install(self, configuration):
        """The package's files, for the build under test, and a configuration."""
        source = ROOT / "contrib/systemd"
        unit = (source / "lsmtpd.service").read_text()
        self.write("/etc/systemd/system/lsmtpd.service", unit.replace("/usr/bin/lsmtpd", PROGRAM))
        self.write("/usr/lib/sysusers.d/lsmtpd.conf", (source / "lsmtpd.sysusers").read_text())
        self.write("/usr/lib/tmpfiles.d/lsmtpd.conf", (source / "lsmtpd.tmpfiles").read_text())
        self.run("systemd-sysusers", "/usr/lib/sysusers.d/lsmtpd.conf")
        self.run("systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/lsmtpd.conf")
        self.write("/etc/lsmtpd/lsmtpd.toml", configuration)
        # No journal runs here.
        self.drop_in("log", "[Service]\nStandardOutput=append:/run/unit.log\nStandardError=append:/run/unit.log\n")

    def unit_log(self):
        """What the daemon wrote to standard output and error."""
        log = self.path("/run/unit.log")
        return log.read_text(errors="replace") if log.exists() else ""

    def drop_in(self, name, text):
        self.write(f"/etc/systemd/system/lsmtpd.service.d/{name}.conf", text)
        self.systemctl("daemon-reload")
