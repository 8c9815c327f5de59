# SPDX-License-Identifier: Apache-2.0
"""`contrib/dev test cluster`, and the short run in `contrib/dev test`: replicas behind a balancer into a broker cluster, on hosts
in network namespaces."""
import os
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))
pytest.register_assert_rewrite("bed", "changes", "faults", "replicas", "support")
from bed import Bed  # noqa: E402
from hosts import network as make_network  # noqa: E402
from support import report  # noqa: E402
from support.brokers import Unavailable  # noqa: E402
from support.faults import own_mounts  # noqa: E402

SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def pytest_sessionstart():
    own_mounts()
    make_network()


@pytest.fixture(scope="session")
def network():
    made, why = make_network()
    if made is None:
        pytest.skip(why)
    return made


@pytest.fixture(scope="session")
def authority(network, tmp_path_factory):
    if os.environ.get("LSMTPD_NO_BROKERS"):
        pytest.skip("message brokers are switched off (--no-brokers)")
    from support.tls import Authority
    return Authority(tmp_path_factory.mktemp("tls"))


def _brokers(made):
    try:
        try:
            made.start()
        except Unavailable as reason:
            if os.environ.get("CI"):
                pytest.fail(str(reason))
            pytest.skip(str(reason))
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def rabbitmq(network, authority, tmp_path_factory):
    from rabbit import RabbitCluster
    yield from _brokers(RabbitCluster(network, tmp_path_factory.mktemp("rabbitmq"), authority))


@pytest.fixture(scope="module")
def artemis_shared(network, authority, tmp_path_factory):
    from pair import Pair
    yield from _brokers(Pair(network, tmp_path_factory.mktemp("shared"), authority, shared=True))


@pytest.fixture(scope="module")
def artemis_replicated(network, authority, tmp_path_factory):
    from pair import Pair
    yield from _brokers(Pair(network, tmp_path_factory.mktemp("replicated"), authority, shared=False))


@pytest.fixture
def bed_of(network, request, tmp_path):
    """bed_of(brokers, output) -> a Bed with a queue of the test's own, and no replicas yet."""
    made = []

    def make(brokers, output):
        queue = re.sub(r"\W+", "-", request.node.name)[:60].strip("-")
        brokers.start()
        brokers.create_queue(queue)
        made.append(Bed(network, brokers, output, queue, tmp_path))
        return made[-1]

    yield make
    for each in made:
        each.close()
        each.brokers.start()
        each.brokers.delete_queue(each.queue)


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter and not reporter.stats.get("passed"):
        session.exitstatus = SKIPPED


def pytest_terminal_summary(terminalreporter):
    report.finish(terminalreporter)
