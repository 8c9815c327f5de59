// SPDX-License-Identifier: Apache-2.0
// A question to a lane that somebody waits for: put it, arm its deadline, take the answer or
// abandon it. One at a time. [loop]
//
// The owner must live until it is answered or abandoned: `owner` keeps it alive, or the owner's
// destructor calls abandon().
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/deadlines.hpp"
#include "plugin/lane.hpp"

namespace lsmtpd::plugin {

class PendingCall {
 public:
  // `overdue` comes when the deadline passes. The call is open still: abandon() it.
  explicit PendingCall(std::function<void()> overdue) : deadline_(std::move(overdue)) {}

  // `ask(done, call)` puts the question to `lane`. Returns the answer, or nothing: then `answered`
  // gets it later, once, unless the question is abandoned before. A deadline of 0 is none. The
  // answer lets go of `owner` and of all that `answered` holds.
  template <class Ask>
  std::optional<Completion> put(Lane& lane, Deadlines& deadlines, uint64_t deadline_ms,
                                Done answered, Ask&& ask, std::shared_ptr<void> owner = nullptr) {
    lane_ = &lane;
    // Captures of one pointer: std::function allocates for more.
    auto now = ask([this](Completion completion) { take(std::move(completion)); }, call_);
    if (now) return now;
    answered_ = std::move(answered);
    owner_ = std::move(owner);
    deadlines.arm(deadline_, deadline_ms);
    return std::nullopt;
  }

  // Nobody waits any more; `late` gets the answer when it comes (may be empty). May destroy the
  // owner, where only `answered` kept it alive.
  void abandon(Done late) {
    deadline_.disarm();
    const Done answered = std::exchange(answered_, nullptr);
    const auto owner = std::exchange(owner_, nullptr);
    if (call_) lane_->abandon(std::exchange(call_, 0), std::move(late));
  }

  bool open() const { return call_ != 0; }

 private:
  void take(Completion&& completion) {
    call_ = 0;
    deadline_.disarm();
    const Done answered = std::exchange(answered_, nullptr);
    const auto owner = std::exchange(owner_, nullptr);
    answered(std::move(completion));
  }

  Lane* lane_ = nullptr;
  CallId call_ = 0;
  Deadlines::Entry deadline_;
  Done answered_;
  std::shared_ptr<void> owner_;
};

}  // namespace lsmtpd::plugin
