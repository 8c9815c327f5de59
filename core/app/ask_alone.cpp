// SPDX-License-Identifier: Apache-2.0
#include "app/ask_alone.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "app/exit_status.hpp"
#include "base/text.hpp"
#include "plugin/pending_call.hpp"

namespace lsmtpd::app {

namespace {

constexpr uint64_t kCloseDeadlineMs = 5000;
constexpr uint64_t kReadyPauseMs = 20;

class Conversation {
 public:
  Conversation(plugin::Instance& instance, const std::vector<Step>& steps, std::string& problem)
      : instance_(instance),
        steps_(steps),
        problem_(problem),
        call_([this] { overdue(); }),
        ready_timer_([this] { step(); }),
        close_deadline_([this] { stuck(); }) {}

  std::optional<plugin::Completion> run(uint64_t deadline_ms) {
    deadline_ms_ = deadline_ms;
    loop_.post([this] { begin(); });
    loop_.run();
    return std::move(answer_);
  }

 private:
  void begin() {
    auto opened = instance_.open_lane(loop_, 0);
    if (!opened) {
      problem_ = opened.error().message;
      loop_.stop();
      return;
    }
    lane_ = std::move(*opened);
    waits_since_ms_ = loop_.now_ms();
    step();
  }

  // Takes one step after the other, for as long as the answers come at once.
  void step() {
    while (next_ < steps_.size()) {
      if (steps_[next_].when_ready && wait_until_ready()) return;
      auto now = call_.put(
          *lane_, loop_.deadlines(), deadline_ms_,
          [this](plugin::Completion later) {
            if (take(std::move(later))) step();
          },
          [this](plugin::Done done, plugin::CallId& call) {
            return steps_[next_].ask(*lane_, std::move(done), call);
          });
      if (!now || !take(std::move(*now))) return;
    }
  }

  // True: it is not ready yet, and step() comes again. A plugin that stays so is asked all the
  // same: its own answer says more than a deadline.
  bool wait_until_ready() {
    const bool in_time = loop_.now_ms() - waits_since_ms_ < deadline_ms_;
    if (!in_time || lane_->admission().ready) return false;
    loop_.deadlines().arm(ready_timer_, kReadyPauseMs);
    return true;
  }

  // False: that was the end.
  bool take(plugin::Completion completion) {
    answer_ = std::move(completion);
    const Step& taken = steps_[next_++];
    waits_since_ms_ = loop_.now_ms();
    const bool go_on =
        taken.take ? taken.take(*answer_) : answer_->verdict.kind == plugin::Kind::proceed;
    if (go_on && next_ < steps_.size()) return true;
    close();
    return false;
  }

  void overdue() {
    problem_ =
        fmt::format("{}: no answer within {}", instance_.name(), format_duration(deadline_ms_));
    call_.abandon(nullptr);
    answer_.reset();
    close();
  }

  void close() {
    loop_.deadlines().arm(close_deadline_, kCloseDeadlineMs);
    lane_->close(
        [this] {
          close_deadline_.disarm();
          loop_.stop();
        },
        kCloseDeadlineMs);
  }

  void stuck() {
    std::fprintf(stderr, "lsmtpd: %s%s%s: the lane does not close\n", problem_.c_str(),
                 problem_.empty() ? "" : "; ", instance_.name().c_str());
    std::fflush(nullptr);
    std::_Exit(kExitFailed);
  }

  plugin::Instance& instance_;
  const std::vector<Step>& steps_;
  size_t next_ = 0;
  uint64_t waits_since_ms_ = 0;
  std::string& problem_;
  uint64_t deadline_ms_ = 0;
  io::Loop loop_;
  std::unique_ptr<plugin::Lane> lane_;
  std::optional<plugin::Completion> answer_;
  plugin::PendingCall call_;
  Deadlines::Entry ready_timer_;
  Deadlines::Entry close_deadline_;
};

}  // namespace

std::optional<plugin::Completion> ask_alone(plugin::Instance& instance, uint64_t deadline_ms,
                                            const Question& question, std::string& problem) {
  const std::vector<Step> one = {{question}};
  return ask_alone(instance, deadline_ms, one, problem);
}

std::optional<plugin::Completion> ask_alone(plugin::Instance& instance, uint64_t deadline_ms,
                                            const std::vector<Step>& steps, std::string& problem) {
  if (auto started = instance.start(); !started) {
    problem = started.error().message;
    return std::nullopt;
  }
  auto answer = Conversation(instance, steps, problem).run(deadline_ms);
  instance.stop();
  return answer;
}

}  // namespace lsmtpd::app
