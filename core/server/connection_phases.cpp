// SPDX-License-Identifier: Apache-2.0
// Connection: what the session asks before there is a message.
#include <ctime>

#include "base/uuid.hpp"
#include "log/log.hpp"
#include "server/connection.hpp"

namespace lsmtpd::server {

namespace {

int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

void Connection::ask_phase(smtp::Phase phase) {
  if (!session_filters_) {
    decided(phase, {});
    return;
  }
  auto result = session_filters_->run(phase, session_.declared_size(), session_.envelope(),
                                      [this, phase](const pipeline::SessionFilters::Result& later) {
                                        if (over()) return;
                                        advance(Event::filters_answered);
                                        decided(phase, later);
                                        if (state_ == State::reading) resume();
                                      });
  if (result) {
    decided(phase, *result);
  } else {
    advance(Event::filters_asked);
  }
}

void Connection::decided(smtp::Phase phase, const pipeline::SessionFilters::Result& result) {
  if (result.refusal) {
    refuse(smtp::phase_name(phase), *result.refusal, result.detail);
  } else if (phase == smtp::Phase::connect) {
    greet();
  } else if (phase == smtp::Phase::data) {
    start_body();
  } else if (phase == smtp::Phase::rcpt ? keep_recipient() : admit(phase)) {
    session_.proceed();
  }
}

// The banner goes out once the client has shown that it waits for it (greet_delay), and never to
// one that did not.
void Connection::greet() {
  stream_->read_start();
  if (stream_->has_unread_bytes()) {
    session_.early_talker();
    return;
  }
  if (service_.listener.greet_delay == 0) {
    session_.proceed();
    return;
  }
  advance(Event::delay_begun);
  timers_.begin_delay(deadlines(), service_.listener.greet_delay);
}

// What the chain can take decides at HELO what EHLO announces, and at MAIL whether there is any
// point in going on.
bool Connection::admit(smtp::Phase phase) {
  const plugin::Lane* limited_by = nullptr;
  const auto admission = service_.chain.admission(&limited_by);
  uint64_t limit = service_.limits.message_size;
  size_limit_by_ = "limits.message_size";
  if (admission.max_message_size && admission.max_message_size < limit) {
    limit = admission.max_message_size;
    size_limit_by_ = limited_by->name();
  }
  session_.set_size_limit(limit);
  if (phase == smtp::Phase::helo) return true;

  if (ending_) {
    refuse("mail", ending_->reply, ending_->why);
    return false;
  }
  if (!admission.ready) {
    refuse("mail", make(smtp::replies::kNotReady), admission.reason);
    return false;
  }
  memory_.release_envelope();  // the last one's: a pipelining client may never pause between them
  end_transaction();           // RSET and MAIL may have come at once
  session_.begin_transaction(new_uuid(), now_ns());
  if (session_filters_) transaction_id_ = session_.envelope().id;
  mail_at_ms_ = service_.loop.now_ms();
  return true;
}

bool Connection::keep_recipient() {
  if (memory_.add_recipient(message::memory_of(session_.envelope().recipients.back()))) return true;
  const auto& reply = smtp::replies::kNoRoomForRecipient;
  refuse("rcpt", make(reply), reason_of(reply));
  return false;
}

void Connection::refuse(std::string_view at, const smtp::Reply& reply, std::string_view why) {
  log_refused(at, reply, why);
  if (at == "data") transaction_end_ = message::TransactionEnd::refused;
  session_.refuse(reply);
}

}  // namespace lsmtpd::server
