// SPDX-License-Identifier: Apache-2.0
#include "app/ask_alone.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "app/daemon.hpp"
#include "base/text.hpp"

namespace lsmtpd::app {

namespace {

constexpr uint64_t kCloseDeadlineMs = 5000;

class Conversation {
 public:
  Conversation(plugin::Instance& instance, const Question& question, std::string& problem)
      : instance_(instance),
        question_(question),
        problem_(problem),
        answer_deadline_([this] { overdue(); }),
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
    loop_.deadlines().arm(answer_deadline_, deadline_ms_);
    auto now = question_(
        *lane_, [this](plugin::Completion later) { take(std::move(later)); }, call_);
    if (now) take(std::move(*now));
  }

  void take(plugin::Completion completion) {
    answer_ = std::move(completion);
    answer_deadline_.disarm();
    close();
  }

  void overdue() {
    problem_ =
        fmt::format("{}: no answer within {}", instance_.name(), format_duration(deadline_ms_));
    lane_->abandon(call_, nullptr);
    close();
  }

  void close() {
    loop_.deadlines().arm(close_deadline_, kCloseDeadlineMs);
    lane_->close([this] {
      close_deadline_.disarm();
      loop_.stop();
    });
  }

  void stuck() {
    std::fprintf(stderr, "lsmtpd: %s%s%s: the lane does not close\n", problem_.c_str(),
                 problem_.empty() ? "" : "; ", instance_.name().c_str());
    std::fflush(nullptr);
    std::_Exit(kExitFailed);
  }

  plugin::Instance& instance_;
  const Question& question_;
  std::string& problem_;
  uint64_t deadline_ms_ = 0;
  io::Loop loop_;
  std::unique_ptr<plugin::Lane> lane_;
  lsmtpd_call call_ = 0;
  std::optional<plugin::Completion> answer_;
  Deadlines::Entry answer_deadline_;
  Deadlines::Entry close_deadline_;
};

}  // namespace

std::optional<plugin::Completion> ask_alone(plugin::Instance& instance, uint64_t deadline_ms,
                                            const Question& question, std::string& problem) {
  if (auto started = instance.start(); !started) {
    problem = started.error().message;
    return std::nullopt;
  }
  auto answer = Conversation(instance, question, problem).run(deadline_ms);
  instance.stop();
  return answer;
}

}  // namespace lsmtpd::app
