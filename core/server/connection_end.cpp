// SPDX-License-Identifier: Apache-2.0
// Connection: how it ends, by a deadline, for want of memory, by a drain or by the client.
#include "log/log.hpp"
#include "server/connection.hpp"

namespace lsmtpd::server {

namespace {

constexpr uint64_t kHeldStep = 1024;  // below it, what a connection holds is part of its price
constexpr uint64_t kRateWindowMs = 30'000;
constexpr uint64_t kLastReplyMs = 30'000;  // for the client to take it

constexpr std::string_view kNoMemory = "limits.memory is used up";

}  // namespace

// Half a line, a long sender or replies that are not taken are little, but not on each of ten
// thousand connections. False: the connection is closing.
bool Connection::account() {
  const uint64_t held = session_.held() + stream_->unsent();
  if (held_memory_.resize(held - held % kHeldStep)) return true;
  if (waits_for_us() && stream_->unsent() >= kHeldStep) {  // which may take long
    log_closed(log::Level::warn, kNoMemory);
    close();
    return false;
  }
  return out_of_memory();
}

// Input is lost: nothing of the client's is done after it, but what was begun has its outcome.
bool Connection::out_of_memory() {
  shut_down({.reply = {421, "4.3.2", "Out of memory, try again later"},
             .why = kNoMemory,
             .level = log::Level::warn});
  return waits_for_us();
}

void Connection::arm_deadlines() {
  auto& deadlines = service_.loop.deadlines();
  const auto& timeouts = service_.config.timeouts;
  if (!session_.in_transaction()) envelope_memory_.release();
  if (waiting_ == Waiting::banner) return;
  if (waits_for_us()) {
    idle_deadline_.disarm();
    rate_deadline_.disarm();
    return;
  }
  const bool in_data = session_.in_data();
  // A command has its time from the end of the one before, however many octets of it come; what
  // comes too slowly within data is limits.data_rate's.
  if (in_data || !idle_deadline_.armed() || progress_at_arming_ != session_.progress()) {
    deadlines.arm(idle_deadline_, in_data ? timeouts.data_idle : timeouts.command);
    progress_at_arming_ = session_.progress();
  }
  if (!in_data) {
    rate_deadline_.disarm();
  } else if (!rate_deadline_.armed() && service_.config.limits.data_rate) {
    octets_at_rate_check_ = session_.message_octets();
    deadlines.arm(rate_deadline_, kRateWindowMs);
  }
}

void Connection::idle_too_long() {
  if (closing_) {
    close();
    return;
  }
  if (waiting_ == Waiting::banner) {  // greet_delay has passed, and the client kept silent
    session_.proceed();
    resume();
    return;
  }
  const bool in_data = session_.in_data();
  Ending ending{{421, "4.4.2",
                 in_data ? "Timeout while reading data" : "Timeout while waiting for a command"},
                in_data ? "timeouts.data_idle passed" : "timeouts.command passed"};
  if (waiting_ == Waiting::client) {  // it would not read this one either
    log_closed(log::Level::info, ending.why);
    close();
    return;
  }
  shut_down(std::move(ending));
}

void Connection::too_slow() {
  const uint64_t octets = session_.message_octets() - octets_at_rate_check_;
  octets_at_rate_check_ = session_.message_octets();
  if (octets >= service_.config.limits.data_rate * kRateWindowMs / 1000) {
    service_.loop.deadlines().arm(rate_deadline_, kRateWindowMs);
    return;
  }
  shut_down({{421, "4.4.2", "Data comes too slowly"}, "slower than limits.data_rate"});
}

// Ends the session from our side, as soon as what it waits for is there: while the chain has the
// message, the reply must wait for its outcome. The first reason stands, but for one that waits:
// a session that is to end at once must not go on to the end of its transaction.
void Connection::shut_down(Ending ending) {
  if (closing_ || ended_ || (ending_ && !ending_->after_transaction)) return;
  ending_ = std::make_unique<const Ending>(std::move(ending));
  if (waits_for_us()) return;
  if (ending_->after_transaction && session_.in_transaction()) return;
  waiting_ = Waiting::nothing;
  drive({});
}

// True: the session has just been ended.
bool Connection::end_if_due() {
  if (!ending_ || session_.closing()) return false;
  if (ending_->after_transaction && session_.in_transaction()) return false;
  send_replies();  // so that the log knows what the kernel did not take
  log_closed(ending_->level, ending_->why);
  body_.reset();
  session_.shut_down(ending_->reply);
  envelope_memory_.release();
  return true;
}

// Once: what ends in another way after all has its line.
void Connection::log_closed(log::Level level, std::string_view why) {
  if (std::exchange(closed_logged_, true)) return;
  log::write(level, "closed",
             {{"id", session_.envelope().id},
              {"peer", peer_.text()},
              {"listener", service_.listener.name},
              {"unsent", stream_->unsent()},
              {"why", why}});
}

void Connection::drain() {
  shut_down({.reply = {421, "4.3.2", service_.smtp.hostname + " is shutting down"},
             .why = "shutting down",
             .after_transaction = true});
}

void Connection::on_end(bool end) {
  if (chain_run_ && chain_run_->cancel()) {
    log::info("cancelled",
              {{"id", envelope_->id}, {"peer", peer_.text()}, {"why", "the client is gone"}});
    chain_run_.reset();
  } else if (end && waiting_ != Waiting::nothing && waiting_ != Waiting::banner) {
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

// Once the client has taken its last replies, there may be a stored message's 250 in them.
// `linger`: it may still be sending. Where what it has left unread finds no memory, at once; the
// very last reply is part of a connection's price.
void Connection::close_when_sent(bool linger) {
  std::string().swap(kept_);
  kept_memory_.release();
  const uint64_t unsent = stream_->unsent() - stream_->unsent() % kHeldStep;
  if (!held_memory_.resize(unsent) && unsent > held_memory_.held() + kHeldStep) {
    log_closed(log::Level::warn, kNoMemory);
    close();
    return;
  }
  closing_ = true;
  stream_->close_when_sent(linger);
  rate_deadline_.disarm();
  service_.loop.deadlines().arm(idle_deadline_, kLastReplyMs);
}

void Connection::log_if_incomplete(std::string_view why) {
  if (waiting_ == Waiting::outcome || !(session_.in_message() || body_complete_)) return;
  log::info("cancelled", {{"id", session_.envelope().id}, {"peer", peer_.text()}, {"why", why}});
}

void Connection::close() {
  if (closed_) return;
  ended_ = true;
  idle_deadline_.disarm();
  session_deadline_.disarm();
  rate_deadline_.disarm();
  stream_->close();
}

void Connection::on_closed() {
  closed_ = ended_ = true;
  stream_.reset();
  go_if_idle();
}

// Closed, and nothing under way will come back to us: gone.
void Connection::go_if_idle() {
  if (closed_ && !busy()) service_.gone(*this);
}

}  // namespace lsmtpd::server
