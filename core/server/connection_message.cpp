// SPDX-License-Identifier: Apache-2.0
// Connection: the message itself, from the first byte of content to the outcome.
#include <array>
#include <span>
#include <vector>

#include "log/log.hpp"
#include "server/connection.hpp"

namespace lsmtpd::server {

namespace {

std::string_view text_of(const message::Recipient& recipient) {
  return recipient.address;
}
std::string_view text_of(const std::string& text) {
  return text;
}

// The addresses of so many recipients, or a text for each of them, as a log line has them.
class Addresses {
 public:
  template <class Each>
  explicit Addresses(std::span<const Each> recipients) {
    for (size_t i = 0; i < recipients.size() && i < kMost; ++i) {
      addresses_[count_++] = text_of(recipients[i]);
    }
    if (recipients.size() <= kMost) return;
    more_ = fmt::format("... ({} in all)", recipients.size());
    addresses_[count_++] = more_;
  }
  explicit Addresses(const std::vector<message::Recipient>& recipients)
      : Addresses(std::span<const message::Recipient>(recipients)) {}
  Addresses(const Addresses&) = delete;
  Addresses& operator=(const Addresses&) = delete;
  log::List list() const { return {addresses_.data(), count_}; }

 private:
  static constexpr size_t kMost = 10;
  std::array<std::string_view, kMost + 1> addresses_;
  size_t count_ = 0;
  std::string more_;
};

// Where a command was refused: the documented words of the log.
std::string_view place_of(const smtp::Session::Refusal& refusal) {
  if (refusal.of_message || refusal.verb == "DATA" || refusal.verb == "BDAT") return "data";
  if (refusal.verb == "MAIL") return smtp::phase_name(smtp::Phase::mail);
  if (refusal.verb == "RCPT") return smtp::phase_name(smtp::Phase::rcpt);
  const bool helo = refusal.verb == "HELO" || refusal.verb == "EHLO" || refusal.verb == "LHLO";
  return helo ? smtp::phase_name(smtp::Phase::helo) : "command";
}

// An envelope with what its message counts for its peer, as long as somebody has it.
struct HeldEnvelope {
  HeldEnvelope(message::Envelope&& e, MemoryAccount::Envelope&& m, PeerShare&& b, Reservation&& s)
      : envelope(std::move(e)), memory(std::move(m)), body(std::move(b)), spill(std::move(s)) {}
  message::Envelope envelope;
  MemoryAccount::Envelope memory;
  PeerShare body;  // its peer outlives `spill`
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
  log::warn("message_dropped",
            {{"id", session_.envelope().id}, {"peer", peer_.text()}, {"why", why}});
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
  service_.loop.offload([this, status] { *status = receiver_.flush(); },
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
  message.body = received.body;
  const auto held =
      std::make_shared<HeldEnvelope>(session_.take_envelope(), memory_.take_envelope(),
                                     std::move(received.memory), std::move(received.spill));
  envelope_ = {held, &held->envelope};
  message.envelope = envelope_;
  if (session_filters_) message.annotations = session_filters_->annotations();
  body_end_ms_ = service_.loop.now_ms();
  chain_run_ = pipeline::ChainRun::make(service_.chain, std::move(message));
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

void Connection::finish(const pipeline::Outcome& outcome) {
  chain_run_.reset();
  log_outcome(outcome);
  envelope_.reset();
  session_.finish(outcome.reply, outcome.recipients);
  transaction_end_ = outcome.reply.code < 300 ? message::TransactionEnd::accepted
                                              : message::TransactionEnd::refused;
  end_transaction();
}

// Neither a connection nor a peer can fill the log: what has no line is counted.
bool Connection::may_log_refusal(uint64_t& held_back) {
  if (!log::enabled(log::Level::info) || ++refused_ > kRefusalLines) return false;
  const auto admitted = account_->refusals.admit(service_.loop.now_ms());
  held_back = admitted.value_or(0);
  return admitted.has_value();
}

// A refusal by the chain's filters or by us, before the chain had the message. Of one recipient it
// names that one.
void Connection::log_refused(std::string_view at, const smtp::Reply& reply, std::string_view why) {
  uint64_t held_back = 0;
  if (!may_log_refusal(held_back)) return;
  const auto& recipients = session_.envelope().recipients;
  const bool one = at == "rcpt" && !recipients.empty();
  const Addresses to(one ? std::span(&recipients.back(), 1) : std::span(recipients));
  write_refused(at, to.list(), {{"code", reply.code}, {"reply", reply.text}, {"why", why}},
                held_back);
}

// A refusal by the session itself.
void Connection::log_refusal(const smtp::Session::Refusal& refusal) {
  uint64_t held_back = 0;
  if (!may_log_refusal(held_back)) return;
  std::vector<log::Field> fields = {{"code", refusal.code}, {"why", refusal.why}};
  if (!refusal.verb.empty()) fields.push_back({"verb", refusal.verb});
  if (!refusal.argument.empty()) fields.push_back({"argument", refusal.argument});
  if (refusal.too_large) fields.push_back({"limit", size_limit_by_});
  const Addresses to(session_.envelope().recipients);
  write_refused(place_of(refusal), to.list(), std::move(fields), held_back);
}

void Connection::write_refused(std::string_view at, log::List to, std::vector<log::Field> more,
                               uint64_t held_back) {
  const auto& e = session_.envelope();
  const std::string peer = peer_.text();
  std::vector<log::Field> fields = {{"at", at},
                                    {"id", e.id},
                                    {"from", e.reverse_path},
                                    {"to", to},
                                    {"size", session_.message_octets()},
                                    {"peer", peer},
                                    {"helo", e.helo},
                                    {"listener", service_.listener.name}};
  fields.insert(fields.end(), more.begin(), more.end());
  if (held_back) fields.push_back({"held_back", held_back});
  log::write(log::Level::info, "refused", fields);
}

// Those of one connection that had no line, in one.
void Connection::log_refusals() {
  if (refused_ <= kRefusalLines) return;
  const uint64_t without_line = refused_ - kRefusalLines;
  const auto held_back = account_->refusals.admit(service_.loop.now_ms(), without_line);
  if (!held_back) return;
  log::info("refused_more", {{"peer", peer_.text()},
                             {"listener", service_.listener.name},
                             {"count", without_line},
                             {"held_back", *held_back}});
}

void Connection::log_outcome(const pipeline::Outcome& outcome) {
  if (!log::enabled(log::Level::info)) return;
  const auto& e = *envelope_;
  const bool accepted =
      outcome.fate == pipeline::Fate::stored || outcome.fate == pipeline::Fate::discarded;
  const uint64_t now = service_.loop.now_ms();
  const log::Event event = accepted ? log::Event("accepted") : log::Event("refused");
  const Addresses to(e.recipients);
  const std::string peer = peer_.text();
  const Addresses told(std::span<const std::string>(outcome.told));
  std::vector<log::Field> fields = {{"id", e.id},
                                    {"outcome", pipeline::outcome_name(outcome)},
                                    {"from", e.reverse_path},
                                    {"to", to.list()},
                                    {"size", message_size_},
                                    {"message_id", session_.message_id()},
                                    {"peer", peer},
                                    {"helo", e.helo},
                                    {"protocol", e.protocol},
                                    {"listener", e.listener},
                                    {"code", outcome.reply.code},
                                    {"reply", outcome.reply.text},
                                    {"by", outcome.detail},
                                    {"receive_ms", body_end_ms_ - mail_at_ms_},
                                    {"chain_ms", now - body_end_ms_},
                                    {"reply_lost", over()}};
  if (!outcome.told.empty()) fields.push_back({"recipients", told.list()});
  log::write(log::Level::info, event, fields);
}

}  // namespace lsmtpd::server
