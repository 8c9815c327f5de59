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

RouteRun::RouteRun(std::shared_ptr<const Chain> chain, const Route& route, message::Message message,
                   uint64_t ends_at_ms)
    : chain_(std::move(chain)),
      route_(route),
      message_(std::move(message)),
      ends_at_ms_(ends_at_ms),
      filters_(route_.filters, *chain_->deadlines) {}

RouteRun::~RouteRun() = default;

void RouteRun::run(std::shared_ptr<Waiting> waiting, bool skip_filters) {
  waiting_ = std::move(waiting);
  if (is_too_large()) return;
  if (skip_filters) return start_outputs();
  auto end = filters_.run(message_, ends_at_ms_, shared_from_this(),
                          [this](FilterRun::End later) { take_filters(std::move(later)); });
  if (end) take_filters(std::move(*end));
}

// The session has held the message against the limit of the chain; that of a route may be smaller.
bool RouteRun::is_too_large() {
  if (!chain_->table) return false;
  const plugin::Lane* limited_by = nullptr;
  const uint64_t limit = route_.admission(&limited_by).max_message_size;
  if (limit == 0 || message_.size() <= limit) return false;
  Outcome outcome{
      Fate::rejected, make(smtp::replies::kTooLarge),
      said_by(limited_by->name(), fmt::format("takes messages of at most {}", format_size(limit)))};
  outcome.reason = "too large";
  settle(std::move(outcome));
  return true;
}

void RouteRun::take_filters(FilterRun::End end) {
  if (end.outcome) {
    settle(std::move(*end.outcome));
  } else {
    start_outputs();
  }
}

// A route's copies have its name in their ids, since another route may have the same outputs.
std::string RouteRun::copy_suffix(const OutputStep& step) const {
  if (!route_.name.empty()) return "." + route_.name + "." + step.lane->name();
  return route_.outputs.size() > 1 ? "." + step.lane->name() : std::string();
}

void RouteRun::start_outputs() {
  unsettled_ = route_.outputs.size();
  for (const auto& step : route_.outputs) {
    deliveries_.push_back(std::make_shared<Delivery>(
        *chain_->deadlines, std::shared_ptr<const OutputStep>(chain_, &step), copy_suffix(step),
        ends_at_ms_));
  }
  auto self = shared_from_this();
  for (const auto& delivery : deliveries_)
    delivery->run(message_, {self, static_cast<Delivery::Waiting*>(this)});
}

void RouteRun::output_settled() {
  if (--unsettled_ == 0) settle(merge());
}

Outcome RouteRun::merge() const {
  const Delivery* worst = deliveries_.front().get();  // a route has an output
  std::string stored_by, others;
  for (const auto& delivery : deliveries_) {
    auto& list = rank(delivery->verdict()) == 0 ? stored_by : others;
    list += (list.empty() ? "" : "; ") +
            said_by(delivery->decided_by().name(), delivery->verdict().detail);
    if (rank(delivery->verdict()) > rank(worst->verdict())) worst = delivery.get();
  }
  if (!stored_by.empty() && !others.empty()) others += "; stored all the same by " + stored_by;
  const Fate fate = kFates[rank(worst->verdict())];
  Outcome outcome = fate == Fate::stored
                        ? stored(message_.envelope->id, stored_by)
                        : Outcome{fate, to_reply(worst->verdict(), Role::output), others};
  for (const auto& delivery : deliveries_) {
    const bool has_it = delivery->verdict().kind == Kind::stored;
    if (const auto* fallback = delivery->kept_by()) {
      outcome.fallbacks.push_back(fallback->name());
    } else if (has_it) {
      outcome.outputs.push_back(delivery->output().name());
    }
    if (outcome.reason.empty() || delivery.get() == worst) outcome.reason = delivery->why_not();
  }
  return outcome;
}

void RouteRun::settle(Outcome outcome) {
  outcome_ = std::move(outcome);
  outcome_.size = message_.size();
  if (const auto waiting = std::exchange(waiting_, nullptr)) waiting->route_settled();
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
  if (!waiting_) return;
  auto self = shared_from_this();
  if (deliveries_.empty()) {
    filters_.chain_overdue();
    return;
  }
  for (const auto& delivery : deliveries_) delivery->chain_overdue();
}

bool RouteRun::cancel() {
  if (outputs_begun()) return false;
  auto self = shared_from_this();
  filters_.abandon();
  waiting_ = nullptr;
  return true;
}

}  // namespace lsmtpd::pipeline
