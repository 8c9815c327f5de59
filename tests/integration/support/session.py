# SPDX-License-Identifier: Apache-2.0
"""The parts that the conftest.py of integration and that of cluster share: they import the fixture and the hooks."""
import os

import pytest

from . import report
from .brokers import Unavailable

SKIPPED = 77  # ctest's SKIP_RETURN_CODE


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """Certificates for brokers and their clients; keytool, which makes them, comes with the brokers."""
    if os.environ.get("LSMTPD_NO_BROKERS"):
        pytest.skip("message brokers are switched off (--no-brokers)")
    from .tls import Authority
    return Authority(tmp_path_factory.mktemp("tls"))


def running(brokers):
    """The body of a fixture that starts a broker or a cluster, and ends it. One that cannot be had skips its tests; in CI it
    fails them."""
    try:
        try:
            brokers.start()
        except Unavailable as reason:
            if os.environ.get("CI"):
                pytest.fail(str(reason))
            pytest.skip(str(reason))
        yield brokers
    finally:
        brokers.end()


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter and not reporter.stats.get("passed"):
        session.exitstatus = SKIPPED


def pytest_terminal_summary(terminalreporter):
    report.finish(terminalreporter)
