#include "server/connection.hpp"

#include "log/log.hpp"
#include "lsmtpd/session.h"

namespace lsmtpd::server {

using smtp::Action;

namespace {

// Replies are written out at least this often, so that a long batch neither grows without bound nor
// makes the client wait.
constexpr size_t kRepliesAtOnce = 16u << 10;
constexpr size_t kRepliesKept = 512;  // what an idle connection's buffer may keep
constexpr uint64_t kHeldStep = 1024;  // below it, what a connection holds is part of its price
constexpr uint64_t kRateWindowMs = 30'000;
constexpr uint64_t kLastReplyMs = 30'000;  // for the client to take it

constexpr std::string_view kNoMemory = "limits.memory is used up";

}  // namespace

Connection::Connection(const Service& service, std::unique_ptr<io::TcpStream> stream,
                       io::Endpoint peer)
    : service_(service),
      stream_(std::move(stream)),
      peer_(std::move(peer)),
      session_(service.smtp),
      kept_memory_(service.store.memory),
      held_memory_(service.store.memory),
      envelope_memory_(service.store.memory),
      idle_deadline_([this] { idle_too_long(); }),
      session_deadline_([this] {
        shut_down({{421, "4.4.2", "Session took too long"}, "timeouts.session passed"});
      }),
      rate_deadline_([this] { too_slow(); }) {
  stream_->set_handler(*this);
  session_.set_origin(service.listener.name, peer_.address, peer_.port);
  if (!service.chain.sessions.empty()) {
    checks_ = std::make_unique<pipeline::Checks>(service.chain, service.next_session++);
  }
}

Connection::~Connection() {
  service_.peers.leave(peer_.address);
}

void Connection::start() {
  service_.loop.deadlines().arm(session_deadline_, service_.config.timeouts.session);
  drive({});
}

void Connection::on_read(std::string_view bytes) {
  if (waiting_ == Waiting::banner) {
    waiting_ = Waiting::nothing;
    session_.early_talker();
    drive({});
    return;
  }
  if (waiting_ != Waiting::nothing) {
    keep(bytes);
    return;
  }
  drive(bytes);
}

// Lets the session eat `input` until it waits for something, then writes what it has to say.
void Connection::drive(std::string_view input) {
  while (waiting_ == Waiting::nothing) {
    end_if_due();
    const Action action = session_.next(input);
    if (action == Action::need_input && !end_if_due()) break;
    if (!act(action)) return;  // closing
    if (session_.replies().size() > kRepliesAtOnce && !write_replies()) return;
  }
  if (!write_replies()) return;
  if (waiting_ == Waiting::nothing && body_ && body_->wants_flush()) flush_body();
  if (!input.empty() && !keep(input)) return;
  if (!account()) return;
  if (half_closed_ && waiting_ == Waiting::nothing) {
    end_half_closed();
    return;
  }
  arm_deadlines();
}

// Does one thing the session asks for; false when the connection closes.
bool Connection::act(Action action) {
  switch (action) {
    case Action::need_input:
      break;
    case Action::check_connect:
      check(LSMTPD_STAGE_CONNECT);
      break;
    case Action::check_helo:
      check(LSMTPD_STAGE_HELO);
      break;
    case Action::check_mail:
      check(LSMTPD_STAGE_MAIL);
      break;
    case Action::check_rcpt:
      check(LSMTPD_STAGE_RCPT);
      break;
    case Action::body_start:
      start_body();
      break;
    case Action::body:
      take_body(session_.body());
      break;
    case Action::body_discard:
      body_.reset();
      break;
    case Action::body_end:
      end_body();
      break;
    case Action::refused: {
      const auto& refusal = session_.refusal();
      log_refused(refusal.of_message ? "data" : "command", {static_cast<int>(refusal.code)},
                  refusal.why);
      break;
    }
    case Action::close:
      if (write_replies()) close_when_sent(!ended_);
      return false;
  }
  return true;
}

// What was waited for is there.
void Connection::resume() {
  waiting_ = Waiting::nothing;
  const std::string input = std::exchange(kept_, {});
  kept_memory_.release();
  drive(input);
  if (!half_closed_ && (waiting_ == Waiting::nothing || kept_.empty())) stream_->read_start();
}

// False, here and below: the connection is closing.
bool Connection::keep(std::string_view input) {
  stream_->read_stop();
  if (!kept_memory_.grow(input.size())) return out_of_memory();
  kept_.append(input);
  return true;
}

// Half a line, a long sender or replies that are not taken are little, but not on each of ten
// thousand connections.
bool Connection::account() {
  return has_room() || out_of_memory();
}

bool Connection::has_room() {
  const uint64_t held = session_.held() + stream_->unsent();
  return held_memory_.hold(held - held % kHeldStep);
}

// Input is lost: nothing of the client's is done after it, but what was begun has its outcome.
bool Connection::out_of_memory() {
  shut_down({.reply = {421, "4.3.2", "Out of memory, try again later"},
             .why = kNoMemory,
             .level = log::Level::warn});
  return waits_for_us();
}

bool Connection::write_replies() {
  auto& replies = session_.replies();
  if (replies.empty()) return true;
  // What was left unread before counts, not this batch: in LMTP one message may have very many
  // replies.
  if (stream_->unsent() > service_.config.limits.unread_replies) {
    log_closed(log::Level::warn, "limits.unread_replies passed");
    close();
    return false;
  }
  stream_->write(replies);
  replies.clear();
  if (replies.capacity() > kRepliesKept) replies.shrink_to_fit();
  if (stream_->unsent() > 0 && waiting_ == Waiting::nothing) waiting_ = Waiting::client;
  return true;
}

void Connection::on_drained() {
  idle_deadline_.disarm();  // the time that the client took to read is not its next command's
  if (waiting_ == Waiting::client) resume();
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
  log_closed(ending_->level, ending_->why);
  body_.reset();
  session_.shut_down(ending_->reply);
  envelope_memory_.release();
  return true;
}

// Once: what ends in another way after all has its line.
void Connection::log_closed(log::Level level, std::string_view why) {
  if (std::exchange(closed_logged_, true)) return;
  const uint64_t unsent = stream_->unsent() + session_.replies().size();
  log::write(level, "closed",
             {{"id", session_.envelope().id},
              {"peer", peer_.text()},
              {"listener", service_.listener.name},
              {"unsent", unsent},
              {"why", why}});
}

void Connection::drain() {
  shut_down({.reply = {421, "4.3.2", service_.smtp.hostname + " is shutting down"},
             .why = "shutting down",
             .after_transaction = true});
}

void Connection::on_end(bool end) {
  if (transaction_ && transaction_->cancel()) {
    log::info("cancelled",
              {{"id", envelope_->id}, {"peer", peer_.text()}, {"why", "the client is gone"}});
    transaction_.reset();
  } else if (end && waiting_ != Waiting::nothing && waiting_ != Waiting::banner) {
    half_closed_ = true;  // it gets the replies to what it has sent
    return;
  }
  ended_ = true;
  log_if_incomplete(end ? "the client left in the middle of its message" : "connection lost");
  close();
}

void Connection::end_half_closed() {
  log_if_incomplete("the client left in the middle of its message");
  close_when_sent(false);
}

// Once the client has taken its last replies, there may be a stored message's 250 in them.
// `linger`: it may still be sending. Where even they find no memory, at once.
void Connection::close_when_sent(bool linger) {
  std::string().swap(kept_);
  kept_memory_.release();
  if (!has_room()) {
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
  if (!session_.in_message() || waiting_ == Waiting::outcome) return;
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
  closed_ = true;
  stream_.reset();
  go_if_idle();
}

// Closed, and nothing under way will come back to us: gone.
void Connection::go_if_idle() {
  if (closed_ && !busy()) service_.gone(*this);
}

}  // namespace lsmtpd::server
