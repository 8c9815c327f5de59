#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# librdkafka before 2.6.1 cannot log in with SCRAM to current Kafka: right passwords are refused as wrong.
#
# Library:  librdkafka 2.6.0 and 2.6.1 in confluent-kafka of the same versions; broker Apache Kafka 4.1.1
# Expected: a user and a password that a later client logs in with are right for an earlier one too. RFC 5802
#           has not changed, and PLAIN with the same user works.
# Happens:  "invalid credentials". The last message of these clients repeats the client's nonce in front of
#           the server's, which has it already. Brokers compared no nonces until 3.7.2, 3.8.1 and 3.9.0, so it
#           was not seen. Debian 12 has 2.0.2.
# Seen:
#   PLAIN, librdkafka 2.6.0: logged in
#   SCRAM-SHA-256, librdkafka 2.6.0: refused, invalid credentials
#   SCRAM-SHA-256, librdkafka 2.6.1: logged in
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only. Needs Java 17 and Maven.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
broker=
trap '[ -z "$broker" ] || kill -9 "$broker" 2>/dev/null || true; rm -rf "$tmp"' EXIT
cd "$tmp"
if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then unable "no java or mvn"; fi
for version in 2.6.0 2.6.1; do
    { python3 -m venv "v$version" && timeout 300 "v$version/bin/pip" install -q "confluent-kafka==$version"; } ||
        unable "pip install failed"
done
cat >pom.xml <<'EOF2'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>local</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.1.1</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
EOF2
timeout 300 mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory=libs \
    -DincludeScope=runtime </dev/null >maven.log 2>&1 || unable "Maven failed: $(tail -n 3 maven.log)"
read -r port control < <(python3 -c 'import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in held))')
cat >server.properties <<EOF2
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$control
listeners=LOGIN://127.0.0.1:$port,CTRL://127.0.0.1:$control
advertised.listeners=LOGIN://127.0.0.1:$port
controller.listener.names=CTRL
inter.broker.listener.name=LOGIN
listener.security.protocol.map=LOGIN:SASL_PLAINTEXT,CTRL:PLAINTEXT
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.login.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="joe" password="right" user_joe="right";
listener.name.login.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs=$tmp/data
offsets.topic.replication.factor=1
EOF2
timeout 60 java -cp 'libs/*' kafka.tools.StorageTool format --config server.properties --cluster-id MkU3OEVBNTcwNTJENDM2Qg \
    --add-scram 'SCRAM-SHA-256=[name=joe,password=right]' >format.log 2>&1 || unable "format failed: $(tail -n 3 format.log)"
java -Xmx320m -cp 'libs/*' kafka.Kafka server.properties >broker.log 2>&1 &
broker=$!
cat >login.py <<'EOF2'
import sys
from confluent_kafka import KafkaException, libversion
from confluent_kafka.admin import AdminClient

said = []
client = AdminClient({"bootstrap.servers": f"127.0.0.1:{sys.argv[2]}", "security.protocol": "SASL_PLAINTEXT",
                      "sasl.mechanisms": sys.argv[1], "sasl.username": "joe", "sasl.password": "right",
                      "error_cb": lambda error: said.append(str(error))})
try:
    client.list_topics(timeout=float(sys.argv[3]))
    result = "logged in"
except KafkaException:
    client.poll(1)
    result = "refused, invalid credentials" if any("invalid credentials" in each for each in said) else f"failed: {said}"
print(f"{sys.argv[1]}, librdkafka {libversion()[0]}: {result}")
EOF2
{
    timeout 90 v2.6.0/bin/python login.py PLAIN "$port" 60
    timeout 60 v2.6.0/bin/python login.py SCRAM-SHA-256 "$port" 8
    timeout 60 v2.6.1/bin/python login.py SCRAM-SHA-256 "$port" 20
} 2>/dev/null | tee seen
cat >expected <<'EOF2'
PLAIN, librdkafka 2.6.0: logged in
SCRAM-SHA-256, librdkafka 2.6.0: refused, invalid credentials
SCRAM-SHA-256, librdkafka 2.6.1: logged in
EOF2
cmp -s seen expected || { echo "the behaviour has changed" >&2; exit 1; }
