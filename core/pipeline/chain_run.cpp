// SPDX-License-Identifier: Apache-2.0
#include "pipeline/chain_run.hpp"

#include <algorithm>

#include "pipeline/delivery.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;
using plugin::Verdict;

ChainRun::ChainRun(Private, std::shared_ptr<const Chain> chain, message::Message message)
    : chain_(std::move(chain)),
      message_(std::move(message)),
      asked_for_(message_.envelope),
      call_([this] { filter_overdue(); }),
      deadline_([this] { chain_overdue(); }) {}

ChainRun::~ChainRun() = default;

std::optional<Outcome> ChainRun::run(Finished finished) {
  running_ = true;
  chain_->deadlines->arm(deadline_, chain_->deadline_ms);
  if (chain_->deadline_ms) ends_at_ms_ = chain_->deadlines->now() + chain_->deadline_ms;
  run_filters();
  running_ = false;
  if (outcome_) return std::move(outcome_);  // stays engaged: finish() came
  finished_ = std::move(finished);
  return std::nullopt;
}

void ChainRun::run_filters() {
  while (next_filter_ < chain_->filters.size()) {
    auto answer = call_.put(
        filter(), *chain_->deadlines, filter().instance().settings().deadline_ms,
        [this](Completion completion) {
          take_filter(call_end(completion.verdict.kind), std::move(completion));
          if (!outcome_) run_filters();
        },
        [this](plugin::Done done, plugin::CallId& call) {
          return filter().filter(message_, time_for_filter(), std::move(done), call);
        },
        shared_from_this());
    if (!answer) return;
    take_filter(call_end(answer->verdict.kind), std::move(*answer));
    if (outcome_) return;
  }
  start_outputs();
}

// Acts on a filter's answer: either the next filter's turn comes, or the outcome is known.
void ChainRun::take_filter(CallEnd ended, Completion&& completion) {
  Verdict& verdict = completion.verdict;
  std::string detail = said_by(filter().name(), verdict.detail);
  switch (decide(Role::filter, ended, filter().instance().settings())) {
    case Next::go_on:
      if (completion.message) message_ = std::move(*completion.message);
      ++next_filter_;
      return;
    case Next::skip:
      if (completion.message) message_ = std::move(*completion.message);
      next_filter_ = chain_->filters.size();
      return;
    case Next::discarded:
      finish(discarded(id(), std::move(detail)));
      return;
    case Next::rejected:
      change_kind(verdict, Kind::reject);
      finish_refused(Fate::rejected, verdict, std::move(detail));
      return;
    default:
      change_kind(verdict, Kind::tempfail);
      finish_refused(Fate::tempfail, verdict, std::move(detail));
  }
}

void ChainRun::finish_refused(Fate fate, const Verdict& verdict, std::string detail) {
  Outcome outcome{fate, to_reply(verdict, Role::filter), std::move(detail)};
  outcome.reason = verdict.reason();
  outcome.by_filter = true;
  finish(std::move(outcome));
}

// How long anybody waits for the filter whose turn it is: its own deadline or what is left of the
// chain's; 0: there is no end.
uint64_t ChainRun::time_for_filter() {
  return time_left(filter().instance().settings().deadline_ms, ends_at_ms_,
                   chain_->deadlines->now());
}

void ChainRun::filter_overdue() {
  auto self = shared_from_this();
  call_.abandon(nullptr);
  take_filter(CallEnd::deadline, Completion::make(Kind::tempfail, "its deadline passed"));
  if (!outcome_) run_filters();
}

void ChainRun::start_outputs() {
  const bool several = chain_->outputs.size() > 1;
  unsettled_ = chain_->outputs.size();
  for (const auto& step : chain_->outputs) {
    deliveries_.push_back(std::make_shared<Delivery>(
        *chain_->deadlines, std::shared_ptr<const OutputStep>(chain_, &step), several,
        ends_at_ms_));
  }
  auto self = shared_from_this();
  for (const auto& delivery : deliveries_) {
    delivery->run(message_, {self, static_cast<Delivery::Waiting*>(this)});
  }
}

void ChainRun::output_settled() {
  if (--unsettled_ == 0) finish(merge());
}

// Reject beats tempfail beats stored.
Outcome ChainRun::merge() const {
  const Delivery* worst = deliveries_.front().get();  // a chain has an output
  std::string stored_by, others;
  const auto rank = [](const Delivery& d) {
    return d.verdict().kind == Kind::reject ? 2 : d.verdict().kind == Kind::stored ? 0 : 1;
  };
  for (const auto& delivery : deliveries_) {
    auto& list = rank(*delivery) == 0 ? stored_by : others;
    list += (list.empty() ? "" : "; ") +
            said_by(delivery->decided_by().name(), delivery->verdict().detail);
    if (rank(*delivery) > rank(*worst)) worst = delivery.get();
  }
  if (!stored_by.empty() && !others.empty()) others += "; stored all the same by " + stored_by;
  Outcome outcome =
      rank(*worst) == 0
          ? stored(id(), stored_by)
          : Outcome{worst->verdict().kind == Kind::reject ? Fate::rejected : Fate::tempfail,
                    to_reply(worst->verdict(), Role::output), others};
  for (const auto& delivery : deliveries_) {
    const bool has_it = delivery->verdict().kind == Kind::stored;
    if (const auto* fallback = delivery->kept_by()) {
      outcome.fallbacks.push_back(fallback->name());
    } else if (has_it) {
      outcome.outputs.push_back(delivery->output().name());
    }
    if (outcome.reason.empty() || delivery.get() == worst) outcome.reason = delivery->why_not();
  }
  merge_recipients(outcome);
  return outcome;
}

namespace {

int rank(const Verdict& verdict) {
  return verdict.kind == Kind::reject ? 2 : verdict.kind == Kind::stored ? 0 : 1;
}

constexpr const char* kRankNames[] = {"stored", "tempfail", "rejected"};

}  // namespace

// Each recipient's own reply, by the same rule, and how it came about; nothing where no output
// answered recipient by recipient. A recipient that a filter took away has what was asked for: it
// counts as stored.
void ChainRun::merge_recipients(Outcome& outcome) const {
  const bool any = std::any_of(deliveries_.begin(), deliveries_.end(),
                               [](const auto& d) { return !d->recipients().empty(); });
  if (!any) return;
  const auto& delivered = message_.envelope->recipients;
  std::vector<bool> used(delivered.size());
  size_t stored_ones = 0;
  for (const auto& recipient : asked_for_->recipients) {
    size_t place = 0;
    while (place < delivered.size() &&
           (used[place] || delivered[place].address != recipient.address))
      ++place;
    const Verdict* worst = nullptr;
    std::string told = "<" + recipient.address + ">";
    if (place == delivered.size()) told += " was removed by a filter";
    for (const auto& delivery : deliveries_) {
      if (place == delivered.size()) break;
      used[place] = true;
      const auto& each = delivery->recipients();
      const Verdict& one = each.empty() ? delivery->verdict() : each[place];
      told += std::string(worst ? "; " : " ") + kRankNames[rank(one)] + " by " +
              said_by(delivery->decided_by(place).name(), one.detail);
      if (!worst || rank(one) > rank(*worst)) worst = &one;
    }
    const bool is_stored = !worst || rank(*worst) == 0;
    stored_ones += is_stored;
    outcome.recipients.push_back(is_stored ? stored(id(), {}).reply
                                           : to_reply(*worst, Role::output));
    outcome.told.push_back(std::move(told));
  }
  outcome.mixed = stored_ones != 0 && stored_ones != outcome.told.size();
}

void ChainRun::chain_overdue() {
  auto self = shared_from_this();
  if (deliveries_.empty()) {
    call_.abandon(nullptr);
    take_filter(CallEnd::chain_deadline, Completion::make(Kind::tempfail, "timeouts.chain passed"));
    return;
  }
  for (const auto& delivery : deliveries_) delivery->chain_overdue();
}

void ChainRun::finish(Outcome outcome) {
  if (outcome_) return;
  deadline_.disarm();
  outcome_ = std::move(outcome);
  outcome_->size = message_.size();
  if (!running_ && finished_) std::exchange(finished_, nullptr)(*outcome_);
}

bool ChainRun::cancel() {
  if (!deliveries_.empty() || outcome_) return false;
  auto self = shared_from_this();
  call_.abandon(nullptr);
  finished_ = nullptr;
  finish({Fate::tempfail, {}, "the client is gone"});
  return true;
}

}  // namespace lsmtpd::pipeline
