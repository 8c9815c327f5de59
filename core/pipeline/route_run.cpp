// SPDX-License-Identifier: Apache-2.0
#include "pipeline/route_run.hpp"

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "smtp/replies.hpp"

namespace lsmtpd::pipeline {

using plugin::Kind;
using plugin::Verdict;

namespace {

// Reject beats tempfail beats stored: for the recipients of one route it is for good.
int rank(const Verdict& verdict) {
  return verdict.kind == Kind::reject ? 2 : verdict.kind == Kind::stored ? 0 : 1;
}

constexpr Fate kFates[] = {Fate::stored, Fate::tempfail, Fate::rejected};

}  // namespace

RouteRun::RouteRun(const std::shared_ptr<const Chain>& chain, const Route& route,
                   message::Message message, uint64_t ends_at_ms, Waiting& waiting)
    : chain_(chain),
      route_(route),
      message_(std::move(message)),
      ends_at_ms_(ends_at_ms),
      waiting_(waiting) {}

RouteRun::~RouteRun() = default;

void RouteRun::run(const std::shared_ptr<void>& owner, bool skip_filters) {
  if (is_too_large()) return;
  if (skip_filters || route_.filters.empty()) return start_outputs(owner);
  filters_.emplace(route_.filters, *chain_->deadlines);
  auto end = filters_->run(message_, ends_at_ms_, owner,
                           [this](FilterRun::End later, const std::shared_ptr<void>& kept) {
                             take_filters(std::move(later), kept);
                           });
  if (end) take_filters(std::move(*end), owner);
}

// The session has held the message against the limit of the chain; that of a route may be smaller.
bool RouteRun::is_too_large() {
  if (!chain_->table) return false;
  const plugin::Lane* limited_by = nullptr;
  const uint64_t limit = route_.admission(&limited_by).max_message_size;
  if (limit == 0 || message_.size() <= limit) return false;
  outcome_ = {
      Fate::rejected, make(smtp::replies::kTooLarge),
      said_by(limited_by->name(), fmt::format("takes messages of at most {}", format_size(limit)))};
  outcome_.reason = "too large";
  settle();
  return true;
}

void RouteRun::take_filters(FilterRun::End end, const std::shared_ptr<void>& owner) {
  if (!end.outcome) return start_outputs(owner);
  outcome_ = std::move(*end.outcome);
  settle();
}

void RouteRun::start_outputs(const std::shared_ptr<void>& owner) {
  unsettled_ = route_.outputs.size();
  for (const auto& step : route_.outputs) {
    deliveries_.push_back(std::make_shared<Delivery>(
        *chain_->deadlines, std::shared_ptr<const OutputStep>(chain_, &step), route_, ends_at_ms_));
  }
  for (const auto& delivery : deliveries_)
    delivery->run(message_, {owner, static_cast<Delivery::Waiting*>(this)});
}

void RouteRun::output_settled() {
  if (--unsettled_ > 0) return;
  merge();
  settle();
}

// Fills outcome_ in place: it is large, and each message has one.
void RouteRun::merge() {
  const Delivery* worst = deliveries_.front().get();  // a route has an output
  std::string stored_by, others;
  for (const auto& delivery : deliveries_) {
    auto& list = rank(delivery->verdict()) == 0 ? stored_by : others;
    if (!list.empty()) list += "; ";
    list += said_by(delivery->decided_by().name(), delivery->verdict().detail);
    if (rank(delivery->verdict()) > rank(worst->verdict())) worst = delivery.get();
  }
  if (!stored_by.empty() && !others.empty()) others += "; stored all the same by " + stored_by;
  outcome_.fate = kFates[rank(worst->verdict())];
  const bool is_stored = outcome_.fate == Fate::stored;
  outcome_.reply = is_stored ? smtp::replies::queued(message_.envelope->id)
                             : to_reply(worst->verdict(), Role::output);
  outcome_.detail = std::move(is_stored ? stored_by : others);
  for (const auto& delivery : deliveries_) {
    const bool has_it = delivery->verdict().kind == Kind::stored;
    if (const auto* fallback = delivery->kept_by()) {
      outcome_.fallbacks.push_back(fallback->name());
    } else if (has_it) {
      outcome_.outputs.push_back(delivery->output().name());
    }
    if (outcome_.reason.empty() || delivery.get() == worst) outcome_.reason = delivery->why_not();
  }
}

void RouteRun::settle() {
  settled_ = true;
  outcome_.size = message_.size();
  waiting_.route_settled();
}

bool RouteRun::by_recipient() const {
  return std::any_of(deliveries_.begin(), deliveries_.end(),
                     [](const auto& d) { return !d->recipients().empty(); });
}

RouteRun::OfRecipient RouteRun::of_recipient(size_t place) const {
  if (deliveries_.empty()) {
    return {outcome_.fate, outcome_.reply,
            std::string(fate_name(outcome_.fate)) + " by " + outcome_.detail};
  }
  const Verdict* worst = nullptr;
  OfRecipient all;
  for (const auto& delivery : deliveries_) {
    const auto& each = delivery->recipients();
    const Verdict& one = each.empty() ? delivery->verdict() : each[place];
    all.told += std::string(worst ? "; " : "") + std::string(fate_name(kFates[rank(one)])) +
                " by " + said_by(delivery->decided_by(place).name(), one.detail);
    if (!worst || rank(one) > rank(*worst)) worst = &one;
  }
  all.fate = kFates[rank(*worst)];
  all.reply = all.fate == Fate::stored ? stored(message_.envelope->id, {}).reply
                                       : to_reply(*worst, Role::output);
  return all;
}

void RouteRun::chain_overdue() {
  if (settled_) return;
  if (deliveries_.empty()) {
    filters_->chain_overdue();
    return;
  }
  for (const auto& delivery : deliveries_) delivery->chain_overdue();
}

void RouteRun::cancel() {
  if (filters_) filters_->abandon();
}

}  // namespace lsmtpd::pipeline
