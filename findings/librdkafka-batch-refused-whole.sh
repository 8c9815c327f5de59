#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Kafka refuses a batch of small messages as too large, and librdkafka reports that for each of them.
#
# Library:  librdkafka 2.16.0 in confluent-kafka 2.16.1 (2.0.2 of Debian 12 does the same), Apache Kafka 4.1.1
# Expected: a topic whose max.message.bytes is 20,000 takes messages of 1,000 octets. MSG_SIZE_TOO_LARGE says that
#           the message is too large, so that an application may drop it or refuse it for good. A producer that
#           gets it for a batch of several messages splits the batch, as the Java client does.
# Happens:  batch.size is 1,000,000 by default, whatever the topic takes, and Kafka compares the whole batch with
#           max.message.bytes. Each of the 100 messages is reported as MSG_SIZE_TOO_LARGE, without another try;
#           sent one by one, or in smaller batches, all are taken.
# Seen:
#   100 messages of 1000 octets, batch.size default: 100 MSG_SIZE_TOO_LARGE
#   100 messages of 1000 octets, batch.size 20000: 100 delivered
#   100 messages of 1000 octets, one at a time: 100 delivered
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
# Needs a JDK or JRE of version 17 or later, Maven and Python.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill -9 "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi; rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 300 venv/bin/pip install -q confluent-kafka==2.16.1; } || unable "pip install failed"
cat > pom.xml <<'EOF'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.example</groupId>
  <artifactId>finding</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>4.1.1</version>
    </dependency>
  </dependencies>
</project>
EOF
timeout 500 mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=lib >/dev/null 2>&1 ||
    unable "mvn failed"
read -r port controller < <(python3 - <<'EOF'
import socket
sockets = [socket.socket() for _ in range(2)]
for each in sockets:
    each.bind(("127.0.0.1", 0))
print(*[each.getsockname()[1] for each in sockets])
EOF
)
cat > kafka.properties <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CTRL
inter.broker.listener.name=OPEN
listeners=OPEN://127.0.0.1:$port,CTRL://127.0.0.1:$controller
listener.security.protocol.map=OPEN:PLAINTEXT,CTRL:PLAINTEXT
log.dirs=$tmp/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
EOF
timeout 60 java -cp "lib/*" kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAA -c kafka.properties >/dev/null 2>&1 ||
    unable "Kafka cannot make its storage"
java -Xmx512m -cp "lib/*" kafka.Kafka kafka.properties >kafka.log 2>&1 &
server=$!
timeout 200 venv/bin/python - "127.0.0.1:$port" <<'EOF'
import collections, sys, time
from confluent_kafka import KafkaException, Producer, libversion
from confluent_kafka.admin import AdminClient, NewTopic

print("librdkafka", libversion()[0])
common = {"bootstrap.servers": sys.argv[1], "log_level": 0}
admin = AdminClient(common)
deadline = time.monotonic() + 90
while True:
    try:
        if admin.list_topics(timeout=5).brokers:
            break
    except KafkaException:
        if time.monotonic() > deadline:
            print("cannot be run here: Kafka does not start", file=sys.stderr)
            sys.exit(2)
topic = NewTopic("small", 1, 1, config={"max.message.bytes": "20000"})
for future in admin.create_topics([topic]).values():
    future.result(30)


def send(name, each=False, **options):
    """100 messages that wait for each other for 200 ms, or one at a time."""
    producer = Producer({**common, "linger.ms": 200, "enable.idempotence": True, **options})
    results = collections.Counter()
    for _ in range(100):
        producer.produce("small", bytes(1000),
                         on_delivery=lambda error, _: results.update([error.name() if error else "delivered"]))
        if each:
            producer.flush(30)
    producer.flush(60)
    print(f"100 messages of 1000 octets, {name}:", ", ".join(f"{count} {what}" for what, count in results.items()))
    return dict(results)


found = [send("batch.size default"), send("batch.size 20000", **{"batch.size": 20000}),
         send("one at a time", each=True, **{"linger.ms": 0})]
if found != [{"MSG_SIZE_TOO_LARGE": 100}, {"delivered": 100}, {"delivered": 100}]:
    sys.exit(f"the behaviour has changed: {found}")
EOF
