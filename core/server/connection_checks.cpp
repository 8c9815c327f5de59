// Connection: what the session asks before there is a message.
#include <ctime>

#include "base/uuid.hpp"
#include "log/log.hpp"
#include "lsmtpd/session.h"
#include "server/connection.hpp"

namespace lsmtpd::server {

namespace {

constexpr uint64_t kFairEnvelope = 32u << 10;

std::string_view stage_name(uint32_t stage) {
  switch (stage) {
    case LSMTPD_STAGE_CONNECT:
      return "connect";
    case LSMTPD_STAGE_HELO:
      return "helo";
    case LSMTPD_STAGE_MAIL:
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

void Connection::check(uint32_t stage) {
  if (!checks_) {
    decided(stage, {});
    return;
  }
  waiting_ = Waiting::check;
  auto result = checks_->run(stage, session_.declared_size(), session_.envelope(),
                             [this, stage](const pipeline::Checks::Result& later) {
                               if (ended_) return;
                               waiting_ = Waiting::nothing;
                               decided(stage, later);
                               if (waiting_ == Waiting::nothing) resume();
                             });
  if (!result) return;
  waiting_ = Waiting::nothing;
  decided(stage, *result);
}

void Connection::decided(uint32_t stage, const pipeline::Checks::Result& result) {
  if (result.refusal) {
    refuse(stage_name(stage), *result.refusal, result.detail);
  } else if (stage == LSMTPD_STAGE_CONNECT) {
    greet();
  } else if (stage == LSMTPD_STAGE_RCPT ? keep_recipient() : admit(stage)) {
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
bool Connection::admit(uint32_t stage) {
  const auto admission = service_.chain.admission();
  uint64_t limit = service_.config.limits.message_size;
  if (admission.max_message_size && admission.max_message_size < limit)
    limit = admission.max_message_size;
  session_.set_size_limit(limit);
  if (stage == LSMTPD_STAGE_HELO) return true;

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
  const bool short_of_memory = service_.store.memory.used() > service_.store.soft_limit();
  const bool fair = !short_of_memory || envelope_memory_.held() + size <= kFairEnvelope;
  if (fair && envelope_memory_.grow(size)) return true;
  refuse("rcpt", {452, "4.3.1", "Out of memory, try again later"}, "limits.memory is used up");
  return false;
}

void Connection::refuse(std::string_view at, const smtp::Reply& reply, std::string_view why) {
  log_refused(at, reply, why);
  session_.refuse(reply);
}

}  // namespace lsmtpd::server
