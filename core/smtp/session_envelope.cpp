// SPDX-License-Identifier: Apache-2.0
// The part of smtp::Session that builds the envelope: MAIL and RCPT.
#include <array>

#include "smtp/addresses.hpp"
#include "smtp/blanks.hpp"
#include "smtp/session.hpp"

namespace lsmtpd::smtp {
namespace {

// Null: the path is fine.
const replies::Fixed* reply_to(PathFault fault, const replies::Fixed& syntax,
                               const replies::Fixed& too_long, const replies::Fixed& not_utf8) {
  switch (fault) {
    case PathFault::syntax:
      return &syntax;
    case PathFault::too_long:
      return &too_long;
    case PathFault::not_utf8:
      return &not_utf8;
    case PathFault::none:
      break;
  }
  return nullptr;
}

const replies::Fixed* reply_to(ParameterFault fault) {
  switch (fault) {
    case ParameterFault::syntax:
      return &replies::kBadParameter;
    case ParameterFault::unknown:
      return &replies::kUnknownParameter;
    case ParameterFault::none:
      break;
  }
  return nullptr;
}

}  // namespace

Session::Step Session::mail(const Command& command) {
  if (helo_refusal_) {
    if (helo_refusal_->code >= 500 && count_error()) return {};
    replies_.write(*helo_refusal_);
    tell_refusal("HELO was refused", static_cast<uint32_t>(helo_refusal_->code),
                 helo_refusal_->enhanced, false);
    return {};
  }
  Path path;
  MailParameters parameters;
  const replies::Fixed* fault = mail_fault(command.argument, path, parameters);
  envelope_.change().reverse_path = path.address;  // the log has it too where MAIL is refused
  if (fault != nullptr) {
    deny(*fault);
    reset_due_ = true;
    return {};
  }
  mail_ = parameters;
  envelope_.change().parameters = trim_left(path.rest);
  return wait(Waiting::mail, Action::phase_mail);
}

const replies::Fixed* Session::mail_fault(std::string_view argument, Path& path,
                                          MailParameters& parameters) const {
  if (!consume_keyword("FROM", argument)) return &replies::kMailSyntax;
  const replies::Fixed* fault = reply_to(parse_path(argument, path), replies::kBadSender,
                                         replies::kSenderTooLong, replies::kSenderNotUtf8);
  if (fault != nullptr) return fault;
  if (kind_of(path.rest).eight_bit) return &replies::kEightBit;
  fault = reply_to(parse_mail_parameters(path.rest, parameters, mechanisms_ != 0));
  if (fault != nullptr) return fault;
  if (path.utf8 && !parameters.smtputf8) return &replies::kNeedsSmtputf8;
  return content_.too_large(parameters.size) ? &replies::kTooLarge : nullptr;
}

void Session::mail_accepted() {
  if (content_.too_large(mail_.size)) {  // the limit was set while MAIL was checked
    reset_due_ = true;
    return deny(replies::kTooLarge);
  }
  envelope_.change().protocol = protocol();
  state_ = after(Event::mail_accepted, state_);
  answer(replies::kSenderOk);
}

// RFC 3848, RFC 6531 4.3. There is no name for HELO with TLS or AUTH.
std::string_view Session::protocol(bool extended, bool utf8) const {
  static constexpr std::array<std::string_view, 4> kEsmtp{"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"};
  static constexpr std::array<std::string_view, 4> kLmtp{"LMTP", "LMTPS", "LMTPA", "LMTPSA"};
  static constexpr std::array<std::string_view, 4> kUtf8{"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA",
                                                         "UTF8SMTPSA"};
  static constexpr std::array<std::string_view, 4> kUtf8Lmtp{"UTF8LMTP", "UTF8LMTPS", "UTF8LMTPA",
                                                             "UTF8LMTPSA"};
  const size_t letters = (envelope_->tls ? 1 : 0) + (envelope_->auth ? 2 : 0);
  if (settings_->lmtp) return (utf8 ? kUtf8Lmtp : kLmtp)[letters];
  if (utf8) return kUtf8[letters];
  return extended ? kEsmtp[letters] : "SMTP";
}

Session::Step Session::rcpt(const Command& command) {
  Path path;
  if (const replies::Fixed* fault = rcpt_fault(command.argument, path)) {
    state_ = after(Event::rcpt_refused, state_);
    deny(*fault);  // one too many is no error: those before it are to get their message
    return {};
  }
  envelope_.change().recipients.push_back(
      {std::string(path.address), std::string(trim_left(path.rest))});
  return wait(Waiting::rcpt, Action::phase_rcpt);
}

const replies::Fixed* Session::rcpt_fault(std::string_view argument, Path& path) const {
  if (!consume_keyword("TO", argument)) return &replies::kRcptSyntax;
  const replies::Fixed* fault = reply_to(parse_path(argument, path), replies::kBadRecipient,
                                         replies::kRecipientTooLong, replies::kRecipientNotUtf8);
  if (fault != nullptr) return fault;
  if (path.address.empty()) return &replies::kBadRecipient;
  if (path.utf8 && !mail_.smtputf8) return &replies::kNeedsSmtputf8;
  if (kind_of(path.rest).eight_bit && !mail_.smtputf8) return &replies::kEightBit;
  fault = reply_to(parse_rcpt_parameters(path.rest, mail_.smtputf8));
  if (fault != nullptr) return fault;
  if (accepted_ > 0 && errors_ >= settings_->errors) return &replies::kTooManyRefused;
  return accepted_ >= settings_->recipients ? &replies::kTooManyRecipients : nullptr;
}

}  // namespace lsmtpd::smtp
