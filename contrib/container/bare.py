# SPDX-License-Identifier: Apache-2.0
"""A bare Debian in a folder, made once for each release with debootstrap and unpacked anew for each use."""
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

CACHE = pathlib.Path(os.environ.get("LSMTPD_CACHE") or pathlib.Path(
    os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "lsmtpd")
RELEASES = ("bookworm", "trixie")  # Debian 12 and 13


def _base(release):
    """A tar of the release, made when it is first asked for."""
    base = CACHE / f"{release}-base.tar"
    if base.exists():
        return base
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as tree:
        subprocess.run(["debootstrap", "--variant=minbase", release, tree], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        part = base.with_suffix(".part")
        subprocess.run(["tar", "-C", tree, "-cf", part, "."], check=True)
        part.rename(base)
    return base


class Tree:
    """A fresh Debian in a folder of its own, gone at the end of the `with` block.

    Commands run in a mount namespace of their own: /proc and /dev are there while they run only."""

    def __init__(self, folder=None, release="bookworm"):
        self._folder = folder
        self._release = release

    def __enter__(self):
        base = _base(self._release)
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="lsmtpd-bare-", dir=self._folder))
        subprocess.run(["tar", "-C", self.path, "-xf", base], check=True)
        self.path.chmod(0o755)  # the base was made in a folder that only root could enter
        shutil.copy("/etc/resolv.conf", self.path / "etc/resolv.conf")
        (self.path / "etc/hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
        # The authorities that this machine trusts beside Debian's, or nothing can be downloaded.
        authorities = pathlib.Path("/usr/local/share/ca-certificates")
        if authorities.is_dir():
            shutil.copytree(authorities, self.path / "usr/local/share/ca-certificates",
                            dirs_exist_ok=True)
        policy = self.path / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def argv(self, command, user="root", folder="/", environment=()):
        """The argument list that runs a shell command inside."""
        # Bound onto itself, so that its root is a mount point, as the root of a real machine is.
        setup = ('mount --bind "$1" "$1"; mount --bind /proc "$1/proc"; mount --bind /dev "$1/dev"; '
                 '{ [ ! -d /dev/pts ] || mount --bind /dev/pts "$1/dev/pts"; }; '
                 'mount -t tmpfs tmpfs "$1/dev/shm" 2>/dev/null || true; '
                 'exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin '
                 'HOME="$5" USER="$2" LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "${@:6}" '
                 'chroot --userspec="$2" "$1" /bin/sh -c \'cd "$1" && eval "$2"\' sh "$3" "$4"')
        home = "/root" if user == "root" else f"/home/{user}"
        return ["unshare", "--mount", "--propagation", "private", "bash", "-ec", setup, "bash",
                str(self.path), user, folder, command, home, *environment]

    def run(self, command, check=True, **options):
        quiet = options.pop("quiet", False)
        done = subprocess.run(self.argv(command, **options), stdin=subprocess.DEVNULL,
                              **({"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
                                 if quiet else {}))
        if check and done.returncode:
            if quiet:
                print(done.stdout.decode(errors="replace")[-4000:])
            raise SystemExit(f"status {done.returncode} from: {command}")
        return done
