# SPDX-License-Identifier: Apache-2.0
"""`contrib/dev test cluster`, and the short run in `contrib/dev test`: replicas behind a balancer into a broker cluster, on hosts
in network namespaces."""
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))
pytest.register_assert_rewrite("bed", "changes", "faults", "offered", "replicas", "support")
from bed import Bed  # noqa: E402
from hosts import network as make_network  # noqa: E402
from support.faults import own_mounts  # noqa: E402
from support.session import authority, pytest_sessionfinish, pytest_terminal_summary, running  # noqa: E402, F401


def pytest_sessionstart():
    own_mounts()
    make_network()


@pytest.fixture(scope="session")
def network():
    made, why = make_network()
    if made is None:
        pytest.skip(why)
    return made


@pytest.fixture(scope="module")
def rabbitmq(network, authority, tmp_path_factory):
    from rabbit import RabbitCluster
    yield from running(RabbitCluster(network, tmp_path_factory.mktemp("rabbitmq"), authority))


@pytest.fixture(scope="module")
def artemis_shared(network, authority, tmp_path_factory):
    from pair import Pair
    yield from running(Pair(network, tmp_path_factory.mktemp("shared"), authority, shared=True))


@pytest.fixture(scope="module")
def artemis_replicated(network, authority, tmp_path_factory):
    from pair import Pair
    yield from running(Pair(network, tmp_path_factory.mktemp("replicated"), authority, shared=False))


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
