// SPDX-License-Identifier: Apache-2.0
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

}  // namespace

Connection::Connection(const Service& service, std::unique_ptr<io::TcpStream> stream,
                       io::Endpoint peer)
    : service_(service),
      stream_(std::move(stream)),
      peer_(std::move(peer)),
      session_(service.smtp),
      kept_memory_(service.resources.memory),
      held_memory_(service.resources.memory),
      envelope_memory_(service.resources.memory),
      idle_deadline_([this] { idle_too_long(); }),
      session_deadline_([this] {
        shut_down({{421, "4.4.2", "Session took too long"}, "timeouts.session passed"});
      }),
      rate_deadline_([this] { too_slow(); }) {
  stream_->set_handler(*this);
  session_.set_origin(service.listener.name, peer_.address, peer_.port);
  if (!service.chain.sessions.empty()) {
    session_filters_ =
        std::make_unique<pipeline::SessionFilters>(service.chain, service.next_session++);
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
    case Action::phase_connect:
      ask_phase(LSMTPD_PHASE_CONNECT);
      break;
    case Action::phase_helo:
      ask_phase(LSMTPD_PHASE_HELO);
      break;
    case Action::phase_mail:
      ask_phase(LSMTPD_PHASE_MAIL);
      break;
    case Action::phase_rcpt:
      ask_phase(LSMTPD_PHASE_RCPT);
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
  if (ending_ && !ending_->after_transaction) return waits_for_us();  // nobody will look at it
  if (!kept_memory_.reserve(input.size())) return out_of_memory();
  kept_.append(input);
  return true;
}

bool Connection::write_replies() {
  if (session_.replies().empty()) return true;
  // What was left unread before counts, not this batch: in LMTP one message may have very many
  // replies. The last reply of all is no reason to give up those before it.
  if (stream_->unsent() > service_.config.limits.unread_replies && !session_.closing()) {
    log_closed(log::Level::warn, "limits.unread_replies passed");
    close();
    return false;
  }
  send_replies();
  if (stream_->unsent() > 0 && waiting_ == Waiting::nothing) waiting_ = Waiting::client;
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
  idle_deadline_.disarm();  // the time that the client took to read is not its next command's
  if (waiting_ == Waiting::client) resume();
}

}  // namespace lsmtpd::server
