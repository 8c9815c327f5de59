// SPDX-License-Identifier: Apache-2.0
// A question to a lane that somebody waits for: put it, arm its deadline, take the answer or
// abandon it. One at a time. [loop]
//
// Whoever owns one lives until it is answered or abandoned: `answered` keeps the owner alive, or
// the owner's destructor calls abandon().
#pragma once

#include <functional>
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
  // gets it later, once, unless the question is abandoned before. A deadline of 0 is none.
  template <class Ask>
  std::optional<Completion> put(Lane& lane, Deadlines& deadlines, uint64_t deadline_ms,
                                Done answered, Ask&& ask) {
    lane_ = &lane;
    auto now = ask(
        [this, answered = std::move(answered)](Completion completion) {
          call_ = 0;
          deadline_.disarm();
          answered(std::move(completion));
        },
        call_);
    if (!now) deadlines.arm(deadline_, deadline_ms);
    return now;
  }

  // Nobody waits any more; `late` gets the answer when it comes (may be empty). May destroy the
  // owner, where only `answered` kept it alive.
  void abandon(Done late) {
    deadline_.disarm();
    if (call_) lane_->abandon(std::exchange(call_, 0), std::move(late));
  }

  bool open() const { return call_ != 0; }

 private:
  Lane* lane_ = nullptr;
  CallId call_ = 0;
  Deadlines::Entry deadline_;
};

}  // namespace lsmtpd::plugin
