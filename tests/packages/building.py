# SPDX-License-Identifier: Apache-2.0
"""Packages of HEAD, built on a clean Debian with the build dependencies of debian/control. Kept in build-package/tests of
this checkout by commit: a second run of the tests builds nothing."""
import contextlib
import hashlib
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "contrib/container"))
from bare import Tree  # noqa: E402

KEPT = ROOT / "build-package/tests"
RELEASES = ("bookworm", "trixie")


def head():
    return subprocess.run(["git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "rev-parse", "HEAD"], check=True,
                          capture_output=True, text=True).stdout.strip()


def put_source(tree, folder):
    """The source tree for dpkg-buildpackage in a folder of the Debian."""
    path = tree.path / folder.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([ROOT / "contrib/dev", "package", "--source", path], check=True, stdin=subprocess.DEVNULL)


def install_build_dependencies(tree, folder, options=""):
    tree.run(f"apt-get -q update && apt-get -q build-dep -y --no-install-recommends {options} ./", folder=folder, quiet=True)


def build(tree, folder, user="root", options="", environment=(), before=""):
    """Runs dpkg-buildpackage and returns the seconds. The packages are in the folder above."""
    start = time.monotonic()
    tree.run(f"{before} dpkg-buildpackage -us -uc {options}", folder=folder, user=user, quiet=True, environment=environment)
    return time.monotonic() - start


def packages(folder):
    """{file name: path} of packages and of the source package."""
    return {path.name: path for pattern in ("*.deb", "*.tar.xz") for path in sorted(folder.glob(pattern))}


def digests(folder):
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in packages(folder).items()}


def build_in_clean_debian(tree):
    """As a user, in a short path."""
    put_source(tree, "/build/source")
    tree.run("useradd --create-home builder && chown -R builder: /build")
    start = time.monotonic()
    install_build_dependencies(tree, "/build/source")
    installing = time.monotonic() - start
    return installing, build(tree, "/build/source", user="builder")


def built(release):
    """The folder with the packages of this commit for a release, and `figures`."""
    folder = KEPT / f"{head()}-{release}"
    if not folder.is_dir():
        for old in KEPT.glob(f"*-{release}"):
            shutil.rmtree(old)
        with Tree(release=release) as tree:
            installing, building = build_in_clean_debian(tree)
            keep(tree, "build", folder, f"build dependencies {installing / 60:.1f} min, build {building / 60:.1f} min\n")
    return folder


def keep(tree, folder, target, figures):
    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for pattern in ("*.deb", "*.dsc", "*.tar.xz", "*.changes", "*.buildinfo"):
        for file in (tree.path / folder).glob(pattern):
            shutil.copy(file, part)
    (part / "figures").write_text(figures)
    part.rename(target)


@contextlib.contextmanager
def copied(tree_path):
    """A Tree that begins as the Debian in a folder and leaves that as it is: a layer over it."""
    tree = Tree()
    with tempfile.TemporaryDirectory(prefix="lsmtpd-layer-", dir=tree_path.parent) as layer:
        for name in ("upper", "work", "tree"):
            pathlib.Path(layer, name).mkdir()
        tree.path = pathlib.Path(layer, "tree")
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir={tree_path},upperdir={layer}/upper,workdir={layer}/work", tree.path], check=True)
        try:
            yield tree
        finally:
            subprocess.run(["umount", tree.path], check=True)


def put_packages(tree, release, where="packages"):
    """Copies the binary packages into the Debian; returns the folder there."""
    target = tree.path / where
    target.mkdir(exist_ok=True)
    for path in built(release).glob("*.deb"):
        shutil.copy(path, target)
    return f"/{where}"
