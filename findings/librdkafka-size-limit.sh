#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# librdkafka's message.max.bytes of 1,000,000 takes a value of at most 999,964 octets.
#
# Library:  librdkafka 2.16.0 in confluent-kafka 2.16.1, with the mock broker that is built into it
# Expected: message.max.bytes is the largest message: a value of 1,000,000 octets is sent. And the limit
#           protects the broker, so it is applied to what goes out: zeros with gzip pass easily.
# Happens:  produce() refuses with MSG_SIZE_TOO_LARGE when key, value and headers leave less than 36 octets
#           below the limit, the room for framing. The check is made before compression, so a value that
#           would be sent as a few thousand octets is refused.
# Seen:
#   value 999964: delivered
#   value 999965: MSG_SIZE_TOO_LARGE
#   value 999900, key 64: delivered
#   value 999900, key 65: MSG_SIZE_TOO_LARGE
#   value 999000, header 900: delivered
#   value 999000, header 1000: MSG_SIZE_TOO_LARGE
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv venv && timeout 300 venv/bin/pip install -q confluent-kafka==2.16.1; } ||
    { echo "cannot be run here: pip install failed" >&2; exit 2; }
timeout 60 venv/bin/python - <<'EOF'
import sys
from confluent_kafka import KafkaException, Producer, libversion

print("librdkafka", libversion()[0])
producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "message.max.bytes": 1000000,
                     "compression.type": "gzip", "message.timeout.ms": 20000, "log_level": 3})
results = {}


def send(value, key=0, headers=0):
    name = f"value {value}" + (f", key {key}" if key else "") + (f", header {headers}" if headers else "")

    def report(error, _):
        results[name] = error.name() if error else "delivered"

    try:
        producer.produce("mail", value=bytes(value), key=bytes(key) or None,
                         headers={"h": bytes(headers)} if headers else None, on_delivery=report)
        producer.flush(30)
    except KafkaException as error:
        results[name] = error.args[0].name()
    print(f"{name}: {results.get(name)}")


send(999964)
send(999965)
send(999900, 64)
send(999900, 65)
send(999000, 0, 900)
send(999000, 0, 1000)
if list(results.values()) != ["delivered", "MSG_SIZE_TOO_LARGE"] * 3:
    sys.exit(f"the behaviour has changed: {results}")
EOF
