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

Session::Session(const Settings& settings) : settings_(settings) {}

void Session::set_origin(std::string listener, std::string peer_address, uint16_t peer_port) {
  envelope_.listener = std::move(listener);
  envelope_.peer_address = std::move(peer_address);
  envelope_.peer_port = peer_port;
}

void Session::set_connection(uint64_t session, std::string local_address, uint16_t local_port) {
  envelope_.session = session;
  envelope_.local_address = std::move(local_address);
  envelope_.local_port = local_port;
}

Action Session::next(std::string_view& input) {
  if (!LSMTPD_INVARIANT(waiting_ == Waiting::nothing)) shut_down(make(replies::kInternalError));
  body_ = {};
  for (;;) {
    if (std::exchange(refused_due_, false)) return Action::refused;
    if (reset_due_) reset_transaction();
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
    case Mode::content:
      return take_content(input);
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
    case Waiting::mail:
      return mail_accepted();
    case Waiting::rcpt:
      ++accepted_;
      state_ = after(Event::rcpt_accepted, state_);
      return answer(replies::kRecipientOk);
    case Waiting::body_start:
      return start_body();
    case Waiting::body_end:
      if (!LSMTPD_INVARIANT(false && "only finish() answers body_end")) {
        shut_down(make(replies::kInternalError));
      }
      break;
    case Waiting::nothing:
      break;  // shut_down() came first
  }
}

void Session::refuse(const Reply& reply) {
  const Waiting waiting = std::exchange(waiting_, Waiting::nothing);
  if (waiting == Waiting::nothing) return;  // shut_down() came first
  if (waiting == Waiting::helo) {
    envelope_.helo.swap(former_helo_);
    envelope_.protocol = greeted_ ? protocol() : std::string_view();
    helo_refusal_ = std::make_unique<const Reply>(reply);
  }
  if (waiting == Waiting::mail) reset_transaction();
  if (waiting == Waiting::rcpt) {
    envelope_.recipients.pop_back();
    state_ = after(Event::rcpt_refused, state_);
  }
  if (waiting == Waiting::body_start) return refuse_body(reply);
  if (reply.code >= 500 && waiting != Waiting::connect && count_error()) return;
  // What is refused for now may be tried again, but not for ever; and who holds recipients gets to
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

void Session::finish(const Reply& reply, const std::vector<Reply>& recipients) {
  if (waiting_ != Waiting::body_end) return;  // shut_down() came first
  waiting_ = Waiting::nothing;
  if (settings_.lmtp && recipients.size() == recipients_to_answer()) {
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
  refused_due_ = discard_due_ = false;
  reader_.release();
  mode_ = Mode::closing;
}

void Session::early_talker() {
  waiting_ = Waiting::nothing;
  deny_and_close(replies::kEarlyTalker);
}

void Session::begin_transaction(std::string id, int64_t time_ns) {
  envelope_.id = std::move(id);
  envelope_.time_ns = time_ns;
}

void Session::set_size_limit(uint64_t octets) {
  content_.set_size_limit(octets);
}

message::Envelope Session::take_envelope() {
  return {.id = std::exchange(envelope_.id, {}),
          .time_ns = envelope_.time_ns,
          .reverse_path = std::exchange(envelope_.reverse_path, {}),
          .parameters = std::exchange(envelope_.parameters, {}),
          .recipients = std::exchange(envelope_.recipients, {}),
          .session = envelope_.session,
          .helo = envelope_.helo,
          .protocol = envelope_.protocol,
          .listener = envelope_.listener,
          .peer_address = envelope_.peer_address,
          .peer_port = envelope_.peer_port,
          .peer_name = envelope_.peer_name,
          .local_address = envelope_.local_address,
          .local_port = envelope_.local_port,
          .proxy_address = envelope_.proxy_address,
          .tls = envelope_.tls,
          .auth = envelope_.auth};
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
  replies_.write_banner(settings_.hostname, settings_.lmtp);
  mode_ = Mode::commands;
}

void Session::start_body() {
  stored_ = true;
  if (chunk_) {
    state_ = after(Event::chunk_accepted, state_);
    content_.begin_chunks(content_rules(), mail_.binary);
    return;
  }
  answer(replies::kGoAhead);
  mode_ = Mode::content;
  content_.begin_data(content_rules());
}

// A refused chunk is still received, and answered at its end (RFC 3030 2).
void Session::refuse_body(const Reply& reply) {
  if (chunk_ && !ends_connection(reply)) return content_.refuse(reply);
  replies_.write(reply);
  reset_transaction();
  mode_ = ends_connection(reply) ? Mode::closing : Mode::commands;
}

void Session::reset_transaction() {
  reset_due_ = false;
  discard();
  let_go(envelope_.id, envelope_.reverse_path, envelope_.parameters,
         envelope_.recipients);  // the rest is the session's
  envelope_.time_ns = 0;
  content_.reset();
  let_go(failed_chunk_);
  mail_ = {};
  if (greeted_) envelope_.protocol = protocol();  // it may have been a message's: UTF8SMTP
  accepted_ = 0;
  state_ = greeted_ ? after(Event::ended, state_) : State::start;
}

void Session::answer(const replies::Fixed& reply) {
  replies_.write(reply);
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
  tell_refusal(replies::reason_of(reply), replies::code_of(reply), of_message);
  refusal_.too_large = &reply == &replies::kTooLarge;
}

void Session::tell_refusal(std::string_view why, uint32_t code, bool of_message) {
  constexpr size_t kLongestArgument = 200;
  refusal_ = {.why = why, .code = code, .of_message = of_message};
  refused_due_ = true;
  if (command_ == nullptr) return;
  refusal_.verb = command_->name;
  // What is not known may be a password that was sent at the wrong time.
  if (command_->verb != Verb::missing && command_->verb != Verb::unknown) {
    refusal_.argument = command_->argument.substr(0, kLongestArgument);
  }
}

// True: it was one too many, and the client has been told so.
bool Session::count_error() {
  if (++errors_ <= settings_.errors) return false;
  deny_and_close(replies::kTooManyErrors);
  return true;
}

}  // namespace lsmtpd::smtp
