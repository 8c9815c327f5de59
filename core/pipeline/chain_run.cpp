// SPDX-License-Identifier: Apache-2.0
#include "pipeline/chain_run.hpp"

#include "pipeline/delivery.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;
using plugin::Verdict;

ChainRun::ChainRun(Private, const Chain& chain, message::Message message)
    : chain_(chain),
      message_(std::move(message)),
      step_deadline_([this] { filter_overdue(); }),
      chain_deadline_([this] { chain_overdue(); }) {}

ChainRun::~ChainRun() = default;

std::optional<Outcome> ChainRun::run(Finished finished) {
  running_ = true;
  chain_.deadlines->arm(chain_deadline_, chain_.deadline_ms);
  if (chain_.deadline_ms) ends_at_ms_ = chain_.deadlines->now() + chain_.deadline_ms;
  run_filters();
  running_ = false;
  if (outcome_) return std::move(outcome_);  // stays engaged: finish() came
  finished_ = std::move(finished);
  return std::nullopt;
}

void ChainRun::run_filters() {
  while (next_filter_ < chain_.filters.size()) {
    auto self = shared_from_this();
    auto answer = filter().filter(
        message_,
        [self](Completion completion) {
          self->call_ = 0;
          self->step_deadline_.disarm();
          self->take_filter(std::move(completion));
          if (!self->outcome_) self->run_filters();
        },
        call_);
    if (!answer) {
      chain_.deadlines->arm(step_deadline_, filter().instance().entry().deadline);
      return;
    }
    take_filter(std::move(*answer));
    if (outcome_) return;
  }
  start_outputs();
}

// Acts on a filter's answer: either the next filter's turn comes, or the outcome is known.
void ChainRun::take_filter(Completion&& completion) {
  Verdict& verdict = completion.verdict;
  if (verdict.kind == Kind::failed) verdict.kind = by_policy(filter().instance().entry().on_error);
  std::string detail = said_by(filter().name(), verdict.detail);
  switch (verdict.kind) {
    case Kind::proceed:
      if (completion.message) message_ = std::move(*completion.message);
      ++next_filter_;
      return;
    case Kind::discard:
      finish(discarded(id(), std::move(detail)));
      return;
    case Kind::reject:
      finish({Fate::rejected, to_reply(verdict, Speaker::filter), std::move(detail)});
      return;
    default:  // "stored" makes no sense from a filter
      verdict.kind = Kind::tempfail;
      finish({Fate::tempfail, to_reply(verdict, Speaker::filter), std::move(detail)});
  }
}

void ChainRun::filter_overdue() {
  auto self = shared_from_this();
  filter().abandon(std::exchange(call_, 0), nullptr);
  take_filter(
      {Verdict::make(by_policy(filter().instance().entry().on_timeout), "its deadline passed"),
       {},
       {},
       {},
       false});
  if (!outcome_) run_filters();
}

void ChainRun::start_outputs() {
  const bool several = chain_.outputs.size() > 1;
  unsettled_ = chain_.outputs.size();
  for (const auto& step : chain_.outputs) {
    deliveries_.push_back(std::make_shared<Delivery>(
        *chain_.deadlines, step, several ? id() + "." + step.lane->name() : id(), ends_at_ms_));
  }
  auto self = shared_from_this();
  for (const auto& delivery : deliveries_) {
    delivery->run(message_, [self] { self->output_settled(); });
  }
}

void ChainRun::output_settled() {
  if (--unsettled_ == 0) finish(merge());
}

// Refused beats not-now beats stored.
Outcome ChainRun::merge() const {
  const Delivery* worst = deliveries_.front().get();  // a chain has an output
  std::string stored_by, others;
  const auto rank = [](const Delivery& d) {
    return d.verdict().kind == Kind::reject ? 2 : d.verdict().kind == Kind::stored ? 0 : 1;
  };
  for (const auto& delivery : deliveries_) {
    auto& list = rank(*delivery) == 0 ? stored_by : others;
    list += (list.empty() ? "" : "; ") +
            said_by(delivery->speaker().name(), delivery->verdict().detail);
    if (rank(*delivery) > rank(*worst)) worst = delivery.get();
  }
  if (rank(*worst) == 0) return stored(id(), stored_by);
  if (!stored_by.empty()) others += "; stored all the same by " + stored_by;
  return {worst->verdict().kind == Kind::reject ? Fate::rejected : Fate::tempfail,
          to_reply(worst->verdict(), Speaker::output), others};
}

void ChainRun::chain_overdue() {
  auto self = shared_from_this();
  if (deliveries_.empty()) {
    if (call_) filter().abandon(std::exchange(call_, 0), nullptr);
    finish({Fate::tempfail, to_reply(Verdict::make(Kind::tempfail), Speaker::filter),
            said_by(filter().name(), "timeouts.chain passed")});
    return;
  }
  for (const auto& delivery : deliveries_) delivery->give_up("timeouts.chain passed");
}

void ChainRun::finish(Outcome outcome) {
  if (outcome_) return;
  step_deadline_.disarm();
  chain_deadline_.disarm();
  outcome_ = std::move(outcome);
  if (!running_ && finished_) std::exchange(finished_, nullptr)(*outcome_);
}

bool ChainRun::cancel() {
  if (!deliveries_.empty() || outcome_) return false;
  auto self = shared_from_this();
  if (call_) filter().abandon(std::exchange(call_, 0), nullptr);
  finished_ = nullptr;
  finish({Fate::tempfail, {}, "the client is gone"});
  return true;
}

}  // namespace lsmtpd::pipeline
