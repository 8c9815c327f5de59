// SPDX-License-Identifier: Apache-2.0
// The keys that may stand under `options`, in the order `lsmtpd plugins` shows them. docs/kafka.md
// says more of each.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <sink/claim_options.hpp>

namespace lsmtpd::kafka {

namespace option = sdk::option;

inline constexpr lsmtpd_option kOptions[] = {
    option::required(
        option::list("brokers", nullptr,
                     "host:9092 of brokers that the cluster is found by; one is enough "
                     "while it answers")),
    option::required(
        option::string("topic", nullptr, "topic; may hold {rcpt_domain}, {listener} and the like")),
    option::string("key", nullptr,
                   "key of the records: {rcpt}, {rcpt_domain}, {sender_domain}; unset: none"),
    option::one_of("split", "none recipient", "none", "recipient: one record for each recipient"),
    option::one_of("format", "json raw", "json",
                   "json: LSMTPD's JSON; raw: the bytes as they came"),
    option::size("property_limit", "4KiB",
                 "longest smtp_rcpt_to, and annotations together; more is left to the body", 256,
                 49152),
    option::boolean("extra", "true", "JSON keys beside LSMTPD's own six"),
    sink::kClaimOption,
    option::boolean("tls", "false", "speak TLS to the brokers"),
    option::make(LSMTPD_TYPE_ENUM, "sasl", nullptr,
                 "mechanism, where there is a username; unset: PLAIN", 0, 0,
                 "PLAIN SCRAM-SHA-256 SCRAM-SHA-512"),
    option::string("username", nullptr, "user; unset: no SASL"),
    option::secret("password", nullptr, "password"),
    option::path("password_file", nullptr,
                 "file with the password; read again when the brokers refuse it"),
    option::path("tls_ca", nullptr, "trusted certificates, file or directory; unset: the system's"),
    option::path("tls_certificate", nullptr, "client certificate, PEM"),
    option::path("tls_key", nullptr, "its private key, PEM"),
    option::secret("tls_key_password", nullptr, "password of the private key"),
    option::one_of("tls_verify", "name certificate none", "name",
                   "what is checked of the brokers' certificates"),
    option::boolean("allow_lossy_target", "false",
                    "publish to a topic that may lose what it acknowledged"),
    option::duration("connect_timeout", "10s",
                     "for one connection: TCP, TLS and SASL; and for one question", 1000, 600000),
    option::duration("reconnect_first", "200ms", "first pause after a broker failed; doubles", 1,
                     600000),
    option::duration("reconnect_last", "10s", "longest pause", 1, 3600000),
    option::duration("stall", "30s",
                     "a request without an answer for this long is sent again; without any answer "
                     "this long past a deadline the producer is replaced",
                     1000, 300000),
    option::integer("in_flight", "1000", "unacknowledged messages a worker; at least 100", 1,
                    100000),
    option::size("in_flight_bytes", "64MiB",
                 "bytes of unacknowledged messages a worker; one message always fits", 1),
    option::integer("queue", "10000", "messages a worker that wait for the brokers", 1, 1000000),
    option::integer("topics", "32", "topics in use at once a worker", 1, 1000),
};

}  // namespace lsmtpd::kafka
