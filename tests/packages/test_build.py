# SPDX-License-Identifier: Apache-2.0
"""The packages as they are built: on clean Debians, twice alike, for another architecture, by lintian's rules."""
import shutil
import subprocess

from building import ROOT, Tree, build, built, digests, install_build_dependencies, packages, put_packages, put_source


def test_a_clean_debian_builds_them_with_the_packages_of_debian_control(release, package_folder):
    print(release, (package_folder / "figures").read_text())
    names = {name.split("_")[0] for name in packages(package_folder) if name.endswith(".deb")}
    assert {"lsmtpd", "lsmtpd-dev", "lsmtpd-output-amqp", "lsmtpd-output-kafka", "lsmtpd-output-nats", "lsmtpd-filter-http"} <= names


def test_lintian_finds_no_error_and_warning(release, package_folder):
    with Tree(release=release) as tree:
        shutil.copytree(package_folder, tree.path / "built")
        tree.run("apt-get -q update && apt-get -q install -y --no-install-recommends lintian", quiet=True)
        done = subprocess.run(tree.argv("lintian --fail-on error,warning /built/*.changes"), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_plugin_is_built_with_lsmtpd_dev_and_loaded(release):
    with Tree(release=release) as tree:
        folder = put_packages(tree, release)
        tree.run("apt-get -q update && apt-get -q install -y --no-install-recommends gcc libc6-dev cmake make pkgconf "
                 f"{folder}/lsmtpd_2*.deb {folder}/lsmtpd-dev_*.deb", quiet=True)
        tree.run("cp -r /usr/share/doc/lsmtpd-dev/examples/output_c /root && cmake -S /root/output_c -B /root/built >/dev/null && "
                 "cmake --build /root/built >/dev/null && cmake --install /root/built >/dev/null && lsmtpd plugins output_c && "
                 "pkgconf --cflags lsmtpd", quiet=True)


def test_another_path_time_user_umask_zone_and_host_give_the_same_bytes():
    """In Debian 12: the compilers and libraries of the two builds are the same there as long as its packages are."""
    with Tree(release="bookworm") as tree:
        where = "/srv/another-place/with/a/longer/name/source"  # the last part is in the source package
        put_source(tree, where)
        install_build_dependencies(tree, where)
        tree.run("apt-get -q install -y --no-install-recommends faketime", quiet=True)
        build(tree, where, before="umask 077; unshare --uts sh -c 'hostname elsewhere; exec \"$@\"' sh faketime -f +400d",
              environment=("TZ=Asia/Tokyo", "LC_ALL=C", "NO_FAKE_STAT=1", "DEB_BUILD_OPTIONS=parallel=3"))
        again = digests((tree.path / where.lstrip("/")).parent)
    first = digests(built("bookworm"))
    assert first == again


def test_arm64_is_cross_built_and_takes_a_mail_in_an_emulator():
    with Tree(release="bookworm") as tree:
        put_source(tree, "/build/source")
        tree.run("dpkg --add-architecture arm64 && apt-get -q update && apt-get -q install -y --no-install-recommends "
                 "crossbuild-essential-arm64 qemu-user-static python3", quiet=True)
        install_build_dependencies(tree, "/build/source", "-a arm64 -P cross,nocheck")
        seconds = build(tree, "/build/source", options="--host-arch=arm64 --build-profiles=cross,nocheck -b")
        print(f"arm64: {seconds / 60:.1f} min")
        tree.run("apt-get -q install -y --no-install-recommends /build/lsmtpd_*_arm64.deb", quiet=True)
        emulated = "/usr/bin/qemu-aarch64-static /usr/bin/lsmtpd"
        version = subprocess.run(tree.argv(f"{emulated} --version"), capture_output=True, text=True, check=True).stdout
        assert version.startswith("lsmtpd 2."), version
        tree.run(f"{emulated} check --user lsmtpd --config /etc/lsmtpd/lsmtpd.toml")
        shutil.copy(ROOT / "tests/packages/emulated_mail.py", tree.path / "root")
        tree.run(f"python3 /root/emulated_mail.py {emulated}")
