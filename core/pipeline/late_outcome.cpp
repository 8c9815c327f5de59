// SPDX-License-Identifier: Apache-2.0
#include "pipeline/late_outcome.hpp"

#include "log/log.hpp"
#include "pipeline/recipients.hpp"

namespace lsmtpd::pipeline {

using plugin::Kind;

LateOutcome::LateOutcome(std::shared_ptr<const OutputStep> step, std::string copy_id)
    : step_(std::move(step)), copy_id_(std::move(copy_id)) {
  step_->replay->hold(copy_id_);
}

const plugin::Verdict& LateOutcome::output_answered(const message::Message& message,
                                                    plugin::Completion&& completion) {
  Rest rest = rest_of(message, completion);
  outcome_ = std::move(completion.verdict);
  outcome_->kind = rest.outcome;
  // It was stored as one in doubt: only what has changed of the message counts.
  change_ = Replay::change_of(std::move(rest), *outcome_,
                              {.target = step_->lane->name(), .attempts = 0, .in_doubt = true});
  return *outcome_;
}

void LateOutcome::fallback_answered(bool kept) {
  kept_ = kept;
  settle();
}

void LateOutcome::settle() {
  if (!outcome_ || !kept_) return;
  log::info("late_outcome", {{"copy", copy_id_},
                             {"plugin", step_->lane->name()},
                             {"outcome", outcome_->kind == Kind::stored   ? "stored"
                                         : outcome_->kind == Kind::reject ? "rejected"
                                                                          : "tempfail"},
                             {"fallback_has_it", *kept_}});
  // A copy that the fallback does not have is only released.
  step_->replay->settle_held(copy_id_, *kept_ ? outcome_->kind : Kind::tempfail, outcome_->reason(),
                             *kept_ ? std::move(change_) : std::nullopt);
}

}  // namespace lsmtpd::pipeline
