// SPDX-License-Identifier: Apache-2.0
// The keys that may stand under `options`, in the order `lsmtpd plugins` shows them. docs/nats.md
// says more of each.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <sink/claim_options.hpp>
#include <sink/dial_options.hpp>

namespace lsmtpd::nats {

namespace option = sdk::option;

inline constexpr lsmtpd_option kOptions[] = {
    option::required(option::list(
        "urls", nullptr, "servers, tried one after the other: nats://host:4222, tls://host:4222")),
    option::required(option::string("stream", nullptr, "the JetStream stream that has to store")),
    option::required(
        option::string("subject", nullptr,
                       "subject to publish to; may hold {rcpt_domain}, {listener} and the like")),
    option::one_of("split", "none recipient", "none", "recipient: one copy for each recipient"),
    option::one_of("format", "json raw", "json",
                   "json: LSMTPD's JSON; raw: the bytes as they came"),
    option::size("max_message", "8MiB",
                 "largest message, with its headers, where server and stream take more; announced "
                 "as SIZE",
                 4096, 67108864),
    option::size("property_limit", "4KiB",
                 "longest smtp_rcpt_to, and annotations together; more is left to the body", 256,
                 49152),
    option::boolean("extra", "true", "JSON keys beside LSMTPD's own six"),
    sink::kClaimOption,
    option::boolean("assume_synced", "false",
                    "every server of the stream has sync_interval: always, which cannot be asked"),
    option::boolean("allow_lossy_target", "false",
                    "publish to a stream that acknowledges before it has synced to disk"),
    option::string("username", nullptr, "user"),
    option::secret("password", nullptr, "password"),
    option::path("password_file", nullptr, "file with the password; read at each connection"),
    option::path("token_file", nullptr, "file with a token; read at each connection"),
    option::path("credentials_file", nullptr,
                 "file with JWT and NKey seed (.creds); read at each connection"),
    option::string("inbox_prefix", "_INBOX", "subject under which the answers come"),
    option::path("tls_ca", nullptr, "trusted certificates, file or directory; unset: the system's"),
    option::path("tls_certificate", nullptr, "client certificate, PEM"),
    option::path("tls_key", nullptr, "its private key, PEM"),
    option::secret("tls_key_password", nullptr, "password of the private key"),
    option::one_of("tls_verify", "name certificate none", "name",
                   "what is checked of the server's certificate"),
    option::string("tls_name", nullptr,
                   "name expected in the certificate; unset: the host of the URL"),
    option::one_of("tls_min_version", "1.2 1.3", "1.2", "oldest TLS version allowed"),
    option::duration("check_interval", "30s",
                     "how often the stream is asked for; an answer that does not come ends the "
                     "connection",
                     1000, 3600000),
    sink::kSpreadOption,
    sink::kRebalanceOption,
    sink::kConnectRateOption,
    option::duration("connect_timeout", "10s",
                     "for one server: from resolving its name to its answer about the stream", 100,
                     600000),
    option::duration("reconnect_first", "200ms", "first pause after all servers failed; doubles", 1,
                     600000),
    option::duration("reconnect_last", "10s", "longest pause", 1, 3600000),
    option::duration("stall", "30s",
                     "a connection without an acknowledgement for this long past a deadline is "
                     "replaced",
                     100, 3600000),
    option::integer("in_flight", "1000", "unacknowledged messages a worker; at least 100", 1,
                    100000),
    option::size("in_flight_bytes", "64MiB",
                 "bytes of unacknowledged messages a worker; one message always fits", 1),
    option::integer("queue", "10000", "messages a worker that wait for the server", 1, 1000000),
};

}  // namespace lsmtpd::nats
