// SPDX-License-Identifier: Apache-2.0
// What became of a message, and the reply that says so (the table in docs/architecture.md,
// "Replies").
#pragma once

#include <string>

#include "config/config.hpp"
#include "plugin/verdict.hpp"
#include "smtp/reply.hpp"

namespace lsmtpd::pipeline {

enum class Fate : uint8_t { stored, discarded, rejected, tempfail };

struct Outcome {
  Fate fate = Fate::tempfail;
  smtp::Reply reply;
  std::string detail;  // for the log: by which plugin, why, where it was stored
};

// For the log: "NAME: what", or the name alone.
std::string said_by(const std::string& plugin, const std::string& what);

// What on_timeout or on_error turn a silent or broken plugin into.
plugin::Kind by_policy(config::OnFailure policy);

std::string_view fate_name(Fate fate);  // "stored", "discarded", "rejected", "tempfail"

// Who speaks: a filter's tempfail is 4.7.1, an output's is 4.3.0.
enum class Speaker : uint8_t { filter, output };
smtp::Reply to_reply(const plugin::Verdict& verdict, Speaker speaker);

Outcome stored(const std::string& id, std::string detail);
Outcome discarded(const std::string& id, std::string detail);

}  // namespace lsmtpd::pipeline
