// SPDX-License-Identifier: Apache-2.0
// Connection: how it ends, by a deadline, for want of memory, by a drain or by the client.
#include "log/log.hpp"
#include "server/connection.hpp"

namespace lsmtpd::server {

Connection::Ending Connection::because(const smtp::replies::Fixed& reply, log::Level level) {
  using namespace smtp::replies;
  Reason reason = reason_of(code_of(reply), enhanced_of(reply));
  if (&reply == &kOutOfMemory) reason = Reason::memory;
  if (&reply == &kTooManyConnections) reason = Reason::connections;
  if (&reply == &kTooManyFromPeer) reason = Reason::connections_per_peer;
  return {.reply = make(reply), .why = reason_of(reply), .level = level, .reason = reason};
}

// Half a line, a long sender or replies that are not taken are little, but not on each of ten
// thousand connections. False: the connection is closing.
bool Connection::hold_memory() {
  if (memory_.hold(session_.held() + stream_->unsent())) return true;
  if (waits_for_us() && stream_->unsent() >= MemoryAccount::kStep) {  // which may take long
    log_closed(log::Level::warn, reason_of(smtp::replies::kOutOfMemory));
    close();
    return false;
  }
  return out_of_memory();
}

// Input is lost: nothing of the client's is done after it, but what was begun has its outcome.
bool Connection::out_of_memory() {
  shut_down(because(smtp::replies::kOutOfMemory, log::Level::warn));
  return waits_for_us();
}

void Connection::arm_deadlines() {
  if (!session_.in_transaction()) {
    memory_.release_envelope();
    go_over_if_idle();
  }
  if (state_ == State::banner || state_ == State::handshake) return;
  if (waits_for_us()) {
    timers_.expect_us(deadlines());
  } else {
    timers_.expect_client(deadlines(), {session_.in_data(), session_.in_message(),
                                        session_.progress(), session_.message_octets()});
  }
}

void Connection::idle_too_long() {
  if (state_ == State::closing) {
    close();
    return;
  }
  if (state_ == State::banner) {  // greet_delay has passed, and the client kept silent
    advance(Event::delay_over);
    session_.proceed();
    resume();
    return;
  }
  if (state_ == State::handshake) {
    tls_failed("timeouts.tls passed");
    close();
    return;
  }
  Ending ending =
      because(session_.in_data() ? smtp::replies::kDataTimeout : smtp::replies::kCommandTimeout);
  if (state_ == State::unread) {  // it would not read this one either
    log_closed(log::Level::info, ending.why);
    close();
    return;
  }
  shut_down(std::move(ending));
}

// Ends the session from our side, as soon as what it waits for is there: while the chain has the
// message, the reply must wait for its outcome. The first reason stands, but for one that waits:
// a session that is to end at once must not go on to the end of its transaction.
void Connection::shut_down(Ending ending) {
  if (state_ == State::closing || over() || (ending_ && !ending_->after_transaction)) return;
  if (state_ == State::handshake) {  // nobody can be told
    log_closed(ending.level, ending.why);
    close();
    return;
  }
  ending_ = std::make_unique<const Ending>(std::move(ending));
  if (waits_for_us()) return;
  if (ending_->after_transaction && session_.in_transaction()) return;
  advance(Event::client_given_up);
  drive({});
}

// True: the session has just been ended.
bool Connection::end_if_due() {
  if (!ending_ || session_.closing()) return false;
  if (ending_->after_transaction && session_.in_transaction()) return false;
  send_replies();  // so that the log knows what the kernel did not take
  log_closed(ending_->level, ending_->why);
  service_->metrics.count_refusal(session_.in_data() ? RefusedAt::data : RefusedAt::command,
                                  static_cast<uint32_t>(ending_->reply.code), ending_->reason);
  receiver_.discard();
  session_.shut_down(ending_->reply);
  memory_.release_envelope();
  return true;
}

// Once: what ends in another way after all has its line.
void Connection::log_closed(log::Level level, std::string_view why) {
  if (std::exchange(closed_logged_, true)) return;
  const std::string peer = remote_.text();
  log_line(level, "closed",
           {{"id", session_.envelope().id},
            {"peer", peer},
            {"listener", service_->listener.name},
            {"unsent", stream_->unsent()},
            {"why", why}});
}

void Connection::log_line(log::Level level, log::Event event, log::Fields& fields) const {
  const std::string proxy = origin_.proxied ? origin_.proxy.text() : std::string();
  if (origin_.proxied) fields.add({"proxy", proxy});
  log::write(level, event, fields);
}

// A client that is idle in a transaction, or does not take its 421, must not hold the stop for
// long.
void Connection::drain() {
  if (state_ != State::banner) timers_.hurry(deadlines());
  give_up_auth_wait();
  shut_down({.reply = smtp::replies::shutting_down(service_->listener.smtp.hostname),
             .why = "shutting down",
             .after_transaction = true});
}

// False: no filter is asked.
bool Connection::cancel_filters() {
  if (state_ == State::phase) {
    cancel_auth();
    if (session_filters_) session_filters_->cancel();
    advance(Event::phase_answered);
    return true;
  }
  if (!chain_run_ || !chain_run_->cancel()) return false;
  chain_run_.reset();
  advance(Event::chain_done);
  return true;
}

// Messages under way are left to the outputs: without its 250 the client sends it again.
void Connection::cut_off() {
  if (over() || !cancel_filters()) return;
  ending_ = std::make_unique<const Ending>(
      Ending{.reply = smtp::replies::shutting_down(service_->listener.smtp.hostname),
             .why = "timeouts.drain passed"});
  envelope_.reset();
  drive({});
}

bool Connection::filters_are_asked_at_connect() const {
  return state_ == State::phase && session_filters_ && !auth_pending() &&
         session_filters_->phase() == message::Phase::connect;
}

void Connection::on_end(End how) {
  const bool within = session_.in_message() || session_.within_command();
  const bool end = how == End::goodbye || (how == End::silent && !within);
  if (chain_run_ && chain_run_->cancel()) {
    const std::string peer = remote_.text();
    log::Fields fields = {{"id", envelope_->id}, {"peer", peer}, {"why", "the client is gone"}};
    if (!traceparent_.empty()) fields.add({"traceparent", traceparent_});
    log_line(log::Level::info, "cancelled", fields);
    service_->metrics.count_cancelled();
    chain_run_.reset();
    advance(Event::chain_done);
  } else if (end && state_ != State::reading && state_ != State::banner &&
             !filters_are_asked_at_connect()) {
    half_closed_ = true;  // it gets the replies to what it has sent
    return;
  }
  log_if_incomplete(end ? "the client left in the middle of its message" : "connection lost");
  close();
}

void Connection::end_half_closed() {
  log_if_incomplete("the client left in the middle of its message");
  close_when_sent(false);
}

// Closes once the last replies are sent: one of them may be the 250 of a stored message.
// `linger`: it may still be sending. Where what it has left unread finds no memory, at once; the
// very last reply is part of a connection's price.
void Connection::close_when_sent(bool linger) {
  std::string().swap(kept_);
  memory_.release_input();
  if (!memory_.hold_last(stream_->unsent())) {
    log_closed(log::Level::warn, reason_of(smtp::replies::kOutOfMemory));
    close();
    return;
  }
  advance(Event::last_reply);
  stream_->close_when_sent(linger);
  timers_.expect_last_reply(deadlines());
}

void Connection::log_if_incomplete(std::string_view why) {
  if (state_ == State::chain || !(session_.in_message() || receiver_.complete())) return;
  const std::string peer = remote_.text();
  log_line(log::Level::info, "cancelled",
           {{"id", session_.envelope().id}, {"peer", peer}, {"why", why}});
}

void Connection::close() {
  if (!stream_) return;
  advance(Event::over);
  timers_.stop();
  stream_->close();
}

void Connection::on_closed() {
  advance(Event::over);
  timers_.stop();
  stream_.reset();
  go_if_idle();
}

// Closed, and nothing under way will come back to us: gone.
void Connection::go_if_idle() {
  if (!stream_ && state_ == State::ended) service_->gone(*this);
}

}  // namespace lsmtpd::server
