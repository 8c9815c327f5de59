# SPDX-License-Identifier: Apache-2.0
"""`contrib/dev test packages`. Nothing here installs a package on the machine itself."""
import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))
from building import RELEASES, Tree, built, copied, put_packages  # noqa: E402
from machine import Machine, missing_for_a_machine  # noqa: E402
import standin  # noqa: E402


@pytest.fixture(autouse=True, scope="session")
def rights():
    """Folders with Debian are made and entered by root."""
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip("needs root and debootstrap")


@pytest.fixture(params=RELEASES, scope="session")
def release(request):
    return request.param


@pytest.fixture(scope="session")
def prepared(release, tmp_path_factory):
    """A Debian with systemd, a broker, LSMTPD's stand-in in a file, and the packages of this commit with all that they need
    in apt's cache, since a started machine has no network."""
    reason = missing_for_a_machine()
    if reason:
        pytest.skip(f"a Debian cannot be started here: {reason}")
    with Tree(release=release) as tree:
        folder = put_packages(tree, release)
        shutil.copy(standin.make(tmp_path_factory.mktemp("standin")), tree.path / "packages")
        tree.run("apt-get -q update && apt-get -q install -y --no-install-recommends systemd systemd-sysv dbus debconf python3 "
                 "python3-pika rabbitmq-server logrotate", quiet=True)
        tree.run(f"apt-get -q install -y --no-install-recommends --download-only {folder}/lsmtpd_2*.deb "
                 f"{folder}/lsmtpd-output-amqp_*.deb {folder}/lsmtpd-output-kafka_*.deb {folder}/lsmtpd-filter-http_*.deb "
                 f"{folder}/lsmtpd-output-nats_*.deb",
                 quiet=True)
        # Started by the tests that use it.
        tree.run("systemctl disable rabbitmq-server epmd.socket epmd.service", check=False, quiet=True)
        yield tree


@pytest.fixture
def machine(prepared):
    with copied(prepared.path) as tree, Machine(tree) as started:
        yield started


@pytest.fixture(scope="session")
def package_folder(release):
    return built(release)
