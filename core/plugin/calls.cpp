// SPDX-License-Identifier: Apache-2.0
#include "plugin/calls.hpp"

#include <algorithm>

#include "log/log.hpp"
#include "plugin/running.hpp"

namespace lsmtpd::plugin {

namespace {

// As the client sees it: reject is worse than tempfail, and that is worse than stored.
int rank(const Verdict& verdict) {
  return verdict.kind == Kind::reject ? 2 : verdict.kind == Kind::stored ? 0 : 1;
}

// Why a plugin cannot mean its answer; null: it can.
const char* nonsense_of(CallKind kind, const Verdict& verdict) {
  const Kind said = verdict.kind;
  if (verdict.nonsense) return verdict.nonsense;
  if (kind == CallKind::filter && said == Kind::stored) return "STORED from a filter";
  if (kind == CallKind::decide && said == Kind::stored) return "STORED from a session filter";
  if (kind == CallKind::decide && said == Kind::discard) return "DISCARD from a session filter";
  if (kind == CallKind::verify && (said == Kind::proceed || said == Kind::stored))
    return "CONTINUE or STORED for credentials";
  if (kind == CallKind::verify && said == Kind::discard) return "DISCARD for credentials";
  if (kind != CallKind::deliver) return nullptr;
  if (said == Kind::proceed || said == Kind::accept) return "CONTINUE or ACCEPT from an output";
  return said == Kind::discard ? "DISCARD from an output" : nullptr;
}

}  // namespace

void Question::close(Completion& completion) {
  auto& verdicts = completion.recipients;
  if (!verdicts.empty()) {
    const bool fits =
        kind == CallKind::deliver && view->envelope()->recipients.size() == verdicts.size();
    if (fits) {
      completion.verdict =
          *std::max_element(verdicts.begin(), verdicts.end(),
                            [](const Verdict& a, const Verdict& b) { return rank(a) < rank(b); });
    } else {
      verdicts.clear();
      completion.verdict = Verdict::make(Kind::tempfail, "not one verdict for each recipient");
    }
  }
  const Kind said = completion.verdict.kind;
  const bool good = said == Kind::proceed || said == Kind::accept;
  if (view) {
    // An output's annotations go to its fallback, a filter's edits to the next step.
    const bool keeps = kind == CallKind::deliver ? said != Kind::stored : good;
    completion.message = view->close(keeps);
  }
  if (annotation_edits) {
    annotation_edits->close();
    if (good && annotation_edits->changed()) completion.annotations = annotation_edits->result();
  }
}

Calls::Calls(io::Loop& loop, Instance& instance, uint32_t worker)
    : loop_(loop), instance_(instance), worker_(worker % kWorkers) {}

std::optional<uint32_t> Calls::free_slot() {
  if (free_.empty()) {
    if (slots_.size() == kSlots) return std::nullopt;
    slots_.emplace_back();
    return static_cast<uint32_t>(slots_.size() - 1);
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  return index;
}

// With the worker in it: a plugin that takes one lane's host for another's answers no other call.
CallId Calls::id_of(uint32_t index) const {
  return (static_cast<uint64_t>(slots_[index].generation) << 32) | (worker_ * kSlots) | index;
}

Calls::Slot* Calls::find(CallId call) {
  const uint32_t index = static_cast<uint32_t>(call) % kSlots;
  if (index >= slots_.size()) return nullptr;
  return slots_[index].open && id_of(index) == call ? &slots_[index] : nullptr;
}

void Calls::complete(CallId call, Completion&& completion) {
  Slot* slot = find(call);
  if (!slot) {
    instance_.mistakes().note(instance_.name(), "call_not_open", "complete",
                              "the plugin completed a call twice, or one it never got");
    return;
  }
  --instance_.open_calls();
  observe(*slot, slot->question->kind);
  auto question = std::move(slot->question);
  const char* nonsense = nonsense_of(question->kind, completion.verdict);
  if (nonsense) {
    instance_.mistakes().note(instance_.name(), "verdict_makes_no_sense", nonsense,
                              "it counts as TEMPFAIL, or the part that does not fit is left out");
  }
  question->close(completion);
  Done done = std::move(slot->done);
  if (slot->abandoned) --stuck_;
  slot->open = false;
  if (++slot->generation == 0) slot->generation = 1;
  free_.push_back(static_cast<uint32_t>(call) % kSlots);

  if (putting_ && putting_->call == call) {
    putting_->answer = std::move(completion);
    putting_->question = std::move(question);
  } else if (done) {
    if (ready_.empty()) loop_.defer([this] { hand_on_ready(); });
    ready_.push_back({call, std::move(done), std::move(completion)});
  }
}

// The loop's clock stands still while a plugin blocks it.
void Calls::observe(const Slot& slot, CallKind kind) const {
  if (kind != CallKind::filter && kind != CallKind::decide && kind != CallKind::deliver) return;
  const Running* running = Running::here();
  const uint64_t ms = std::max(loop_.now_ms() - slot.asked_ms, running ? running->elapsed_ms() : 0);
  duration_.observe(static_cast<double>(ms) / 1000);
}

// A handler may abandon other answers of this batch or put new calls, so ready_ may grow.
void Calls::hand_on_ready() {
  for (handed_on_ = 0; handed_on_ < ready_.size();) {
    Ready answer = std::move(ready_[handed_on_++]);
    if (answer.done) answer.done(std::move(answer.completion));
  }
  ready_.clear();
  handed_on_ = 0;
}

void Calls::complete_from_any(CallId call, Completion&& completion) {
  if (loop_.on_thread()) {
    complete(call, std::move(completion));
    return;
  }
  std::lock_guard lock(mutex_);
  from_others_.emplace_back(call, std::move(completion));
  if (from_others_.size() > 1) return;  // the loop was told with the first one
  loop_.post([this, here = std::weak_ptr<const bool>(here_)] {
    if (here.expired()) return;  // the lane went before this turn
    std::vector<std::pair<CallId, Completion>> answers;
    {
      std::lock_guard guard(mutex_);
      answers.swap(from_others_);
    }
    for (auto& [c, answer] : answers) complete(c, std::move(answer));
  });
}

std::optional<CallKind> Calls::abandon(CallId call, Done late) {
  Slot* slot = find(call);
  if (!slot) {
    // It was answered in this very turn, and the answer is about to be handed on: to `late`, then.
    const auto answered =
        std::find_if(ready_.begin() + static_cast<std::ptrdiff_t>(handed_on_), ready_.end(),
                     [&](const auto& ready) { return ready.call == call; });
    if (answered != ready_.end()) answered->done = std::move(late);
    return std::nullopt;
  }
  Question& question = *slot->question;
  const CallKind kind = question.kind;
  const Done before = std::exchange(slot->done, std::move(late));
  if (std::exchange(slot->abandoned, true)) return std::nullopt;
  if (question.envelope) {
    question.memory = Reservation(instance_.resources().memory);
    question.memory.count(message::memory_of(*question.envelope));
  }
  ++stuck_;
  if (stuck_ == kMostStuck + 1) {
    log::error("plugin_stuck",
               {{"plugin", instance_.name()},
                {"calls", stuck_},
                {"hint", "the plugin does not complete its calls and counts as failed"}});
  }
  return kind;
}

size_t Calls::fail_open() {
  std::vector<CallId> open;
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].open) open.push_back(id_of(i));
  }
  for (const CallId call : open)
    complete(call, Completion::make(Kind::tempfail, "the plugin closed its lane"));
  return open.size();
}

}  // namespace lsmtpd::plugin
