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
  if (phase == smtp::Phase::mail) {
    end_transaction();  // RSET and MAIL may have come at once: filters hear of the end first
    go_over_at_mail();
    session_.begin_transaction(new_uuid(), now_ns());
  }
  if (session_filters_) {
    ask_filters(phase);
  } else {
    decided(phase, {});
  }
}

// About the phases that they missed too, one after the other, and about that one last.
void Connection::ask_filters(smtp::Phase phase) {
  for (bool decided_it = false; !decided_it;) {
    const smtp::Phase asked = missed_.empty() ? phase : missed_.front();
    auto envelope = asked == phase
                        ? session_.share_envelope()
                        : std::make_shared<const message::Envelope>(without_transaction());
    auto result = session_filters_->run(
        asked, asked == phase ? session_.declared_size() : 0, std::move(envelope),
        [this, asked, phase](const pipeline::SessionFilters::Result& later) {
          if (over()) return;
          advance(Event::phase_answered);
          if (!heard(asked, phase, later)) ask_filters(phase);
          if (state_ == State::reading) resume();
        });
    if (!result) {
      advance(Event::phase_asked);
      // Before the banner nobody reads yet, and a client that leaves is to be noticed.
      if (phase == smtp::Phase::connect) stream_->read_start();
      return;
    }
    decided_it = heard(asked, phase, *result);
  }
}

// False: the next one is to be asked about.
bool Connection::heard(smtp::Phase asked, smtp::Phase phase,
                       const pipeline::SessionFilters::Result& result) {
  if (asked != phase && !result.refusal) {
    missed_.erase(missed_.begin());
    return false;
  }
  decided(phase, result);
  return true;
}

// As a filter sees the session before MAIL.
message::Envelope Connection::without_transaction() const {
  message::Envelope envelope = session_.envelope();
  envelope.id.clear();
  envelope.time_ns = 0;
  envelope.reverse_path.clear();
  envelope.parameters.clear();
  return envelope;
}

void Connection::decided(smtp::Phase phase, const pipeline::SessionFilters::Result& result) {
  if (result.refusal) {
    refuse(smtp::phase_name(phase), *result.refusal, result.detail, Reason::filter);
  } else if (phase == smtp::Phase::connect) {
    greet();
  } else if (phase == smtp::Phase::data) {
    start_body();
  } else if (phase == smtp::Phase::auth) {
    session_.proceed();
  } else if (phase == smtp::Phase::rcpt ? take_recipient() : admit(phase)) {
    session_.proceed();
  }
}

// The banner goes out once the client has shown that it waits for it (greet_delay), and never to
// one that did not.
void Connection::greet() {
  stream_->read_start();
  if (early_talk()) {
    session_.early_talker();
    return;
  }
  if (service_->listener.greet_delay == 0 || named_by_xclient_) {
    session_.proceed();
    return;
  }
  advance(Event::delay_begun);
  timers_.begin_delay(deadlines(), service_->listener.greet_delay);
}

// A proxy may send its header and its client's first octets at once, and an old health check does:
// without greet_delay nothing says that the client was to wait.
bool Connection::early_talk() const {
  if (named_by_xclient_) return false;  // the proxy was greeted before
  const bool may_come = origin_.proxied && service_->listener.greet_delay == 0;
  return !may_come && (stream_->has_unread_bytes() || !kept_.empty());
}

// The chain's admission decides at HELO what EHLO announces, and at MAIL whether the transaction
// may go on.
bool Connection::admit(smtp::Phase phase) {
  const plugin::Lane* limited_by = nullptr;
  const auto admission = service_->chain.admission(&limited_by);
  uint64_t limit = service_->limits.message_size;
  size_limit_by_ = "limits.message_size";
  if (admission.max_message_size && admission.max_message_size < limit) {
    limit = admission.max_message_size;
    size_limit_by_ = limited_by->name();
  }
  session_.set_size_limit(limit);
  if (phase == smtp::Phase::helo) return true;

  if (ending_) {
    log_closed(ending_->level, ending_->why);  // this reply is the session's last
    refuse("mail", ending_->reply, ending_->why, ending_->reason);
    return false;
  }
  if (!admission.ready) {
    refuse("mail", make(smtp::replies::kNotReady), admission.reason, Reason::not_ready);
    return false;
  }
  first_route_.reset();
  memory_.release_envelope();  // the last one's: a pipelining client may never pause between them
  if (session_filters_) transaction_id_ = session_.envelope().id;
  mail_at_ms_ = service_->loop.now_ms();
  return true;
}

bool Connection::keep_recipient() {
  // With routes there is a copy of the envelope for each, with its recipients.
  const uint64_t copies = service_->chain.table ? 2 : 1;
  const auto& recipient = session_.envelope().recipients.back();
  if (memory_.add_recipient(copies * message::memory_of(recipient))) return true;
  const auto& reply = smtp::replies::kNoRoomForRecipient;
  refuse("rcpt", make(reply), reason_of(reply), Reason::memory);
  return false;
}

void Connection::refuse(std::string_view at, const smtp::Reply& reply, std::string_view why,
                        Reason reason) {
  service_->metrics.count_refusal(refused_at(at), static_cast<uint32_t>(reply.code), reason);
  log_refused(at, reply, why);
  if (at == "data") transaction_end_ = message::TransactionEnd::refused;
  session_.refuse(reply);
}

}  // namespace lsmtpd::server
