// SPDX-License-Identifier: Apache-2.0
#include "smtp/session.hpp"

#include <utility>

#include "base/invariant.hpp"

namespace lsmtpd::smtp {

namespace {

// A mere assignment would keep the memory of what was long.
template <class... Each>
void let_go(Each&... each) {
  (Each().swap(each), ...);
}

}  // namespace

static_assert(sizeof(Session) <= 1024, "an idle connection is to cost little");

Session::Session(const Settings& settings) : settings_(&settings) {}

void Session::set_origin(std::string listener, std::string peer_address, uint16_t peer_port) {
  envelope_.change().listener = std::move(listener);
  envelope_.change().peer_address = std::move(peer_address);
  envelope_.change().peer_port = peer_port;
}

void Session::set_connection(uint64_t session, std::string local_address, uint16_t local_port) {
  envelope_.change().session = session;
  envelope_.change().local_address = std::move(local_address);
  envelope_.change().local_port = local_port;
}

void Session::set_proxy(std::string address, std::shared_ptr<const message::Tls> tls) {
  envelope_.change().proxy_address = std::move(address);
  envelope_.change().tls = std::move(tls);
}

Action Session::next(std::string_view& input) {
  if (!LSMTPD_INVARIANT(waiting_ == Waiting::nothing)) shut_down(make(replies::kInternalError));
  body_ = {};
  for (;;) {
    if (std::exchange(refused_due_, false)) return Action::refused;
    if (reset_due_) reset_transaction();
    if (std::exchange(auth_phase_due_, false)) return wait(Waiting::auth, Action::phase_auth);
    if (std::exchange(discard_due_, false)) return Action::body_discard;
    if (const Step done = step(input)) return *done;
  }
}

Session::Step Session::step(std::string_view& input) {
  switch (mode_) {
    case Mode::opening:
      return wait(Waiting::connect, Action::phase_connect);
    case Mode::commands:
      return read_command(input);
    case Mode::sasl:
      return read_response(input);
    case Mode::content:
      return take_content(input);
    case Mode::handshake:
      input = {};  // behind STARTTLS in the clear (RFC 3207 4.2)
      return Action::need_input;
    case Mode::closing:
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
    case Waiting::auth:
      return answer(replies::kAuthOk);
    case Waiting::mail:
      return mail_accepted();
    case Waiting::rcpt:
      ++accepted_;
      state_ = after(Event::rcpt_accepted, state_);
      return answer(replies::kRecipientOk);
    case Waiting::body_start:
      return start_body();
    case Waiting::credentials:
    case Waiting::body_end:
      if (!LSMTPD_INVARIANT(false && "proceed() answers phases only")) {
        shut_down(make(replies::kInternalError));
      }
      break;
    case Waiting::tls:
      mode_ = Mode::handshake;
      return answer(replies::kReadyForTls);
    case Waiting::nothing:
      break;  // shut_down() came first
  }
}

void Session::begin_tls(std::shared_ptr<const message::Tls> tls) {
  envelope_.change().tls = std::move(tls);
  if (mode_ != Mode::handshake) return;
  mode_ = Mode::commands;
  greeted_ = extended_ = false;
  let_go(envelope_.change().helo, envelope_.change().protocol, former_helo_);
  envelope_.change().auth.reset();
  reader_.release();  // a refusal at HELO stays: nobody gets around it by STARTTLS
  reset_transaction();
}

void Session::finish(const Reply& reply, const std::vector<Reply>& recipients) {
  if (waiting_ != Waiting::body_end) return;  // shut_down() came first
  waiting_ = Waiting::nothing;
  if (settings_->lmtp && recipients.size() == recipients_to_answer()) {
    for (const Reply& each : recipients) replies_.write(each);
  } else {
    replies_.write(reply, recipients_to_answer());
  }
  if (reply.code < 300) commands_ = errors_ = 0;
  if (ends_connection(reply)) mode_ = Mode::closing;
  stored_ = false;
  reset_transaction();
}

void Session::shut_down(const Reply& reply) {
  replies_.write(reply);
  waiting_ = Waiting::nothing;
  reset_transaction();
  refused_due_ = discard_due_ = auth_phase_due_ = false;
  reader_.release();
  sasl_.reset();
  mode_ = Mode::closing;
}

void Session::begin_transaction(std::string id, int64_t time_ns) {
  envelope_.change().id = std::move(id);
  envelope_.change().time_ns = time_ns;
}

void Session::set_size_limit(uint64_t octets) {
  content_.set_size_limit(octets);
}

message::Envelope Session::take_envelope() {
  return envelope_.take();
}

bool Session::in_data() const {
  return mode_ == Mode::content;
}

bool Session::in_message() const {
  return in_data() || (mode_ == Mode::commands && state_ == State::chunks);
}

bool Session::within_command() const {
  return reader_.within_line();
}

bool Session::in_transaction() const {
  return mode_ != Mode::closing && !reset_due_ && state_ != State::start && state_ != State::ready;
}

bool Session::closing() const {
  return mode_ == Mode::closing;
}

void Session::open() {
  replies_.write_banner(settings_->hostname, settings_->lmtp);
  mode_ = Mode::commands;
}

void Session::reset_transaction() {
  reset_due_ = false;
  discard();
  envelope_.forget_transaction();
  content_.reset();
  let_go(failed_chunk_);
  mail_ = {};
  if (greeted_) envelope_.change().protocol = protocol();  // it may have been a message's: UTF8SMTP
  accepted_ = 0;
  state_ = greeted_ ? after(Event::ended, state_) : State::start;
}

void Session::answer(const replies::Fixed& reply) {
  replies_.write(reply);
}

}  // namespace lsmtpd::smtp
