// SPDX-License-Identifier: Apache-2.0
#include "pipeline/delivery.hpp"

#include <algorithm>
#include <optional>

#include "log/log.hpp"
#include "pipeline/late_outcome.hpp"
#include "pipeline/outcome.hpp"
#include "pipeline/recipients.hpp"
#include "pipeline/replay.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;
using plugin::Verdict;

uint64_t time_left(uint64_t own_ms, uint64_t ends_at_ms, uint64_t now_ms) {
  if (ends_at_ms == 0) return own_ms;
  const uint64_t left = ends_at_ms > now_ms ? ends_at_ms - now_ms : 1;
  return own_ms == 0 ? left : std::min(own_ms, left);
}

Delivery::Delivery(Deadlines& deadlines, std::shared_ptr<const OutputStep> step, const Route& route,
                   uint64_t ends_at_ms)
    : deadlines_(deadlines),
      step_(std::move(step)),
      route_(route),
      ends_at_ms_(ends_at_ms),
      decided_by_(step_->lane),
      call_([this] { overdue(CallEnd::deadline); }) {}

Delivery::~Delivery() = default;

void Delivery::run(const message::Message& message, std::shared_ptr<Waiting> waiting) {
  message_ = message;
  waiting_ = std::move(waiting);
  // In the order in which a broker that detects duplicates can detect them (promise P3).
  if (step_->fallback && step_->replay->goes_first(step_->lane->name())) {
    use_fallback(Verdict::make(Kind::tempfail, "messages that are in doubt go first"), 0);
    return;
  }
  if (step_->lane->instance().is_held()) {
    Verdict why = Verdict::make(Kind::tempfail, plugin::kHeldReason);
    if (step_->fallback) {
      use_fallback(std::move(why), 0);
    } else {
      settle(std::move(why), *step_->lane);
    }
    return;
  }
  ask(*step_->lane,
      {.copy_id = is_only_copy() ? std::string() : copy_id(), .deadline_ms = time_for_output()});
}

std::string Delivery::copy_id() const {
  std::string id = message_.envelope->id;
  if (is_only_copy()) return id;
  if (!route_.name.empty()) id.append(".").append(route_.name);
  return id.append(".").append(step_->lane->name());
}

Role Delivery::role() const {
  return in_fallback_      ? Role::fallback
         : step_->fallback ? Role::output_with_fallback
                           : Role::output;
}

// How long anybody waits for the output: its own deadline or what is left of the chain's; 0: there
// is no end.
uint64_t Delivery::time_for_output() const {
  return time_left(step_->lane->instance().settings().deadline_ms, ends_at_ms_, deadlines_.now());
}

// The deadline in `how` is told to the plugin; the chain's own deadline does its part of it.
void Delivery::ask(plugin::Lane& lane, plugin::DeliveryFacts how) {
  auto answer = call_.put(
      lane, deadlines_, lane.instance().settings().deadline_ms,
      [this](Completion completion) {
        take(call_end(completion.verdict.kind), std::move(completion));
      },
      [&](plugin::Done done, plugin::CallId& call) {
        return lane.deliver(message_, std::move(how), std::move(done), call);
      },
      shared_from_this());
  if (answer) take(call_end(answer->verdict.kind), std::move(*answer));
}

void Delivery::take(CallEnd ended, Completion&& completion) {
  Verdict& verdict = completion.verdict;
  if (in_fallback_) {
    take_fallback(std::move(verdict));
    return;
  }
  if (take_recipients(completion)) return;
  switch (decide(role(), ended, step_->lane->instance().settings())) {
    case Next::stored:
      if (step_->replay) step_->replay->accepted(step_->lane->name());
      break;
    case Next::rejected:
      change_kind(verdict, Kind::reject);
      break;
    case Next::use_fallback:  // with what the output noted down for its next try
      if (completion.message) message_ = std::move(*completion.message);
      use_fallback(std::move(verdict));
      return;
    default:
      change_kind(verdict, Kind::tempfail);
  }
  settle(std::move(verdict), *step_->lane);
}

// An answer recipient by recipient. True: the fallback is asked for the tempfailed ones.
bool Delivery::take_recipients(Completion& completion) {
  if (completion.recipients.empty()) return false;
  recipients_ = completion.recipients;
  decided_by_each_.assign(recipients_.size(), step_->lane);
  std::vector<bool> tempfailed;
  const Verdict* why = nullptr;
  for (auto& verdict : recipients_) {
    const Next next =
        decide(Role::output, call_end(verdict.kind), step_->lane->instance().settings());
    change_kind(verdict, next == Next::stored     ? Kind::stored
                         : next == Next::rejected ? Kind::reject
                                                  : Kind::tempfail);
    tempfailed.push_back(verdict.kind == Kind::tempfail);
    if (tempfailed.back() && (!why || verdict.in_doubt)) why = &verdict;
  }
  if (!why || !step_->fallback) return false;
  message_ = with_recipients(completion.message.value_or(message_), tempfailed);
  use_fallback(*why);
  return true;
}

// The fallback has answered for the tempfailed ones. Returns who gave the verdict that counts:
// `decided_by`, or the output where it refused a recipient.
const plugin::Lane& Delivery::merge_recipients(Verdict& verdict, const plugin::Lane& decided_by) {
  for (size_t i = 0; i < recipients_.size(); ++i) {
    if (recipients_[i].kind != Kind::tempfail) continue;
    recipients_[i] = verdict;
    decided_by_each_[i] = &decided_by;
  }
  const auto refused = std::find_if(recipients_.begin(), recipients_.end(),
                                    [](const Verdict& v) { return v.kind == Kind::reject; });
  if (refused == recipients_.end()) return decided_by;
  verdict = *refused;
  return *step_->lane;
}

void Delivery::take_fallback(Verdict&& verdict) {
  const auto& settings = step_->fallback->instance().settings();
  const bool kept = decide(Role::fallback, call_end(verdict.kind), settings) == Next::stored;
  if (late_) {
    late_->fallback_answered(kept);
  }
  if (done_) return;  // the output itself has it by now
  if (kept) {
    fallback_has_it_ = true;
    step_->replay->kept(step_->lane->name(), primary_.reason());
    verdict.detail += " (fallback of " + step_->lane->name() + ": " + primary_.detail + ")";
    const plugin::Lane& decided_by = merge_recipients(verdict, *step_->fallback);
    settle(std::move(verdict), decided_by);
    return;
  }
  step_->replay->not_in_doubt(copy_id());  // the client has it
  change_kind(verdict, Kind::tempfail);
  verdict.detail =
      primary_.detail + "; fallback " + step_->fallback->name() + ": " + verdict.detail;
  merge_recipients(verdict, *step_->lane);
  settle(std::move(verdict), *step_->lane);
}

const std::string& Delivery::why_not() const {
  static const std::string kNone;
  if (in_fallback_ && decided_by_ != step_->lane) return primary_.reason();
  return verdict_.kind == Kind::stored ? kNone : verdict_.reason();
}

void Delivery::chain_overdue() {
  if (!done_) overdue(CallEnd::chain_deadline);
}

// The output or the fallback took too long.
void Delivery::overdue(CallEnd which) {
  auto self = shared_from_this();
  const char* why = which == CallEnd::deadline ? "its deadline passed" : "timeouts.chain passed";
  plugin::Lane& lane = in_fallback_ ? *step_->fallback : *step_->lane;
  const Next next = decide(role(), which, lane.instance().settings());
  if (next == Next::wait_on) return;
  if (in_fallback_) {
    leave_fallback(why);
  } else {
    leave_output(why, next);
  }
}

void Delivery::leave_output(const char* why, Next next) {
  Verdict verdict = Verdict::make(Kind::tempfail, why);
  if (next == Next::use_fallback) {
    verdict.in_doubt = true;  // it may be on its way to the broker
    leave_to_fallback();
    use_fallback(std::move(verdict));
    return;
  }
  leave_for_good();
  if (next == Next::rejected) verdict.kind = Kind::reject;
  settle(std::move(verdict), *step_->lane);
}

void Delivery::leave_fallback(const char* why) {
  call_.abandon(
      [late = std::move(late_), step = step_, why = primary_.reason()](Completion completion) {
        const bool kept = completion.verdict.kind == Kind::stored;
        if (late) {
          late->fallback_answered(kept);
        } else if (kept) {
          step->replay->kept(step->lane->name(), why);
        }
      });
  late_ = nullptr;
  take_fallback(Verdict::make(Kind::tempfail, why));
}

// Nobody else takes the message; if the output does so yet, the log says that the client may send
// it again.
void Delivery::leave_for_good() {
  call_.abandon([copy_id = copy_id(), name = step_->lane->name()](Completion completion) {
    if (completion.verdict.kind == Kind::stored) {
      log::warn("late_outcome",
                {{"copy", copy_id},
                 {"plugin", name},
                 {"outcome", "stored"},
                 {"hint", "the client was told to try again: raise the plugin's deadline"}});
    }
  });
}

// The output keeps its call, but nobody waits for it; LateOutcome has what its outcome still does.
void Delivery::leave_to_fallback() {
  late_ = std::make_shared<LateOutcome>(step_, copy_id());
  std::weak_ptr<Delivery> weak = weak_from_this();
  call_.abandon([late = late_, weak, message = message_](Completion completion) {
    const Verdict& outcome = late->output_answered(message, std::move(completion));
    const auto delivery = weak.lock();
    if (delivery && !delivery->done_ && outcome.kind == Kind::stored) {
      delivery->settle(Verdict(outcome), *delivery->step_->lane);
    }
    late->settle();
  });
}

// `attempts`: how often the output was asked.
void Delivery::use_fallback(Verdict why, uint32_t attempts) {
  primary_ = std::move(why);
  in_fallback_ = true;
  if (!late_) {
    if (const auto stopped = step_->replay->stopped_for(step_->lane->name())) {
      take_fallback(Verdict::make(Kind::tempfail, *stopped));
      return;
    }
  }
  // One that is overdue may still be answered, and goes first only if it is not.
  if (primary_.in_doubt && !late_) step_->replay->add_in_doubt(copy_id(), step_->lane->name());
  ask(*step_->fallback, {.copy_id = copy_id(),
                         .target = step_->lane->name(),
                         .deadline_ms = step_->fallback->instance().settings().deadline_ms,
                         .reason = primary_.reason(),
                         .attempts = attempts,
                         .in_doubt = primary_.in_doubt});
}

void Delivery::settle(Verdict&& verdict, const plugin::Lane& decided_by) {
  if (done_) return;
  done_ = true;
  verdict_ = std::move(verdict);
  decided_by_ = &decided_by;
  if (const auto waiting = std::exchange(waiting_, nullptr)) waiting->output_settled();
}

}  // namespace lsmtpd::pipeline
