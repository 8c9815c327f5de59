// SPDX-License-Identifier: Apache-2.0
// The rules of the option `rules`.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <functional>
#include <string>
#include <vector>

#include "condition.hpp"
#include "rule_verdict.hpp"

namespace lsmtpd::access {

namespace sdk = lsmtpd::sdk;

struct Rule {
  Verdict verdict;
  std::vector<Condition> conditions;  // those that a client meets first, first
};

// The columns of the option.
inline constexpr lsmtpd_option kRuleColumns[] = {
    sdk::option::required(sdk::option::string(
        "verdict", nullptr,
        "accept, continue, reject [CODE [X.Y.Z]] [TEXT], tempfail [...], annotate KEY=VALUE")),
    sdk::option::list("client", nullptr, "networks and addresses of clients"),
    sdk::option::path("client_file", nullptr, "a file of them"),
    sdk::option::list("client_name", nullptr, "host names of clients, *.example.org for all below"),
    sdk::option::path("client_name_file", nullptr, "a file of them"),
    sdk::option::list("helo", nullptr, "names that clients give at HELO"),
    sdk::option::path("helo_file", nullptr, "a file of them"),
    sdk::option::list("sender", nullptr, "addresses and domains of the reverse-path, <> for none"),
    sdk::option::path("sender_file", nullptr, "a file of them"),
    sdk::option::list("recipient", nullptr, "addresses and domains of the recipient"),
    sdk::option::path("recipient_file", nullptr, "a file of them"),
    sdk::option::list("user", nullptr, "users that the client authenticated as"),
    sdk::option::list("listener", nullptr, "names of listeners"),
    sdk::option::one_of(
        "tls", "none any verified", nullptr,
        "the session: clear text, TLS, or TLS with a client certificate that was checked"),
    sdk::option::one_of("auth", "none any", nullptr, "whether the client authenticated"),
};

// The rules of the options; their files are added to `files`, not loaded. `mistake(key, text)` gets
// what is wrong, with the key as "rules[2].client".
using Mistake = std::function<void(const std::string& key, const std::string& text)>;
std::vector<Rule> read_rules(sdk::Config config, TableSet& files, const Mistake& mistake);

// Entries of a file that its condition never looks up: "3 entries are no networks"; "" where there
// are none.
std::string useless_entries(const Condition& condition, const Image& image);

// "client_file" for a condition on the client.
std::string_view file_option(Condition::Subject subject);

}  // namespace lsmtpd::access
