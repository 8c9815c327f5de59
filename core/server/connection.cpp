// SPDX-License-Identifier: Apache-2.0
#include "server/connection.hpp"

#include "base/invariant.hpp"
#include "log/log.hpp"

namespace lsmtpd::server {

using smtp::Action;

namespace {

// Replies are written out at least this often, so that a long batch neither grows without bound nor
// makes the client wait.
constexpr size_t kRepliesAtOnce = 16u << 10;
constexpr size_t kSlice = 4096;  // input the session gets at a time: it works through all of it

}  // namespace

Connection::Connection(std::shared_ptr<const Service> service, std::unique_ptr<io::Stream> stream,
                       std::shared_ptr<Peer> peer, Origin origin)
    : service_(std::move(service)),
      peer_(std::move(peer)),
      stream_(std::move(stream)),
      remote_(stream_->peer()),
      origin_(std::move(origin)),
      session_(service_->listener.smtp),
      memory_(service_->resources, peer_),
      timers_(service_->limits, service_->timeouts,
              {[this] { idle_too_long(); },
               [this] { shut_down(because(smtp::replies::kSessionTooLong)); },
               [this] { shut_down(because(smtp::replies::kDataTooSlow)); }}),
      turn_(service_->limits.turn_ns),
      receiver_(service_->resources, peer_),
      number_(service_->next_session++),
      connected_ms_(service_->loop.now_ms()) {
  service_->metrics.connections.add(1);
  stream_->set_handler(*this);
  session_.set_origin(service_->listener.name, remote_.address, remote_.port);
  if (origin_.proxied) session_.set_proxy(origin_.proxy.address, origin_.tls);
  if (any_contains(service_->listener.xclient_from, remote_.address)) session_.allow_xclient();
  offer_auth();
  io::Endpoint local = stream_->local();
  session_.set_connection(number_, std::move(local.address), local.port);
  if (!service_->chain.session_filters.empty()) {
    session_filters_ = std::make_unique<pipeline::SessionFilters>(chain(), number_);
  }
  if (service_->traces && !service_->traces->empty()) begin_traces();
}

Connection::~Connection() {
  if (trace_) trace_->event("the session is over");
  auth_call_.abandon(nullptr);
  log_refusals();
  end_transaction();
  service_->metrics.connections.add(-1);
  if (in_tls_) service_->metrics.tls_sessions.add(-1);
  service_->peers.leave(peer_);
}

// Between commands: the session may have forgotten the transaction, whoever was the reason. While
// the chain has its message it goes on.
void Connection::tell_transaction_end() {
  if (transaction_id_.empty() || envelope_) return;
  if (session_.envelope().id != transaction_id_) end_transaction();
}

void Connection::end_transaction() {
  if (transaction_id_.empty()) return;
  session_filters_->transaction_ended(
      std::exchange(transaction_id_, {}),
      std::exchange(transaction_end_, message::TransactionEnd::reset));
}

SessionInfo Connection::describe() const {
  return {.worker = 0,
          .number = number_,
          .peer = remote_.text(),
          .listener = service_->listener.name,
          .state = state_name(state_),
          .seconds = (service_->loop.now_ms() - connected_ms_) / 1000,
          .octets = session_.message_octets(),
          .id = envelope_ ? envelope_->id : session_.envelope().id};
}

void Connection::start() {
  timers_.begin_session(deadlines());
  if (service_->listener.implicit_tls) {
    begin_with_tls();
  } else {
    drive({});
  }
}

// A step that the table does not know is a fault of ours: the session ends as soon as it can.
void Connection::advance(Event event) {
  const State next = after(event, state_);
  if (LSMTPD_INVARIANT(next != State::impossible)) {
    state_ = next;
  } else if (!ending_) {
    ending_ = std::make_unique<const Ending>(because(smtp::replies::kInternalError));
  }
}

void Connection::on_read(std::string_view bytes) {
  if (!LSMTPD_INVARIANT(!half_closed_)) {
    shut_down(because(smtp::replies::kInternalError));
    return;
  }
  if (state_ == State::banner) {
    advance(Event::delay_over);
    session_.early_talker();
    drive({});
    return;
  }
  if (state_ != State::reading) {
    keep(bytes);
    return;
  }
  drive(bytes);
  if (session_.take_secret_seen()) clear(bytes);
}

// Lets the session consume `input` until it waits or its share of this turn is used up,
// then writes what it has to say.
void Connection::drive(std::string_view input) {
  turn_.begin(service_->loop.turn(), !input.empty());
  bool more = true;
  do {
    while (state_ == State::reading) {
      end_if_due();
      std::string_view part = input.substr(0, kSlice);
      const size_t size = part.size();
      const Action action = session_.next(part);
      input.remove_prefix(size - part.size());
      if (action == Action::need_input && !end_if_due()) {
        more = !input.empty();
        turn_.step();  // a slice that is thrown away costs time too
        if (!more || turn_.spent()) break;
        continue;
      }
      if (!act(action)) return;  // closing
      tell_transaction_end();
      if (session_.replies().size() > kRepliesAtOnce && !write_replies()) return;
      if (turn_.step()) break;
    }
    if (!write_replies()) return;
    if (state_ == State::reading && receiver_.wants_flush()) flush_body();
    // Where there is no memory to wait with, it goes on at once.
  } while (state_ == State::reading && !wait_for_turn(input) && more);
  if (state_ == State::turn || state_ == State::handshake) {
    input = {};
  } else if (!input.empty() && !keep(input)) {
    return;
  }
  if (!hold_memory()) return;
  if (half_closed_ && state_ == State::reading) {
    end_half_closed();
    return;
  }
  arm_deadlines();
}

// True: `input` is kept until the next turn, and nothing is read until then.
bool Connection::wait_for_turn(std::string_view input) {
  if (session_.closing() || !turn_.spent() || !memory_.keep_input(input.size())) return false;
  hold_back(input);
  advance(Event::turn_spent);
  service_->loop.post([this] {
    advance(Event::turn_begun);
    if (over()) {
      go_if_idle();
    } else {
      resume();
    }
  });
  return true;
}

// Does one thing the session asks for; false when the connection closes.
bool Connection::act(Action action) {
  switch (action) {
    case Action::need_input:
      break;
    case Action::phase_connect:
      ask_phase(smtp::Phase::connect);
      break;
    case Action::phase_helo:
      ask_phase(smtp::Phase::helo);
      break;
    case Action::phase_mail:
      ask_phase(smtp::Phase::mail);
      break;
    case Action::phase_rcpt:
      ask_phase(smtp::Phase::rcpt);
      break;
    case Action::body_start:
      ask_phase(smtp::Phase::data);
      break;
    case Action::body:
      take_body(session_.body());
      break;
    case Action::body_discard:
      receiver_.discard();
      break;
    case Action::body_end:
      end_body();
      break;
    case Action::authenticate:
      authenticate();
      break;
    case Action::phase_auth:
      ask_phase(smtp::Phase::auth);
      break;
    case Action::new_client:
      change_client();
      break;
    case Action::start_tls:
      return start_tls();
    case Action::refused:
      if (session_.refusal().of_message) transaction_end_ = message::TransactionEnd::refused;
      log_refusal(session_.refusal());
      break;
    case Action::close:
      if (write_replies()) close_when_sent(true);
      return false;
  }
  return true;
}

// XCLIENT has named another client, whom session filters, limits and the log see from now on.
void Connection::change_client() {
  end_transaction();
  memory_.release_envelope();
  if (!std::exchange(origin_.proxied, true)) origin_.proxy = remote_;
  named_by_xclient_ = true;
  remote_ = {session_.envelope().peer_address, session_.envelope().peer_port};
  const bool proxy = remote_.address == origin_.proxy.address;
  auto [admission, peer] =
      service_->peers.enter(remote_.address, proxy ? Peers::Kind::proxy : Peers::Kind::client);
  if (admission != Peers::Admission::yes) {
    const auto& reply = peer ? smtp::replies::kTooManyFromPeer : smtp::replies::kTooManyConnections;
    if (!ending_) ending_ = std::make_unique<const Ending>(because(reply, log::Level::warn));
    return;
  }
  memory_.hand_to(peer);
  receiver_.hand_to(peer);
  if (service_->traces && !service_->traces->empty()) begin_traces();
  log_refusals();
  refused_ = 0;
  service_->peers.leave(std::exchange(peer_, std::move(peer)));
  number_ = service_->next_session++;
  session_.set_session_number(number_);
  missed_.clear();
  if (session_filters_) {
    session_filters_ = std::make_unique<pipeline::SessionFilters>(chain(), number_);
  }
}

}  // namespace lsmtpd::server
