// SPDX-License-Identifier: Apache-2.0
// Connection: its log lines about messages and refusals.
#include <array>
#include <optional>
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

// Many texts as a log line has them: the first ten, and how many there are.
class Texts {
 public:
  template <class Each>
  explicit Texts(std::span<const Each> recipients) {
    for (size_t i = 0; i < recipients.size() && i < kMost; ++i) {
      texts_[count_++] = text_of(recipients[i]);
    }
    if (recipients.size() <= kMost) return;
    more_ = fmt::format("... ({} in all)", recipients.size());
    texts_[count_++] = more_;
  }
  explicit Texts(const std::vector<message::Recipient>& recipients)
      : Texts(std::span<const message::Recipient>(recipients)) {}
  Texts(const Texts&) = delete;
  Texts& operator=(const Texts&) = delete;
  log::List list() const { return {texts_.data(), count_}; }

 private:
  static constexpr size_t kMost = 10;
  std::array<std::string_view, kMost + 1> texts_;
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

}  // namespace

// Neither a connection nor a peer can fill the log: what has no line is counted.
bool Connection::may_log_refusal(uint64_t& held_back) {
  if (!log::enabled(log::Level::info) || ++refused_ > kRefusalLines) return false;
  const auto admitted = peer_->refusals.admit(service_->loop.now_ms());
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
  const Texts to(one ? std::span(&recipients.back(), 1) : std::span(recipients));
  write_refused(at, to.list(), {{"code", reply.code}, {"reply", reply.text}, {"why", why}},
                held_back);
}

// A refusal by the session itself.
void Connection::log_refusal(const smtp::Session::Refusal& refusal) {
  service_->metrics.count_refusal(refused_at(place_of(refusal)), refusal.code,
                                  reason_of(refusal.code, refusal.enhanced));
  uint64_t held_back = 0;
  if (!may_log_refusal(held_back)) return;
  log::Fields more = {{"code", refusal.code}, {"why", refusal.why}};
  if (!refusal.verb.empty()) more.add({"verb", refusal.verb});
  if (!refusal.argument.empty()) more.add({"argument", refusal.argument});
  if (refusal.too_large) more.add({"limit", size_limit_by_});
  const Texts to(session_.envelope().recipients);
  write_refused(place_of(refusal), to.list(), more, held_back);
}

void Connection::write_refused(std::string_view at, log::List to, const log::Fields& more,
                               uint64_t held_back) {
  const auto& e = session_.envelope();
  const std::string peer = remote_.text();
  log::Fields fields = {{"at", at},
                        {"id", e.id},
                        {"from", e.reverse_path},
                        {"to", to},
                        {"size", session_.message_octets()},
                        {"peer", peer},
                        {"helo", e.helo},
                        {"listener", service_->listener.name}};
  for (const log::Field& field : std::span<const log::Field>(more)) fields.add(field);
  if (held_back) fields.add({"held_back", held_back});
  log_line(log::Level::info, "refused", fields);
}

// Those of one connection that had no line, in one.
void Connection::log_refusals() {
  if (refused_ <= kRefusalLines) return;
  const uint64_t without_line = refused_ - kRefusalLines;
  const auto held_back = peer_->refusals.admit(service_->loop.now_ms(), without_line);
  if (!held_back) return;
  const std::string peer = remote_.text();
  log_line(log::Level::info, "refused_more",
           {{"peer", peer},
            {"listener", service_->listener.name},
            {"count", without_line},
            {"held_back", *held_back}});
}

void Connection::log_outcome(const pipeline::Outcome& outcome) {
  if (!log::enabled(log::Level::info)) return;
  const auto& e = *envelope_;
  const bool accepted =
      outcome.fate == pipeline::Fate::stored || outcome.fate == pipeline::Fate::discarded;
  uint64_t held_back = 0;
  if (!accepted && !may_log_refusal(held_back)) return;
  const uint64_t now = service_->loop.now_ms();
  const log::Event event = accepted ? log::Event("accepted") : log::Event("refused");
  const Texts to(e.recipients);
  const std::string peer = remote_.text();
  log::Fields fields = {{"id", e.id},
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
  std::array<std::optional<Texts>, 4> lists;  // until the line is written
  size_t used = 0;
  const auto add_list = [&](log::Key key, const std::vector<std::string>& texts) {
    if (!texts.empty())
      fields.add({key, lists[used++].emplace(std::span<const std::string>(texts)).list()});
  };
  if (outcome.size != message_size_) fields.add({"size_after_filters", outcome.size});
  add_list("output", outcome.outputs);
  add_list("fallback", outcome.fallbacks);
  add_list("route", outcome.routes);
  if (!outcome.reason.empty()) fields.add({"reason", outcome.reason});
  add_list("recipients", outcome.told);
  if (held_back) fields.add({"held_back", held_back});
  if (!traceparent_.empty()) fields.add({"traceparent", traceparent_});
  log_line(log::Level::info, event, fields);
}

}  // namespace lsmtpd::server
