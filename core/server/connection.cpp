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
constexpr size_t kRepliesKept = 512;  // what an idle connection's buffer may keep

}  // namespace

Connection::Connection(const Service& service, std::unique_ptr<io::Stream> stream,
                       std::shared_ptr<Peer> peer)
    : service_(service),
      stream_(std::move(stream)),
      peer_(stream_->peer()),
      account_(std::move(peer)),
      session_(service.listener.smtp),
      memory_(service.resources, account_),
      timers_(service.limits, service.timeouts,
              {[this] { idle_too_long(); },
               [this] { shut_down(because(smtp::replies::kSessionTooLong)); },
               [this] { shut_down(because(smtp::replies::kDataTooSlow)); }}),
      turn_(service.limits.turn_ns),
      receiver_(service.resources, account_) {
  stream_->set_handler(*this);
  session_.set_origin(service.listener.name, peer_.address, peer_.port);
  const uint64_t number = service.next_session++;
  io::Endpoint local = stream_->local();
  session_.set_connection(number, std::move(local.address), local.port);
  if (!service.chain.sessions.empty()) {
    session_filters_ = std::make_unique<pipeline::SessionFilters>(service.chain, number);
  }
}

Connection::~Connection() {
  log_refusals();
  end_transaction();
  service_.peers.leave(account_);
}

// Between commands: the session may have forgotten the transaction, whoever was the reason. While
// the chain has its message it goes on.
void Connection::tell_transaction_end() {
  if (!envelope_ && session_.envelope().id != transaction_id_) end_transaction();
}

void Connection::end_transaction() {
  if (transaction_id_.empty()) return;
  session_filters_->transaction_ended(
      std::exchange(transaction_id_, {}),
      std::exchange(transaction_end_, message::TransactionEnd::reset));
}

void Connection::start() {
  timers_.begin_session(deadlines());
  drive({});
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
}

// Lets the session eat `input` until it waits for something or its share of this turn is used up,
// then writes what it has to say.
void Connection::drive(std::string_view input) {
  turn_.begin(service_.loop.turn(), !input.empty());
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
  if (state_ == State::turn) {
    input = {};
  } else if (!input.empty() && !keep(input)) {
    return;
  }
  if (!account()) return;
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
  service_.loop.post([this] {
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

// What was waited for is there.
void Connection::resume() {
  const std::string input = std::exchange(kept_, {});
  memory_.release_input();
  drive(input);
  const bool reads = state_ == State::reading || (state_ != State::turn && kept_.empty());
  if (!half_closed_ && reads) stream_->read_start();
}

// False, here and below: the connection is closing.
bool Connection::keep(std::string_view input) {
  if (ending_ && !ending_->after_transaction) {  // nobody will look at it
    stream_->read_stop();
    return waits_for_us();
  }
  if (!memory_.keep_input(input.size())) {
    stream_->read_stop();
    return out_of_memory();
  }
  hold_back(input);
  return true;
}

void Connection::hold_back(std::string_view input) {
  stream_->read_stop();
  kept_.append(input);
}

bool Connection::write_replies() {
  if (session_.replies().empty()) return true;
  // What was left unread before counts, not this batch: in LMTP one message may have very many
  // replies. The last reply of all is no reason to give up those before it.
  if (stream_->unsent() > service_.limits.unread_replies && !session_.closing()) {
    log_closed(log::Level::warn, "limits.unread_replies passed");
    close();
    return false;
  }
  send_replies();
  if (stream_->unsent() > 0 && state_ == State::reading) advance(Event::replies_unread);
  return true;
}

void Connection::send_replies() {
  auto& replies = session_.replies();
  if (replies.empty()) return;
  stream_->write(replies);
  replies.clear();
  if (replies.capacity() > kRepliesKept) replies.shrink_to_fit();
}

void Connection::on_drained() {
  timers_.forget_idle();  // the time that the client took to read is not its next command's
  if (state_ != State::unread) return;
  advance(Event::replies_read);
  resume();
}

}  // namespace lsmtpd::server
