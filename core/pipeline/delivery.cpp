#include "pipeline/delivery.hpp"

#include <algorithm>
#include <optional>

#include "log/log.hpp"
#include "pipeline/outcome.hpp"
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
      call_([this] { overdue(Came::deadline); }) {}

Delivery::~Delivery() = default;

void Delivery::run(const message::Message& message, std::function<void()> settled) {
  message_ = message;
  settled_ = std::move(settled);
  // In the order in which a broker that detects duplicates can detect them (promise P3).
  if (step_.fallback && step_.replay->goes_first(step_.lane->name())) {
    use_fallback(Verdict::make(Kind::tempfail, "messages that are in doubt go first"));
    return;
  }
  ask(*step_.lane, time_for_output(), {});
}

Speaker Delivery::speaks() const {
  return in_fallback_     ? Speaker::fallback
         : step_.fallback ? Speaker::output_with_fallback
                          : Speaker::output;
}

// How long anybody waits for the output: its own deadline or what is left of the chain's; 0: there
// is no end.
uint64_t Delivery::time_for_output() const {
  const uint64_t own = step_.lane->instance().settings().deadline_ms;
  if (ends_at_ms_ == 0) return own;
  const uint64_t left = ends_at_ms_ > deadlines_.now() ? ends_at_ms_ - deadlines_.now() : 1;
  return own == 0 ? left : std::min(own, left);
}

// `time_ms` is told to the plugin; the chain's own deadline does its part of it.
void Delivery::ask(plugin::Lane& lane, uint64_t time_ms, std::string target) {
  auto self = shared_from_this();
  auto answer = call_.put(
      lane, deadlines_, lane.instance().settings().deadline_ms,
      [self](Completion completion) {
        self->take(came_of(completion.verdict.kind), std::move(completion));
      },
      [&](plugin::Done done, plugin::CallId& call) {
        return lane.deliver(message_, {copy_id_, std::move(target), time_ms, false},
                            std::move(done), call);
      });
  if (answer) take(came_of(answer->verdict.kind), std::move(*answer));
}

void Delivery::take(Came came, Completion&& completion) {
  Verdict& verdict = completion.verdict;
  if (in_fallback_) {
    take_fallback(std::move(verdict));
    return;
  }
  switch (decide(speaks(), came, step_.lane->instance().settings())) {
    case Next::stored:
      if (step_.replay) step_.replay->accepted(step_.lane->name());
      break;
    case Next::rejected:
      change_kind(verdict, Kind::reject);
      break;
    case Next::use_fallback:  // with what the output noted down for its next try
      if (completion.message) message_ = std::move(*completion.message);
      if (Replay::in_doubt(verdict)) step_.replay->add_in_doubt(copy_id_, step_.lane->name());
      use_fallback(std::move(verdict));
      return;
    default:
      change_kind(verdict, Kind::tempfail);
  }
  settle(std::move(verdict), *step_.lane);
}

void Delivery::take_fallback(Verdict verdict) {
  const auto& settings = step_.fallback->instance().settings();
  const bool kept = decide(Speaker::fallback, came_of(verdict.kind), settings) == Next::stored;
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
  step_.replay->not_in_doubt(copy_id_);  // the client has it
  change_kind(verdict, Kind::tempfail);
  verdict.detail = primary_.detail + "; fallback " + step_.fallback->name() + ": " + verdict.detail;
  settle(std::move(verdict), *step_.lane);
}

void Delivery::chain_overdue() {
  if (!done_) overdue(Came::chain_deadline);
}

// The output or the fallback took too long.
void Delivery::overdue(Came which) {
  auto self = shared_from_this();
  const char* why = which == Came::deadline ? "its deadline passed" : "timeouts.chain passed";
  plugin::Lane& lane = in_fallback_ ? *step_.fallback : *step_.lane;
  const Next next = decide(speaks(), which, lane.instance().settings());
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
    leave_to_fallback();
    use_fallback(std::move(verdict));
    return;
  }
  leave_for_good();
  if (next == Next::rejected) verdict.kind = Kind::reject;
  settle(std::move(verdict), *step_.lane);
}

void Delivery::leave_fallback(const char* why) {
  call_.abandon([late = std::move(late_), replay = step_.replay](Completion completion) {
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
  call_.abandon([copy_id = copy_id_, name = step_.lane->name()](Completion completion) {
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
  late_ = std::make_shared<Late>(Late{*step_.replay, copy_id_, step_.lane->name()});
  step_.replay->hold(copy_id_);
  std::weak_ptr<Delivery> weak = weak_from_this();
  call_.abandon([late = late_, weak, message = message_](Completion completion) {
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
  primary_ = std::move(why);
  in_fallback_ = true;
  ask(*step_.fallback, step_.fallback->instance().settings().deadline_ms, step_.lane->name());
}

void Delivery::settle(Verdict verdict, const plugin::Lane& speaker) {
  if (done_) return;
  done_ = true;
  verdict_ = std::move(verdict);
  speaker_ = &speaker;
  if (auto told = std::exchange(settled_, nullptr)) told();
}

}  // namespace lsmtpd::pipeline
