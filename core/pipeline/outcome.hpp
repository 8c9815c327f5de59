// SPDX-License-Identifier: Apache-2.0
// What became of a message, and the reply that says so (the table in docs/architecture.md,
// "Replies").
#pragma once

#include <string>
#include <vector>

#include "pipeline/decisions.hpp"
#include "plugin/verdict.hpp"
#include "smtp/reply.hpp"

namespace lsmtpd::pipeline {

enum class Fate : uint8_t { stored, discarded, rejected, tempfail };

struct Outcome {
  Fate fate = Fate::tempfail;
  smtp::Reply reply;
  std::string detail;  // for the log: by which plugin, why, where it was stored
  // LMTP: each recipient's own, in the order of RCPT; empty: all have `reply`.
  std::vector<smtp::Reply> recipients = {};
  // For the log, in that order: each recipient's outcome and the outputs that gave it; empty: no
  // output answered recipient by recipient.
  std::vector<std::string> told = {};
  bool mixed = false;  // some recipients are stored, and some are not
};

// For the log: "NAME: what", or the name alone.
std::string said_by(const std::string& plugin, const std::string& what);

// "stored", "discarded", "rejected", "tempfail"
std::string_view fate_name(Fate fate);
std::string_view outcome_name(const Outcome& outcome);  // as fate_name(), or "mixed"

// Makes `verdict` one of `kind`. A reply that was given with another kind goes: no 5xx for mail
// that is only put off.
void change_kind(plugin::Verdict& verdict, plugin::Kind kind);

// The reply for a verdict of kind reject, or else tempfail.
smtp::Reply to_reply(const plugin::Verdict& verdict, Speaker speaker);
smtp::Reply to_reply(const plugin::Verdict& verdict, message::Phase phase);  // a session filter's

Outcome stored(const std::string& id, std::string detail);
Outcome discarded(const std::string& id, std::string detail);

}  // namespace lsmtpd::pipeline
