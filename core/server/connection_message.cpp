// SPDX-License-Identifier: Apache-2.0
// Connection: the message itself, from the first byte of content to the outcome.
#include <memory>

#include "log/log.hpp"
#include "message/traceparent.hpp"
#include "server/connection.hpp"

namespace lsmtpd::server {

namespace {

// An envelope with what its message counts for its peer, as long as somebody has it.
struct HeldEnvelope {
  HeldEnvelope(smtp::Session& session, MemoryAccount& account, MessageReceiver::Received&& received)
      : envelope(session.take_envelope()),
        memory(account.take_envelope()),
        body(std::move(received.memory)),
        spill(std::move(received.spill)) {}
  message::Envelope envelope;
  MemoryAccount::EnvelopeReservation memory;
  PeerReservation body;  // its peer outlives `spill`
  Reservation spill;
};

}  // namespace

void Connection::start_body() {
  receiver_.begin();
  session_.proceed();
}

void Connection::take_body(std::string_view piece) {
  if (!receiver_.append(piece)) log_dropped("limits.memory is used up");
}

// Nothing can keep this message.
void Connection::log_dropped(std::string_view why) {
  const std::string peer = remote_.text();
  log_line(log::Level::warn, "message_dropped",
           {{"id", session_.envelope().id}, {"peer", peer}, {"why", why}});
}

// Memory is short: what there is of the body goes to its file, and reading waits for that, and for
// nothing else.
void Connection::flush_body() {
  if (!receiver_.reserve_spill()) {
    receiver_.give_up();
    log_dropped("this peer's share of limits.spill is used up");
    if (receiver_.complete()) end_body();
    return;
  }
  advance(Event::spill_begun);
  stream_->read_stop();
  auto status = std::make_shared<Status>();
  service_->loop.offload([this, status] { *status = receiver_.flush(); },
                         [this, status] { flushed(*status); });
}

void Connection::flushed(const Status& status) {
  advance(Event::spill_done);
  receiver_.flushed();
  if (over()) {
    go_if_idle();
    return;
  }
  if (!status) {
    receiver_.give_up();
    log_dropped(status.error().message);
  }
  if (receiver_.complete()) {
    end_body();
    if (state_ != State::reading) return;
  }
  resume();
}

void Connection::end_body() {
  if (receiver_.given_up()) {
    receiver_.set_complete(false);
    const auto& reply = smtp::replies::kNoRoomForBody;
    service_->metrics.count_refusal(RefusedAt::data, code_of(reply), Reason::memory);
    log_refused("data", make(reply), reason_of(reply));
    transaction_end_ = message::TransactionEnd::refused;
    session_.finish(make(reply));
    return;
  }
  const bool flush = receiver_.wants_flush();
  receiver_.set_complete(flush);
  flush ? flush_body() : run_chain();
}

void Connection::run_chain() {
  message::Message message;
  message_size_ = receiver_.size();
  auto received = receiver_.finish();
  message.body = std::move(received.body);
  const auto held = std::make_shared<HeldEnvelope>(session_, memory_, std::move(received));
  envelope_ = {held, &held->envelope};
  message.envelope = envelope_;
  if (session_filters_) message.annotations = session_filters_->annotations();
  if (service_->listener.traceparent) add_traceparent(message);
  body_end_ms_ = service_->loop.now_ms();
  chain_run_ = pipeline::ChainRun::make(chain(), std::move(message));
  auto outcome = chain_run_->run([this](const pipeline::Outcome& later) {
    advance(Event::chain_done);
    finish(later);
    if (over()) {
      go_if_idle();
    } else {
      resume();
    }
  });
  if (outcome) {
    finish(*outcome);
  } else {
    advance(Event::chain_begun);
  }
}

// Its own, where its client is trusted and it is valid; else a new one, as the specification asks.
void Connection::add_traceparent(message::Message& message) {
  std::optional<std::string> own;
  if (any_contains(service_->listener.traceparent_from, remote_.address))
    own = message::parse_traceparent(session_.traceparent());
  traceparent_ = own ? *std::move(own) : message::new_traceparent(message.envelope->id);
  message::set_traceparent(message, traceparent_);
}

void Connection::finish(const pipeline::Outcome& outcome) {
  chain_run_.reset();
  count(outcome);
  log_outcome(outcome);
  envelope_.reset();
  session_.finish(outcome.reply, outcome.recipients);
  transaction_end_ = outcome.reply.code < 300 ? message::TransactionEnd::accepted
                                              : message::TransactionEnd::refused;
  end_transaction();
}

void Connection::count(const pipeline::Outcome& outcome) {
  const ListenerMetrics& metrics = service_->metrics;
  metrics.count(outcome);
  metrics.received_bytes.add(message_size_);
  metrics.data_duration.observe(static_cast<double>(body_end_ms_ - mail_at_ms_) / 1000);
  metrics.chain_duration.observe(static_cast<double>(service_->loop.now_ms() - body_end_ms_) /
                                 1000);
  if (outcome.fate == pipeline::Fate::rejected || outcome.fate == pipeline::Fate::tempfail) {
    metrics.count_refusal(RefusedAt::data, static_cast<uint32_t>(outcome.reply.code),
                          outcome.by_filter ? Reason::filter : Reason::output);
  }
}

}  // namespace lsmtpd::server
