// SPDX-License-Identifier: Apache-2.0
// The keys that may stand under `options`, in the order `lsmtpd plugins` shows them.
// docs/amqp091.md says more of each.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <sink/claim_options.hpp>
#include <sink/dial_options.hpp>

namespace lsmtpd::amqp091 {

namespace option = sdk::option;

inline constexpr lsmtpd_option kOptions[] = {
    option::required(
        option::list("urls", nullptr,
                     "brokers, tried one after the other: amqp://host:5672, amqps://host:5671")),
    option::string("exchange", nullptr,
                   "exchange to publish to; empty: the queue that routing_key names"),
    option::string("routing_key", nullptr,
                   "routing key or queue; may hold {rcpt_domain}, {listener} and the like"),
    option::string("vhost", "/", "virtual host"),
    option::make(LSMTPD_TYPE_ENUM, "declare", nullptr,
                 "declare the queue, durable and of this type; unset: it must be there", 0, 0,
                 "quorum classic"),
    option::one_of("unroutable", "tempfail reject", "tempfail",
                   "verdict where the exchange has no queue for a routing key"),
    option::one_of("split", "none recipient", "none", "recipient: one copy for each recipient"),
    option::one_of("format", "json rfc822", "json",
                   "json: LSMTPD's JSON; rfc822: the bytes as they came"),
    option::make(LSMTPD_TYPE_ENUM, "message_id", nullptr,
                 "message: the id of the 250 for all copies; copy: the copy's own id; unset: copy "
                 "where messages are split",
                 0, 0, "message copy"),
    option::size("max_message", "16MiB", "largest message that the broker takes, announced as SIZE",
                 4096, 536870912),
    option::size("property_limit", "16KiB",
                 "longest smtp_rcpt_to; a longer one is left to the body", 1024, 49152),
    option::boolean("extra", "true", "JSON keys beside LSMTPD's own six"),
    sink::kClaimOption,
    option::string("username", nullptr, "user; unset: guest"),
    option::secret("password", nullptr, "password"),
    option::path("password_file", nullptr, "file with the password; read at each connection"),
    option::list(
        "sasl", nullptr,
        "mechanisms allowed: PLAIN, AMQPLAIN, EXTERNAL; unset: by username or certificate"),
    option::path("tls_ca", nullptr, "trusted certificates, file or directory; unset: the system's"),
    option::path("tls_certificate", nullptr, "client certificate, PEM"),
    option::path("tls_key", nullptr, "its private key, PEM"),
    option::secret("tls_key_password", nullptr, "password of the private key"),
    option::one_of("tls_verify", "name certificate none", "name",
                   "what is checked of the broker's certificate"),
    option::string("tls_name", nullptr,
                   "name expected in the certificate; unset: the host of the URL"),
    option::one_of("tls_min_version", "1.2 1.3", "1.2", "oldest TLS version allowed"),
    option::boolean("allow_lossy_target", "false",
                    "publish to a queue that is known to lose what it confirmed"),
    option::boolean("allow_unsynced_target", "false",
                    "publish to a queue that confirms before it has synced to disk"),
    option::duration("heartbeat", "30s",
                     "a broker silent for twice this long is given up; 0s: as the broker wants", 0,
                     3600000),
    sink::kSpreadOption,
    sink::kRebalanceOption,
    sink::kConnectRateOption,
    option::duration("connect_timeout", "10s",
                     "for one broker: from resolving its name to its open-ok", 100, 600000),
    option::duration("reconnect_first", "200ms", "first pause after all brokers failed; doubles", 1,
                     600000),
    option::duration("reconnect_last", "10s", "longest pause", 1, 3600000),
    option::duration("stall", "30s",
                     "a connection without a confirm for this long past a deadline is replaced",
                     100, 3600000),
    option::integer("in_flight", "1000", "unconfirmed messages a worker; at least 100", 1, 100000),
    option::size("in_flight_bytes", "64MiB",
                 "bytes of unconfirmed messages a worker; one message always fits", 1),
    option::integer("queue", "10000", "messages a worker that wait for the broker", 1, 1000000),
    option::integer("channels", "32", "exchanges in use at once a worker", 1, 1000),
};

}  // namespace lsmtpd::amqp091
