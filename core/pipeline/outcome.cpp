// SPDX-License-Identifier: Apache-2.0
#include "pipeline/outcome.hpp"

#include <utility>

#include "smtp/replies.hpp"

namespace lsmtpd::pipeline {

namespace {

smtp::Reply reply_of(const plugin::Verdict& verdict, const smtp::replies::Fixed& otherwise) {
  smtp::Reply reply = make(otherwise);
  if (verdict.code != 0) reply.code = verdict.code;
  if (!verdict.enhanced.empty()) reply.enhanced = verdict.enhanced;
  if (!verdict.text.empty()) reply.text = verdict.text;
  return reply;
}

}  // namespace

std::string said_by(const std::string& plugin, const std::string& what) {
  return what.empty() ? plugin : plugin + ": " + what;
}

void change_kind(plugin::Verdict& verdict, plugin::Kind kind) {
  if (std::exchange(verdict.kind, kind) == kind) return;
  verdict.code = 0;
  verdict.enhanced.clear();
  verdict.text.clear();
}

std::string_view fate_name(Fate fate) {
  switch (fate) {
    case Fate::stored:
      return "stored";
    case Fate::discarded:
      return "discarded";
    case Fate::rejected:
      return "rejected";
    case Fate::tempfail:
      return "tempfail";
  }
  return "";
}

std::string_view outcome_name(const Outcome& outcome) {
  return outcome.mixed ? "mixed" : fate_name(outcome.fate);
}

smtp::Reply to_reply(const plugin::Verdict& verdict, Role role) {
  return reply_of(verdict, default_reply(role, verdict.kind == plugin::Kind::reject));
}

smtp::Reply to_reply(const plugin::Verdict& verdict, message::Phase phase) {
  smtp::Reply reply = reply_of(verdict, default_reply(phase, verdict.kind == plugin::Kind::reject));
  // As the session sends it, so that the log has that code (RFC 5321 4.3.2).
  if (phase == message::Phase::connect && reply.code < 500) reply.code = 421;
  return reply;
}

Outcome stored(const std::string& id, std::string detail) {
  return {Fate::stored, smtp::replies::queued(id), std::move(detail)};
}

// The client must not be able to tell: whoever discards wants it so.
Outcome discarded(const std::string& id, std::string detail) {
  return {Fate::discarded, smtp::replies::queued(id), std::move(detail)};
}

}  // namespace lsmtpd::pipeline
