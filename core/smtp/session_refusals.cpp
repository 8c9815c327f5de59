// SPDX-License-Identifier: Apache-2.0
// The part of smtp::Session that refuses: the replies, how many of them a client may get before the
// session ends, and what the caller hears of them.
#include <utility>

#include "smtp/session.hpp"

namespace lsmtpd::smtp {

void Session::early_talker() {
  waiting_ = Waiting::nothing;
  deny_and_close(replies::kEarlyTalker);
}

void Session::refuse(const Reply& reply) {
  const Waiting waiting = std::exchange(waiting_, Waiting::nothing);
  if (waiting == Waiting::nothing) return;  // shut_down() came first
  if (waiting == Waiting::helo) {
    envelope_.change().helo.swap(former_helo_);
    envelope_.change().protocol = greeted_ ? protocol() : std::string_view();
    helo_refusal_ = std::make_unique<const Reply>(reply);
  }
  if (waiting == Waiting::auth) forget_auth();
  if (waiting == Waiting::mail) reset_transaction();
  if (waiting == Waiting::rcpt) {
    envelope_.change().recipients.pop_back();
    state_ = after(Event::rcpt_refused, state_);
  }
  if (waiting == Waiting::body_start) return refuse_body(reply);
  if (reply.code >= 500 && waiting == Waiting::rcpt && accepted_ > 0) {
    ++errors_;  // rcpt() keeps to the limit, and who holds recipients gets to send the message
  } else if (reply.code >= 500 && waiting != Waiting::connect && count_error()) {
    return;
  }
  // A client may try again after a 4xx, but not for ever; and one that holds recipients gets to
  // send the message to those.
  if (reply.code < 500 && waiting == Waiting::rcpt && accepted_ == 0 && !count_idle()) return;
  if (waiting == Waiting::connect &&
      reply.code < 500) {  // no other code is one there (RFC 5321 4.3.2)
    replies_.write(Reply{421, reply.enhanced, reply.text});
  } else {
    replies_.write(reply);
  }
  if (ends_connection(reply) || waiting == Waiting::connect) mode_ = Mode::closing;
}

// A refused chunk is still received, and answered at its end (RFC 3030 2).
void Session::refuse_body(const Reply& reply) {
  if (chunk_ && !ends_connection(reply)) return content_.refuse(reply);
  replies_.write(reply);
  reset_transaction();
  mode_ = ends_connection(reply) ? Mode::closing : Mode::commands;
}

void Session::deny(const replies::Fixed& reply) {
  if (reply.line.front() == '5' && count_error()) return;
  answer(reply);
  tell_refusal(reply, false);
}

void Session::deny_and_close(const replies::Fixed& reply, uint32_t times) {
  replies_.write(reply, times);
  tell_refusal(reply, in_data());
  mode_ = Mode::closing;
}

void Session::tell_refusal(const replies::Fixed& reply, bool of_message) {
  tell_refusal(replies::reason_of(reply), replies::code_of(reply), replies::enhanced_of(reply),
               of_message);
  refusal_.too_large = &reply == &replies::kTooLarge;
}

void Session::tell_refusal(std::string_view why, uint32_t code, std::string_view enhanced,
                           bool of_message) {
  constexpr size_t kLongestArgument = 200;
  refusal_ = {.why = why, .code = code, .enhanced = enhanced, .of_message = of_message};
  refused_due_ = true;
  if (command_ == nullptr) return;
  refusal_.verb = command_->name;
  // An unknown word may be a password that was sent at the wrong time.
  if (command_->verb != Verb::missing && command_->verb != Verb::unknown &&
      command_->verb != Verb::auth) {
    refusal_.argument = command_->argument.substr(0, kLongestArgument);
  }
}

// True: it was one too many, and the client has been told so.
bool Session::count_error() {
  if (++errors_ <= settings_->errors) return false;
  deny_and_close(replies::kTooManyErrors);
  return true;
}

// False: the client sent too many commands that carry no mail forward, and has been told so.
bool Session::count_idle() {
  if (++commands_ <= settings_->commands) return true;
  deny_and_close(replies::kTooManyCommands);
  return false;
}

}  // namespace lsmtpd::smtp
