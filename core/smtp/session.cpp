// SPDX-License-Identifier: Apache-2.0
#include "smtp/session.hpp"

#include <cassert>
#include <utility>

namespace lsmtpd::smtp {

namespace {

// A mere assignment would keep the memory of what was long.
template <class... Each>
void let_go(Each&... each) {
  (Each().swap(each), ...);
}

}  // namespace

static_assert(sizeof(Session) <= 1024, "an idle connection is to cost little");

Session::Session(const Settings& settings) : settings_(settings) {}

void Session::set_origin(std::string listener, std::string peer_address, uint16_t peer_port) {
  envelope_.listener = std::move(listener);
  envelope_.peer_address = std::move(peer_address);
  envelope_.peer_port = peer_port;
}

Action Session::next(std::string_view& input) {
  assert(waiting_ == Waiting::nothing);
  body_ = {};
  for (;;) {
    if (std::exchange(refused_due_, false)) return Action::refused;
    if (reset_due_) reset_transaction();
    if (std::exchange(discard_due_, false)) return Action::body_discard;
    if (const Step done = step(input)) return *done;
  }
}

Session::Step Session::step(std::string_view& input) {
  switch (phase_) {
    case Phase::opening:
      return wait(Waiting::connect, Action::phase_connect);
    case Phase::command:
      return read_line(input);
    case Phase::overlong:
      return skip_line(input);
    case Phase::data:
      return take_data(input);
    case Phase::chunk:
      return take_chunk(input);
    case Phase::closing:
      break;
  }
  return Action::close;
}

Action Session::wait(Waiting waiting, Action action) {
  waiting_ = waiting;
  return action;
}

void Session::proceed() {
  switch (std::exchange(waiting_, Waiting::nothing)) {
    case Waiting::connect:
      return open();
    case Waiting::helo:
      return greeted();
    case Waiting::mail:
      return mail_accepted();
    case Waiting::rcpt:
      ++accepted_;
      state_ = after(Event::rcpt_accepted, state_);
      return answer(replies::recipient_ok);
    case Waiting::body_start:
      return start_body();
    case Waiting::body_end:
      assert(false);  // only finish() answers it
      break;
    case Waiting::nothing:
      break;  // shut_down() came first
  }
}

void Session::refuse(const Reply& reply) {
  const Waiting waiting = std::exchange(waiting_, Waiting::nothing);
  if (waiting == Waiting::nothing) return;  // shut_down() came first
  if (waiting == Waiting::helo) envelope_.helo.swap(former_helo_);
  if (waiting == Waiting::mail) reset_transaction();
  if (waiting == Waiting::rcpt) {
    envelope_.recipients.pop_back();
    state_ = after(Event::rcpt_refused, state_);
  }
  if (waiting == Waiting::body_start) return refuse_body(reply);
  if (reply.code >= 500 && waiting != Waiting::connect && count_error()) return;
  // What is refused for now may be tried again, but not for ever.
  if (reply.code < 500 && waiting == Waiting::rcpt && !count_idle()) return;
  append(replies_, reply);
  if (ends_connection(reply) || waiting == Waiting::connect) phase_ = Phase::closing;
}

void Session::finish(const Reply& reply) {
  if (waiting_ != Waiting::body_end) return;  // shut_down() came first
  waiting_ = Waiting::nothing;
  std::string line;
  append(line, reply);
  append_for_each_recipient(line);
  if (reply.code < 300) commands_ = errors_ = 0;
  if (ends_connection(reply)) phase_ = Phase::closing;
  stored_ = false;
  reset_transaction();
}

void Session::shut_down(const Reply& reply) {
  append(replies_, reply);
  waiting_ = Waiting::nothing;
  reset_transaction();
  refused_due_ = discard_due_ = false;
  let_go(line_);
  phase_ = Phase::closing;
}

void Session::early_talker() {
  waiting_ = Waiting::nothing;
  deny_and_close(replies::early_talker);
}

void Session::begin_transaction(std::string id, int64_t time_ns) {
  envelope_.id = std::move(id);
  envelope_.time_ns = time_ns;
}

void Session::set_size_limit(uint64_t octets) {
  size_limit_ = octets;
}

message::Envelope Session::take_envelope() {
  return {.id = std::exchange(envelope_.id, {}),
          .time_ns = envelope_.time_ns,
          .reverse_path = std::exchange(envelope_.reverse_path, {}),
          .parameters = std::exchange(envelope_.parameters, {}),
          .recipients = std::exchange(envelope_.recipients, {}),
          .helo = envelope_.helo,
          .protocol = std::exchange(envelope_.protocol, {}),
          .listener = envelope_.listener,
          .peer_address = envelope_.peer_address,
          .peer_port = envelope_.peer_port,
          .tls = envelope_.tls,
          .auth_user = envelope_.auth_user};
}

bool Session::in_data() const {
  return phase_ == Phase::data || phase_ == Phase::chunk;
}

bool Session::in_message() const {
  return in_data() || (phase_ == Phase::command && state_ == State::chunks);
}

bool Session::in_transaction() const {
  return phase_ != Phase::closing && !reset_due_ && state_ != State::start &&
         state_ != State::ready;
}

bool Session::closing() const {
  return phase_ == Phase::closing;
}

void Session::open() {
  replies_ += "220 ";
  replies_ += settings_.hostname;
  replies_ += settings_.lmtp ? " LMTP lsmtpd\r\n" : " ESMTP lsmtpd\r\n";
  phase_ = Phase::command;
}

void Session::start_body() {
  stored_ = true;
  octets_ = 0;
  received_ = {};
  if (phase_ == Phase::chunk) {
    state_ = after(Event::chunk_accepted, state_);
    scanner_ = Scanner(mail_.binary ? Scanner::Framing::binary : Scanner::Framing::octets,
                       settings_.normalize_bare_lf);
    return;
  }
  answer(replies::go_ahead);
  phase_ = Phase::data;
  scanner_ = Scanner(Scanner::Framing::dots, settings_.normalize_bare_lf);
}

// A refused chunk is still received, and answered at its end (RFC 3030 2).
void Session::refuse_body(const Reply& reply) {
  if (phase_ == Phase::chunk && !ends_connection(reply)) return append(verdict_, reply);
  append(replies_, reply);
  reset_transaction();
  phase_ = ends_connection(reply) ? Phase::closing : Phase::command;
}

void Session::reset_transaction() {
  reset_due_ = false;
  discard_due_ = discard_due_ || stored_;
  stored_ = false;
  let_go(envelope_.id, envelope_.reverse_path, envelope_.parameters, envelope_.recipients,
         envelope_.protocol);  // the rest is the session's
  envelope_.time_ns = 0;
  forget_verdict();
  mail_ = {};
  accepted_ = 0;
  octets_ = 0;
  state_ = greeted_ ? after(Event::ended, state_) : State::start;
}

}  // namespace lsmtpd::smtp
