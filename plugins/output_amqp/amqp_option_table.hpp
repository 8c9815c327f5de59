// SPDX-License-Identifier: Apache-2.0
// The keys that may stand under `options`, in the order `lsmtpd plugins` shows them. docs/amqp.md
// says more of each.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <sink/claim_options.hpp>
#include <sink/dial_options.hpp>

namespace lsmtpd::amqp {

namespace option = sdk::option;

inline constexpr lsmtpd_option kOptions[] = {
    option::required(
        option::list("urls", nullptr,
                     "brokers, tried one after the other: amqp://host:5672, amqps://host:5671")),
    option::string("address", nullptr, "target; may hold {rcpt_domain}, {listener} and the like"),
    option::string("exchange", nullptr,
                   "RabbitMQ: exchange to publish to; empty: the queue that routing_key names"),
    option::string("routing_key", nullptr, "RabbitMQ: routing key or queue"),
    option::boolean("anonymous_terminus", "false",
                    "one link for all targets: each message's `to` names its own"),
    option::one_of("split", "none recipient", "none", "recipient: one copy for each recipient"),
    option::one_of("format", "json rfc822", "json",
                   "json: LSMTPD's JSON; rfc822: the bytes as they came"),
    option::make(LSMTPD_TYPE_ENUM, "message_id", nullptr,
                 "message: the id of the 250 for all copies; copy: the copy's own id; unset: copy "
                 "where messages are split",
                 0, 0, "message copy"),
    option::string("subject", nullptr, "the message's subject; a template, as `address`"),
    option::string("group_id", nullptr, "group-id; a template: a broker's session or group"),
    option::string("to", nullptr, "to; a template; unset: the target's address"),
    option::integer("priority", nullptr, "header's priority; unset: none, which counts as 4", 0, 9),
    option::duration("expiration", "0s",
                     "time after which the broker may drop the message; 0s: never", 0, 4294967295),
    option::map(
        "message_annotations", nullptr,
        "annotations for the broker, such as x-opt-partition-key; their values are templates"),
    option::size("property_limit", "64KiB",
                 "longest smtp_rcpt_to; a longer one is left to the body", 1024, 65536),
    option::boolean("extra", "true", "JSON keys beside LSMTPD's own six"),
    sink::kClaimOption,
    option::string("username", nullptr, "SASL user"),
    option::secret("password", nullptr, "SASL password"),
    option::path("password_file", nullptr, "file with the SASL password; read at each connection"),
    option::list("sasl", nullptr,
                 "mechanisms allowed; unset: PLAIN with a username, else EXTERNAL or ANONYMOUS"),
    option::path("tls_ca", nullptr, "trusted certificates, file or directory; unset: the system's"),
    option::path("tls_certificate", nullptr, "client certificate, PEM"),
    option::path("tls_key", nullptr, "its private key, PEM"),
    option::secret("tls_key_password", nullptr, "password of the private key"),
    option::one_of("tls_verify", "name certificate none", "name",
                   "what is checked of the broker's certificate"),
    option::string("tls_name", nullptr,
                   "name expected in the certificate; unset: the host of the URL"),
    option::one_of("tls_min_version", "1.2 1.3", "1.2", "oldest TLS version allowed"),
    option::string("virtual_host", nullptr, "hostname of AMQP's Open; unset: the host of the URL"),
    option::string("vhost", nullptr, "RabbitMQ's virtual host: sends virtual_host = vhost:NAME"),
    option::string("container_id", nullptr,
                   "unset: lsmtpd, the host and plugin names, the worker, a random part"),
    option::string("link_name", nullptr, "unset: as the default container id, and the address"),
    option::one_of("durability", "none configuration unsettled-state", "configuration",
                   "target durability asked for"),
    option::list("capabilities", nullptr, "target capabilities; unset: queue"),
    option::boolean("allow_lossy_target", "false",
                    "attach to a target that is known to lose what it accepted"),
    option::boolean("allow_unsynced_target", "false",
                    "attach to a queue that accepts before it has synced to disk"),
    option::duration("idle_timeout", "30s", "a broker silent for this long is given up; 0s: never",
                     0, 86400000),
    sink::kSpreadOption,
    sink::kRebalanceOption,
    sink::kConnectRateOption,
    option::duration("connect_timeout", "10s",
                     "for one broker: from resolving its name to its Open", 100, 600000),
    option::duration("reconnect_first", "200ms", "first pause after all brokers failed; doubles", 1,
                     600000),
    option::duration("reconnect_last", "10s", "longest pause", 1, 3600000),
    option::duration("stall", "30s",
                     "a link without an outcome for this long past a deadline is replaced", 100,
                     3600000),
    option::size("max_frame_size", "64KiB", "largest frame taken from the broker", 512, 16777216),
    option::integer("in_flight", "1000",
                    "unsettled messages a worker, whatever the credit; at least 100", 1, 100000),
    option::size("in_flight_bytes", "64MiB",
                 "bytes of unsettled messages a worker; one message always fits", 1),
    option::integer("queue", "10000", "messages a worker that wait for credit or connection", 1,
                    1000000),
    option::integer("links", "32", "target addresses open at once a worker", 1, 1000),
};

}  // namespace lsmtpd::amqp
