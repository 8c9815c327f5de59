// SPDX-License-Identifier: Apache-2.0
// Connection: what the session asks before there is a message.
#include <ctime>

#include "base/uuid.hpp"
#include "log/log.hpp"
#include "lsmtpd/session.h"
#include "server/connection.hpp"

namespace lsmtpd::server {

namespace {

constexpr uint64_t kFairEnvelope = 32u << 10;

std::string_view phase_name(uint32_t phase) {
  switch (phase) {
    case LSMTPD_PHASE_CONNECT:
      return "connect";
    case LSMTPD_PHASE_HELO:
      return "helo";
    case LSMTPD_PHASE_MAIL:
      return "mail";
    default:
      return "rcpt";
  }
}

int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

void Connection::ask_phase(uint32_t phase) {
  if (!session_filters_) {
    decided(phase, {});
    return;
  }
  waiting_ = Waiting::phase;
  auto result = session_filters_->run(phase, session_.declared_size(), session_.envelope(),
                                      [this, phase](const pipeline::SessionFilters::Result& later) {
                                        if (ended_) return;
                                        waiting_ = Waiting::nothing;
                                        decided(phase, later);
                                        if (waiting_ == Waiting::nothing) resume();
                                      });
  if (!result) return;
  waiting_ = Waiting::nothing;
  decided(phase, *result);
}

void Connection::decided(uint32_t phase, const pipeline::SessionFilters::Result& result) {
  if (result.refusal) {
    refuse(phase_name(phase), *result.refusal, result.detail);
  } else if (phase == LSMTPD_PHASE_CONNECT) {
    greet();
  } else if (phase == LSMTPD_PHASE_RCPT ? keep_recipient() : admit(phase)) {
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
  waiting_ = Waiting::banner;
  service_.loop.deadlines().arm(idle_deadline_, service_.listener.greet_delay);
}

// What the chain can take decides at HELO what EHLO announces, and at MAIL whether there is any
// point in going on.
bool Connection::admit(uint32_t phase) {
  const auto admission = service_.chain.admission();
  uint64_t limit = service_.config.limits.message_size;
  if (admission.max_message_size && admission.max_message_size < limit)
    limit = admission.max_message_size;
  session_.set_size_limit(limit);
  if (phase == LSMTPD_PHASE_HELO) return true;

  if (ending_) {
    refuse("mail", ending_->reply, ending_->why);
    return false;
  }
  if (!admission.ready) {
    refuse("mail", {452, "4.3.1", "Message cannot be stored now, try again later"},
           admission.reason);
    return false;
  }
  envelope_memory_.release();  // the last one's: a pipelining client may never pause between them
  session_.begin_transaction(new_uuid(), now_ns());
  mail_at_ms_ = service_.loop.now_ms();
  return true;
}

// Envelopes count against the memory budget too: a thousand recipients on each of ten thousand
// connections add up. Where memory is short only small ones go on growing, so that the connections
// of one peer cannot take what is left from everybody else.
bool Connection::keep_recipient() {
  const uint64_t size = message::memory_of(session_.envelope().recipients.back());
  const bool short_of_memory = service_.resources.memory.used() > service_.resources.soft_limit();
  const bool fair = !short_of_memory || envelope_memory_.held() + size <= kFairEnvelope;
  if (fair && envelope_memory_.reserve(size)) return true;
  refuse("rcpt", {452, "4.3.1", "Out of memory, try again later"}, "limits.memory is used up");
  return false;
}

void Connection::refuse(std::string_view at, const smtp::Reply& reply, std::string_view why) {
  log_refused(at, reply, why);
  session_.refuse(reply);
}

}  // namespace lsmtpd::server
