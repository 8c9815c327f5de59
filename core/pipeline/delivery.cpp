// SPDX-License-Identifier: Apache-2.0
#include "pipeline/delivery.hpp"

#include <algorithm>
#include <optional>

#include "log/log.hpp"
#include "pipeline/replay.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;
using plugin::Verdict;

// What the overdue call and the fallback know of each other. The one that ends last puts things
// right.
struct Delivery::Late {
  Replay& replay;
  const std::string copy_id;
  const std::string output;
  std::optional<Verdict> outcome = {};      // the overdue output's
  std::optional<Replay::Notes> notes = {};  // of the overdue output, for that copy's replay
  std::optional<bool> kept = {};            // the fallback's: has it a copy?

  void settle() {
    if (!outcome || !kept) return;
    log::info("late_outcome", {{"copy", copy_id},
                               {"plugin", output},
                               {"outcome", outcome->kind == Kind::stored   ? "stored"
                                           : outcome->kind == Kind::reject ? "rejected"
                                                                           : "tempfail"},
                               {"fallback_has_it", *kept}});
    // What the fallback does not have is only released.
    replay.settle_held(copy_id, *kept ? outcome->kind : Kind::tempfail, outcome->reason(),
                       *kept ? std::move(notes) : std::nullopt);
  }
};

Delivery::Delivery(Deadlines& deadlines, const OutputStep& step, std::string copy_id,
                   uint64_t ends_at_ms)
    : deadlines_(deadlines),
      step_(step),
      copy_id_(std::move(copy_id)),
      ends_at_ms_(ends_at_ms),
      speaker_(step.lane),
      deadline_([this] { overdue(); }) {}

Delivery::~Delivery() = default;

void Delivery::run(const message::Message& message, std::function<void()> settled) {
  message_ = message;
  settled_ = std::move(settled);
  ask(*step_.lane, {});
}

// How long anybody waits for `lane`: its own deadline or what is left of the chain's; 0: there is
// no end.
uint64_t Delivery::time_for(plugin::Lane& lane) const {
  const uint64_t own = lane.instance().entry().deadline;
  if (ends_at_ms_ == 0) return own;
  const uint64_t left = ends_at_ms_ > deadlines_.now() ? ends_at_ms_ - deadlines_.now() : 1;
  return own == 0 ? left : std::min(own, left);
}

void Delivery::ask(plugin::Lane& lane, std::string target) {
  auto self = shared_from_this();
  auto answer = lane.deliver(
      message_, {copy_id_, std::move(target), time_for(lane), false},
      [self](Completion completion) {
        self->call_ = 0;
        self->deadline_.disarm();
        self->take(std::move(completion));
      },
      call_);
  if (answer) {
    take(std::move(*answer));
  } else {
    deadlines_.arm(deadline_, lane.instance().entry().deadline);
  }
}

void Delivery::take(Completion&& completion) {
  if (in_fallback_) {
    take_fallback(std::move(completion.verdict));
  } else {
    take_primary(std::move(completion));
  }
}

void Delivery::take_primary(Completion&& completion) {
  Verdict& verdict = completion.verdict;
  if (verdict.kind == Kind::failed && !step_.fallback &&
      step_.lane->instance().entry().on_error == config::OnFailure::reject) {
    verdict.kind = Kind::reject;
  }
  if (verdict.kind == Kind::stored || verdict.kind == Kind::reject) {
    settle(std::move(verdict), *step_.lane);
    return;
  }
  if (completion.message)
    message_ = std::move(*completion.message);  // what the output noted down for its next try
  use_fallback(std::move(verdict));
}

void Delivery::take_fallback(Verdict verdict) {
  const bool kept = verdict.kind == Kind::stored;
  if (late_) {
    late_->kept = kept;
    late_->settle();
  }
  if (done_) return;  // the output itself has it by now
  if (kept) {
    step_.replay->wake();
    verdict.detail += " (fallback of " + step_.lane->name() + ": " + primary_.detail + ")";
    settle(std::move(verdict), *step_.fallback);
    return;
  }
  verdict.kind = Kind::tempfail;
  verdict.detail = primary_.detail + "; fallback " + step_.fallback->name() + ": " + verdict.detail;
  settle(std::move(verdict), *step_.lane);
}

// The output or the fallback took too long.
void Delivery::overdue() {
  auto self = shared_from_this();
  if (in_fallback_) {
    fallback_overdue("its deadline passed");
    return;
  }
  Verdict why = Verdict::make(Kind::tempfail, "its deadline passed");
  if (step_.fallback) {
    leave_to_fallback();
    use_fallback(std::move(why));
    return;
  }
  leave_for_good();
  if (step_.lane->instance().entry().on_timeout == config::OnFailure::reject)
    why.kind = Kind::reject;
  settle(std::move(why), *step_.lane);
}

void Delivery::fallback_overdue(const char* why) {
  step_.fallback->abandon(std::exchange(call_, 0),
                          [late = std::move(late_), replay = step_.replay](Completion completion) {
                            const bool kept = completion.verdict.kind == Kind::stored;
                            if (late) {
                              late->kept = kept;
                              late->settle();
                            } else if (kept) {
                              replay->wake();
                            }
                          });
  late_ = nullptr;
  take_fallback(Verdict::make(Kind::tempfail, why));
}

// Nobody else takes the message; if the output does so yet, the log says that the client may send
// it again.
void Delivery::leave_for_good() {
  step_.lane->abandon(std::exchange(call_, 0), [copy_id = copy_id_,
                                                name = step_.lane->name()](Completion completion) {
    if (completion.verdict.kind == Kind::stored) {
      log::warn("late_outcome",
                {{"copy", copy_id},
                 {"plugin", name},
                 {"outcome", "stored"},
                 {"hint", "the client was told to try again: raise the plugin's deadline"}});
    }
  });
}

// The output keeps its call, but nobody waits for it; see Late for what its outcome still does.
void Delivery::leave_to_fallback() {
  const lsmtpd_call call = std::exchange(call_, 0);
  late_ = std::make_shared<Late>(Late{*step_.replay, copy_id_, step_.lane->name()});
  step_.replay->hold(copy_id_);
  std::weak_ptr<Delivery> weak = weak_from_this();
  step_.lane->abandon(call, [late = late_, weak, message = message_](Completion completion) {
    late->notes = Replay::notes_of(message, completion, late->output);
    late->outcome = std::move(completion.verdict);
    const auto delivery = weak.lock();
    if (delivery && !delivery->done_ && late->outcome->kind == Kind::stored) {
      delivery->settle(*late->outcome, *delivery->step_.lane);
    }
    late->settle();
  });
}

void Delivery::use_fallback(Verdict why) {
  if (!step_.fallback) {
    why.kind = Kind::tempfail;
    settle(std::move(why), *step_.lane);
    return;
  }
  primary_ = std::move(why);
  in_fallback_ = true;
  ask(*step_.fallback, step_.lane->name());
}

void Delivery::give_up(const char* why) {
  if (done_) return;
  auto self = shared_from_this();
  deadline_.disarm();
  if (in_fallback_) {
    fallback_overdue(why);
    return;
  }
  if (call_) leave_for_good();
  settle(Verdict::make(Kind::tempfail, why), *step_.lane);
}

void Delivery::settle(Verdict verdict, const plugin::Lane& speaker) {
  if (done_) return;
  done_ = true;
  verdict_ = std::move(verdict);
  speaker_ = &speaker;
  if (auto told = std::exchange(settled_, nullptr)) told();
}

}  // namespace lsmtpd::pipeline
