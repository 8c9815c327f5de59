#include "pipeline/delivery.hpp"

#include <optional>

#include "log/log.hpp"
#include "pipeline/replay.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;
using plugin::Verdict;

// What the overdue call and the fallback know of each other. The one that ends last puts things right.
struct Delivery::Late {
  Replay& replay;
  const std::string copy_id;
  const std::string output;
  std::optional<Verdict> outcome = {};  // the overdue output's
  std::optional<bool> kept = {};        // the fallback's: has it a copy?

  void settle() {
    if (!outcome || !kept) return;
    log::info("late_outcome", {{"copy", copy_id},
                               {"plugin", output},
                               {"outcome", outcome->kind == Kind::stored   ? "stored"
                                           : outcome->kind == Kind::reject ? "rejected"
                                                                           : "try_later"},
                               {"fallback_has_it", *kept}});
    replay.settle_held(copy_id, *kept ? outcome->kind : Kind::try_later, outcome->detail);
  }
};

Delivery::Delivery(Deadlines& deadlines, const OutputStep& step, std::string copy_id, uint64_t chain_deadline_ms)
    : deadlines_(deadlines),
      step_(step),
      copy_id_(std::move(copy_id)),
      chain_deadline_ms_(chain_deadline_ms),
      speaker_(step.lane),
      deadline_([this] { overdue(); }) {}

Delivery::~Delivery() = default;

void Delivery::run(const message::Message& message, std::function<void()> settled) {
  message_ = message;
  settled_ = std::move(settled);
  ask(*step_.lane, {});
}

void Delivery::ask(plugin::Lane& lane, std::string target) {
  auto self = shared_from_this();
  const uint64_t deadline_ms = lane.stage().entry().deadline;
  auto answer = lane.deliver(
      message_, {copy_id_, std::move(target), deadline_ms, false},
      [self](Completion completion) {
        self->call_ = 0;
        self->deadline_.disarm();
        self->take(std::move(completion));
      },
      call_);
  if (answer) {
    take(std::move(*answer));
  } else {
    deadlines_.arm(deadline_, deadline_ms);
  }
}

void Delivery::take(Completion completion) {
  if (in_fallback_) {
    take_fallback(std::move(completion.verdict));
  } else {
    take_primary(std::move(completion));
  }
}

void Delivery::take_primary(Completion completion) {
  Verdict& verdict = completion.verdict;
  if (verdict.kind == Kind::failed && !step_.fallback && step_.lane->stage().entry().on_error == config::OnFailure::reject) {
    verdict.kind = Kind::reject;
  }
  if (verdict.kind == Kind::stored || verdict.kind == Kind::reject) {
    settle(std::move(verdict), *step_.lane);
    return;
  }
  if (completion.message) message_ = std::move(*completion.message);  // what the output noted down for its next try
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
  verdict.kind = Kind::try_later;
  verdict.detail = primary_.detail + "; fallback " + step_.fallback->name() + ": " + verdict.detail;
  settle(std::move(verdict), *step_.lane);
}

// The output or the fallback took too long.
void Delivery::overdue() {
  auto self = shared_from_this();
  if (in_fallback_) {
    auto late = late_;
    auto* replay = step_.replay;
    step_.fallback->abandon(std::exchange(call_, 0), [late, replay](Completion completion) {
      const bool kept = completion.verdict.kind == Kind::stored;
      if (late) {
        late->kept = kept;
        late->settle();
      } else if (kept) {
        replay->wake();
      }
    });
    late_ = nullptr;
    take_fallback(Verdict::make(Kind::try_later, "its deadline passed"));
    return;
  }
  leave_primary(step_.fallback != nullptr);
  Verdict why = Verdict::make(Kind::try_later, "its deadline passed");
  if (!step_.fallback && step_.lane->stage().entry().on_timeout == config::OnFailure::reject) {
    why.kind = Kind::reject;
    settle(std::move(why), *step_.lane);
    return;
  }
  use_fallback(std::move(why));
}

// The output keeps its call, but nobody waits for it; see Late for what its outcome still does.
void Delivery::leave_primary(bool for_fallback) {
  const lsmtpd_call call = std::exchange(call_, 0);
  if (!for_fallback) {
    const std::string name = step_.lane->name();
    step_.lane->abandon(call, [copy_id = copy_id_, name](Completion completion) {
      if (completion.verdict.kind == Kind::stored) {
        log::warn("late_outcome", {{"copy", copy_id}, {"plugin", name}, {"outcome", "stored"},
                                   {"hint", "the client was told to try again: raise the plugin's deadline"}});
      }
    });
    return;
  }
  late_ = std::make_shared<Late>(Late{*step_.replay, copy_id_, step_.lane->name()});
  step_.replay->hold(copy_id_);
  std::weak_ptr<Delivery> weak = weak_from_this();
  step_.lane->abandon(call, [late = late_, weak](Completion completion) {
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
    why.kind = Kind::try_later;
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
    overdue();
    return;
  }
  if (call_) leave_primary(false);
  settle(Verdict::make(Kind::try_later, why), *step_.lane);
}

void Delivery::settle(Verdict verdict, const plugin::Lane& speaker) {
  if (done_) return;
  done_ = true;
  verdict_ = std::move(verdict);
  speaker_ = &speaker;
  if (auto told = std::exchange(settled_, nullptr)) told();
}

}  // namespace lsmtpd::pipeline
