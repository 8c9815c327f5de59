// SPDX-License-Identifier: Apache-2.0
// What the session writes on its own account, and how it counts what a client may not do for ever.
#include "smtp/replies.hpp"

#include <charconv>

#include "smtp/session.hpp"

namespace lsmtpd::smtp {

std::string_view replies::reason_of(const Fixed& reply) {
  if (!reply.reason.empty()) return reply.reason;
  const size_t enhanced = reply.line.find(' ');
  return reply.line.substr(reply.line.find(' ', enhanced + 1) + 1);
}

void Session::answer(const replies::Fixed& reply) {
  replies_ += reply.line;
  replies_ += "\r\n";
}

void Session::deny(const replies::Fixed& reply) {
  if (reply.line.front() == '5' && count_error()) return;
  answer(reply);
  tell_refusal(replies::reason_of(reply), reply.line, false);
}

void Session::deny_and_close(const replies::Fixed& reply, uint32_t times) {
  for (; times > 0; --times) answer(reply);
  tell_refusal(replies::reason_of(reply), reply.line, in_data());
  phase_ = Phase::closing;
}

// `line` begins with the code.
void Session::tell_refusal(std::string_view why, std::string_view line, bool of_message) {
  refusal_ = {why, 0, of_message};
  std::from_chars(line.data(), line.data() + line.size(), refusal_.code);
  refused_due_ = true;
}

// True: it was one too many, and the client has been told so.
bool Session::count_error() {
  if (++errors_ <= settings_.errors) return false;
  deny_and_close(replies::too_many_errors);
  return true;
}

// RFC 2033 4.2: in LMTP the end of a message has one reply for each recipient accepted.
void Session::append_for_each_recipient(std::string_view line) {
  for (uint32_t times = recipients_to_answer(); times > 0; --times) replies_ += line;
}

// RFC 2033 4.2: in LMTP each that was accepted has a reply of its own.
uint32_t Session::recipients_to_answer() const {
  return settings_.lmtp && accepted_ > 0 ? accepted_ : 1;
}

}  // namespace lsmtpd::smtp
