// SPDX-License-Identifier: Apache-2.0
// The keys that may stand under `options`, in the order `lsmtpd plugins` shows them. docs/http.md
// says more of each.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

namespace lsmtpd::output_http {

namespace option = sdk::option;

inline constexpr lsmtpd_option kOptions[] = {
    option::required(option::string(
        "url", nullptr, "https://host/path; path and query may hold {rcpt_domain} and the like")),
    option::one_of("split", "none recipient", "none", "recipient: one request for each recipient"),
    option::one_of("format", "json raw", "json",
                   "json: LSMTPD's JSON; raw: the bytes as they came"),
    option::boolean("extra", "true", "JSON keys beside LSMTPD's own six"),
    option::map("headers", nullptr, "fields that each request has: { name = \"value\" }"),
    option::size("property_limit", "4KiB",
                 "longest smtp-rcpt-to, and annotations together; more is left to the body", 256,
                 49152),
    option::list("reject_status", nullptr,
                 "statuses that refuse a message for good, beside 406, 410, 413, 415, 422"),
    option::boolean("relay_text", "false",
                    "the first line of the answer is the text for the SMTP client"),
    option::size("max_message", "0B",
                 "largest body that the server takes, announced as SIZE; 0: any", 0, 536870912),
    option::size("max_answer", "64KiB", "largest body of an answer that is read", 256, 1 << 20),
    option::path(
        "token_file", nullptr,
        "a file with the token that is sent as Authorization: Bearer; read when it changes"),
    option::list(
        "signing_key_files", nullptr,
        "files with keys whsec_...: each signs (Standard Webhooks); read when they change"),
    option::path("tls_ca", nullptr, "trusted certificates, file or directory; unset: the system's"),
    option::path("tls_certificate", nullptr, "client certificate, PEM"),
    option::path("tls_key", nullptr, "its private key, PEM"),
    option::secret("tls_key_password", nullptr, "password of the private key"),
    option::one_of("tls_verify", "name certificate none", "name",
                   "what is checked of the server's certificate"),
    option::one_of("tls_min_version", "1.2 1.3", "1.2", "oldest TLS version allowed"),
    option::string("proxy", nullptr, "HTTP proxy, http://host:port; the environment is not asked"),
    option::duration("connect_timeout", "10s", "to reach the server, with TLS", 100, 600000),
    option::duration("reconnect_first", "200ms",
                     "first pause after the server was not reached; doubles", 1, 600000),
    option::duration("reconnect_last", "10s", "longest pause", 1, 3600000),
    option::duration("stall", "30s",
                     "requests past their deadline are given up after so long without an answer",
                     100, 3600000),
    option::integer("connections", "32", "requests under way at a time, of each worker", 1, 1000),
    option::size("in_flight_bytes", "64MiB",
                 "bytes of requests under way, of each worker; one message always fits", 1),
    option::integer("queue", "10000", "messages a worker that wait for a connection", 1, 1000000),
};

}  // namespace lsmtpd::output_http
