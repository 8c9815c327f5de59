// SPDX-License-Identifier: Apache-2.0
// The outcome of a message, and the reply that says so (the table in docs/architecture.md,
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
  // For the log: the outputs that have the message themselves, the fallbacks that have it, and why
  // some output or filter did not take it.
  std::vector<std::string> outputs = {}, fallbacks = {};
  // For the log: the routes that the recipients took, the chain's own as ""; empty: the chain has
  // none.
  std::vector<std::string> routes = {};
  std::string reason = {};
  uint64_t size = 0;       // of the message as filters left it, in octets
  bool mixed = false;      // some recipients are stored, and some are not
  bool by_filter = false;  // a filter refused it, not an output
};

// For the log: "NAME: what", or the name alone.
std::string said_by(const std::string& plugin, const std::string& what);

// "stored", "discarded", "rejected", "tempfail"
std::string_view fate_name(Fate fate);
std::string_view outcome_name(const Outcome& outcome);  // as fate_name(), or "mixed"

// Makes `verdict` one of `kind`. A reply that was given with another kind goes: no 5xx for mail
// that is only tempfailed.
void change_kind(plugin::Verdict& verdict, plugin::Kind kind);

// The reply for a verdict of kind reject, or else tempfail.
smtp::Reply to_reply(const plugin::Verdict& verdict, Role role);
smtp::Reply to_reply(const plugin::Verdict& verdict, message::Phase phase);  // a session filter's

Outcome stored(const std::string& id, std::string detail);
Outcome discarded(const std::string& id, std::string detail);

}  // namespace lsmtpd::pipeline
