#include "pipeline/outcome.hpp"

#include "smtp/replies.hpp"

namespace lsmtpd::pipeline {

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
  smtp::Reply reply = make(verdict.kind == plugin::Kind::reject ? smtp::replies::message_refused
                           : speaker == Speaker::filter         ? smtp::replies::filter_tempfail
                                                                : smtp::replies::output_tempfail);
  if (verdict.code != 0) reply.code = verdict.code;
  if (!verdict.enhanced.empty()) reply.enhanced = verdict.enhanced;
  if (!verdict.text.empty()) reply.text = verdict.text;
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
