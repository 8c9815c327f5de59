// SPDX-License-Identifier: Apache-2.0
// Connection: the message itself, from the first byte of content to the outcome.
#include "log/log.hpp"
#include "server/connection.hpp"

namespace lsmtpd::server {

namespace {

const smtp::Reply kNoRoom = {452, "4.3.1", "Insufficient system storage, try again later"};

std::string joined(const std::vector<message::Recipient>& recipients) {
  constexpr size_t kMost = 10;
  std::string all;
  for (size_t i = 0; i < recipients.size() && i < kMost; ++i) {
    if (i) all += ',';
    all += recipients[i].address;
  }
  if (recipients.size() > kMost) all += fmt::format(",... ({} in all)", recipients.size());
  return all;
}

}  // namespace

void Connection::start_body() {
  body_.emplace(service_.resources);
  body_refused_ = body_complete_ = false;
  session_.proceed();
}

void Connection::take_body(std::string_view piece) {
  if (body_refused_) return;
  if (!body_->append(piece)) give_up_body("limits.memory is used up");
}

// Nothing can keep this message: the rest of it is read and thrown away, so that the client gets
// its 452.
void Connection::give_up_body(std::string_view why) {
  log::warn("message_dropped",
            {{"id", session_.envelope().id}, {"peer", peer_.text()}, {"why", why}});
  body_refused_ = true;
  body_.reset();
}

// Memory is short: what there is of the body goes to its file, and reading waits for that, and for
// nothing else.
void Connection::flush_body() {
  waiting_ = Waiting::spill;
  stream_->read_stop();
  auto status = std::make_shared<Status>();
  service_.loop.offload([this, status] { *status = body_->flush(); },
                        [this, status] { flushed(*status); });
}

void Connection::flushed(const Status& status) {
  waiting_ = Waiting::nothing;
  if (ended_) {
    go_if_idle();
    return;
  }
  if (!status) give_up_body(status.error().message);
  if (body_complete_) {
    end_body();
    if (waiting_ != Waiting::nothing) return;
  }
  resume();
}

void Connection::end_body() {
  if (body_refused_) {
    body_refused_ = body_complete_ = false;
    log_refused("data", kNoRoom, "no room for the body, in memory or on disk");
    session_.finish(kNoRoom);
    return;
  }
  if (body_->wants_flush()) {
    body_complete_ = true;
    flush_body();
    return;
  }
  body_complete_ = false;
  run_chain();
}

void Connection::run_chain() {
  message::Message message;
  message_size_ = body_->size();
  message.body = body_->finish();
  body_.reset();
  envelope_ =
      hold_reserved(session_.take_envelope(),
                    std::exchange(envelope_memory_, Reservation(service_.resources.memory)));
  message.envelope = envelope_;
  body_end_ms_ = service_.loop.now_ms();
  waiting_ = Waiting::outcome;
  chain_run_ = pipeline::ChainRun::make(service_.chain, std::move(message));
  auto outcome = chain_run_->run([this](const pipeline::Outcome& later) {
    chain_run_.reset();
    finish(later);
    if (ended_) {
      go_if_idle();
    } else {
      resume();
    }
  });
  if (!outcome) return;
  chain_run_.reset();
  finish(*outcome);
}

void Connection::finish(const pipeline::Outcome& outcome) {
  waiting_ = Waiting::nothing;
  log_outcome(outcome);
  envelope_.reset();
  session_.finish(outcome.reply);
}

// A refusal before the chain was asked. Of one recipient it names that one.
void Connection::log_refused(std::string_view at, const smtp::Reply& reply, std::string_view why) {
  if (!log::enabled(log::Level::info)) return;
  const auto& e = session_.envelope();
  const bool one = at == "rcpt" && !e.recipients.empty();
  log::info("refused", {{"at", at},
                        {"id", e.id},
                        {"from", e.reverse_path},
                        {"to", one ? e.recipients.back().address : joined(e.recipients)},
                        {"size", session_.message_octets()},
                        {"peer", peer_.text()},
                        {"helo", e.helo},
                        {"listener", service_.listener.name},
                        {"code", reply.code},
                        {"reply", reply.text},
                        {"why", why}});
}

void Connection::log_outcome(const pipeline::Outcome& outcome) {
  if (!log::enabled(log::Level::info)) return;
  const auto& e = *envelope_;
  const bool accepted =
      outcome.fate == pipeline::Fate::stored || outcome.fate == pipeline::Fate::discarded;
  const uint64_t now = service_.loop.now_ms();
  log::info(accepted ? "accepted" : "refused", {{"id", e.id},
                                                {"outcome", pipeline::fate_name(outcome.fate)},
                                                {"from", e.reverse_path},
                                                {"to", joined(e.recipients)},
                                                {"size", message_size_},
                                                {"peer", peer_.text()},
                                                {"helo", e.helo},
                                                {"protocol", e.protocol},
                                                {"listener", e.listener},
                                                {"code", outcome.reply.code},
                                                {"reply", outcome.reply.text},
                                                {"by", outcome.detail},
                                                {"receive_ms", body_end_ms_ - mail_at_ms_},
                                                {"chain_ms", now - body_end_ms_},
                                                {"reply_lost", ended_}});
}

}  // namespace lsmtpd::server
