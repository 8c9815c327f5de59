#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# librdkafka tells one fatal error by two codes: a callback gets RD_KAFKA_RESP_ERR__FATAL, an event the cause.
#
# Library:  librdkafka 2.11.1 in confluent-kafka of the same version, by its C functions
# Expected: code that looks for RD_KAFKA_RESP_ERR__FATAL, as the header says of error_cb, works for applications
#           that take events in place of callbacks too.
# Happens:  rd_kafka_event_error() gives the code of the cause, here OUT_OF_ORDER_SEQUENCE_NUMBER, which is no fatal
#           error elsewhere. Only rd_kafka_event_error_is_fatal() tells it. A producer that had one takes nothing
#           more, so an application that misses it sends nothing until it ends.
# Seen:
#   error_cb: _FATAL
#   event:    OUT_OF_ORDER_SEQUENCE_NUMBER, is_fatal 1
#   rd_kafka_fatal_error(): OUT_OF_ORDER_SEQUENCE_NUMBER
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Nothing listens and nothing is connected.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
{ python3 -m venv env && timeout 300 env/bin/pip install -q confluent-kafka==2.11.1; } || unable "pip install failed"

cat >fatal.py <<'EOF2'
import ctypes as c, glob, sys
(library,) = glob.glob(f"{sys.argv[1]}/lib/python3*/site-packages/confluent_kafka.libs/librdkafka-*.so*")
k = c.CDLL(library)
for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_queue_get_main", "rd_kafka_queue_poll"):
    getattr(k, name).restype = c.c_void_p
k.rd_kafka_err2name.restype = c.c_char_p
PRODUCER, EVENT_ERROR = 0, 0x8
OUT_OF_ORDER_SEQUENCE_NUMBER = 45
CALLBACK = c.CFUNCTYPE(None, c.c_void_p, c.c_int, c.c_char_p, c.c_void_p)
told = []
callback = CALLBACK(lambda rk, code, reason, opaque: told.append(code))

def name(code):
    return k.rd_kafka_err2name(code).decode()

def producer(configure):
    conf, error = c.c_void_p(k.rd_kafka_conf_new()), c.create_string_buffer(512)
    for key, value in ((b"enable.idempotence", b"true"), (b"log_level", b"0")):
        assert k.rd_kafka_conf_set(conf, key, value, error, 512) == 0, error.value
    configure(conf)
    made = c.c_void_p(k.rd_kafka_new(PRODUCER, conf, error, 512))
    assert made, error.value
    assert k.rd_kafka_test_fatal_error(made, OUT_OF_ORDER_SEQUENCE_NUMBER, b"for the test") == 0
    return made

first = producer(lambda conf: k.rd_kafka_conf_set_error_cb(conf, callback))
k.rd_kafka_poll(first, 2000)
print("error_cb:", name(told[0]))

second = producer(lambda conf: k.rd_kafka_conf_set_events(conf, EVENT_ERROR))
queue = c.c_void_p(k.rd_kafka_queue_get_main(second))
event = c.c_void_p(k.rd_kafka_queue_poll(queue, 2000))
print(f"event:    {name(k.rd_kafka_event_error(event))}, is_fatal {k.rd_kafka_event_error_is_fatal(event)}")
text = c.create_string_buffer(512)
print("rd_kafka_fatal_error():", name(k.rd_kafka_fatal_error(second, text, 512)))
EOF2
timeout 60 env/bin/python fatal.py "$tmp/env" >seen 2>errors || unable "$(tail -n 3 errors)"
cat seen
diff - seen <<'EOF2' || exit 1
error_cb: _FATAL
event:    OUT_OF_ORDER_SEQUENCE_NUMBER, is_fatal 1
rd_kafka_fatal_error(): OUT_OF_ORDER_SEQUENCE_NUMBER
EOF2
