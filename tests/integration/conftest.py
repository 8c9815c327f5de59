# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the black-box tests: the daemon, and the message brokers (each started when a test
first asks for it, once a session)."""
import os
import re

import pytest

from support.daemon import BINARY, Daemon
from support.faults import own_mounts
from support.session import authority, pytest_sessionfinish, pytest_terminal_summary, running  # noqa: F401


@pytest.fixture
def daemon(tmp_path):
    """daemon(changes) -> a started Daemon; changes are laid over the default configuration.

    daemon(changes, started=False) only writes the configuration."""
    if not BINARY.exists():
        pytest.fail(f"no {BINARY}: build it, or set LSMTPD_BUILD")
    made = []

    def make(changes=None, started=True, **options):
        folder = tmp_path / f"daemon{len(made) or ''}"
        made.append(Daemon(folder, changes or {}, **options))
        return made[-1].start() if started else made[-1]

    yield make
    for each in made:
        each.check_clean()


def _broker(kind, authority, tmp_path_factory):
    yield from running(kind(tmp_path_factory.mktemp(kind.name), authority))


@pytest.fixture(scope="session")
def artemis(authority, tmp_path_factory):
    from support.artemis import Artemis
    yield from _broker(Artemis, authority, tmp_path_factory)


@pytest.fixture(scope="session")
def brokerj(authority, tmp_path_factory):
    from support.brokerj import BrokerJ
    yield from _broker(BrokerJ, authority, tmp_path_factory)


@pytest.fixture(scope="session")
def rabbitmq3(authority, tmp_path_factory):
    from support.rabbitmq import RabbitMq3
    yield from _broker(RabbitMq3, authority, tmp_path_factory)


@pytest.fixture(scope="session")
def rabbitmq4(authority, tmp_path_factory):
    from support.rabbitmq import RabbitMq4
    yield from _broker(RabbitMq4, authority, tmp_path_factory)


@pytest.fixture(scope="session")
def nats(tmp_path_factory):
    from support.nats import SERVER, NatsServer
    if not os.path.exists(SERVER):
        if os.environ.get("CI"):
            pytest.fail("there is no nats-server")
        pytest.skip("there is no nats-server (Debian: nats-server)")
    login = {"user": "lsmtpd", "pass": "broker-secret"}
    server = NatsServer(tmp_path_factory.mktemp("nats"), 'authorization { user: "lsmtpd", password: "broker-secret" }', login)
    try:
        yield server.start()
    finally:
        server.end()


@pytest.fixture(scope="session")
def nats_cluster(tmp_path_factory):
    if not os.environ.get("LSMTPD_ALL_BROKERS"):
        pytest.skip("contrib/dev test brokers has the cluster")
    from support.nats import NatsCluster
    yield from _broker(NatsCluster, None, tmp_path_factory)


@pytest.fixture(scope="session")
def kafka(authority, tmp_path_factory):
    from support.kafka import Kafka
    yield from _broker(Kafka, authority, tmp_path_factory)


@pytest.fixture(scope="session")
def kafka_cluster(authority, tmp_path_factory):
    if not os.environ.get("LSMTPD_ALL_BROKERS"):
        pytest.skip("contrib/dev test brokers has the cluster")
    from support.kafka import KafkaCluster
    yield from _broker(KafkaCluster, authority, tmp_path_factory)


@pytest.fixture(scope="session")
def artemis_new(authority, tmp_path_factory):
    from support.artemis import NewArtemis
    yield from _broker(NewArtemis, authority, tmp_path_factory)


@pytest.fixture(scope="session")
def classic(authority, tmp_path_factory):
    from support.classic import Classic
    yield from _broker(Classic, authority, tmp_path_factory)


@pytest.fixture(scope="session")
def rabbitmq4_cluster(authority, tmp_path_factory):
    from support.rabbitmq import RabbitMq4Cluster
    yield from _broker(RabbitMq4Cluster, authority, tmp_path_factory)


# Of the others, `contrib/dev test brokers` has the tests too.
BROKERS = ["artemis", "brokerj", "rabbitmq3", "rabbitmq4",
           *(["artemis_new", "classic", "rabbitmq4_cluster"] if os.environ.get("LSMTPD_ALL_BROKERS") else [])]


@pytest.fixture(params=BROKERS)
def broker(request):
    """Each in turn, started again if the test before stopped it."""
    found = request.getfixturevalue(request.param)
    found.resume()
    return found.start()


@pytest.fixture
def queue(broker, request):
    """An empty queue of this test's own."""
    name = re.sub(r"\W+", "-", request.node.name)[:60].strip("-")
    broker.create_queue(name)
    broker.purge(name)
    yield name
    broker.resume()
    broker.start()
    broker.purge(name)


def pytest_sessionstart():
    own_mounts()
