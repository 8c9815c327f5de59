// SPDX-License-Identifier: Apache-2.0
#include "pipeline/outcome.hpp"

namespace lsmtpd::pipeline {

namespace {

struct DefaultReply {
  int code;
  const char* enhanced;
  const char* text;
};

constexpr DefaultReply kRejected = {554, "5.7.1", "Message refused"};
constexpr DefaultReply kFilterTempfail = {451, "4.7.1", "Try again later"};
constexpr DefaultReply kOutputTempfail = {451, "4.3.0",
                                          "Message cannot be stored now, try again later"};

}  // namespace

std::string said_by(const std::string& plugin, const std::string& what) {
  return what.empty() ? plugin : plugin + ": " + what;
}

plugin::Kind by_policy(config::OnFailure policy) {
  switch (policy) {
    case config::OnFailure::reject:
      return plugin::Kind::reject;
    case config::OnFailure::proceed:
      return plugin::Kind::proceed;
    case config::OnFailure::tempfail:
      break;
  }
  return plugin::Kind::tempfail;
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

smtp::Reply to_reply(const plugin::Verdict& verdict, Speaker speaker) {
  const DefaultReply& fallback_reply = verdict.kind == plugin::Kind::reject ? kRejected
                                       : speaker == Speaker::filter         ? kFilterTempfail
                                                                            : kOutputTempfail;
  const bool own_code = verdict.code != 0;
  smtp::Reply reply;
  reply.code = own_code ? verdict.code : fallback_reply.code;
  reply.enhanced = !verdict.enhanced.empty() ? verdict.enhanced : fallback_reply.enhanced;
  reply.text = !verdict.text.empty() ? verdict.text : fallback_reply.text;
  return reply;
}

Outcome stored(const std::string& id, std::string detail) {
  return {Fate::stored, {250, "2.0.0", "Ok: queued as " + id}, std::move(detail)};
}

// The client must not be able to tell: whoever discards wants it so.
Outcome discarded(const std::string& id, std::string detail) {
  return {Fate::discarded, {250, "2.0.0", "Ok: queued as " + id}, std::move(detail)};
}

}  // namespace lsmtpd::pipeline
