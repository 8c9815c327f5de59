// SPDX-License-Identifier: Apache-2.0
#include "io/tls_turns.hpp"

#include <ctime>
#include <utility>

namespace lsmtpd::io {

namespace {
uint64_t now_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}
}  // namespace

TlsTurns::Step::Step(TlsTurns& turns) : turns_(turns), began_ns_(now_ns()) {}

TlsTurns::Step::~Step() {
  turns_.spent_ns_ += now_ns() - began_ns_;
}

bool TlsTurns::has_time() {
  if (std::exchange(turn_, loop_.turn()) != loop_.turn()) spent_ns_ = 0;
  return waiting_.empty() && spent_ns_ < per_turn_ns_;
}

void TlsTurns::wait(std::weak_ptr<void> owner, Task task) {
  waiting_.push_back({std::move(owner), std::move(task)});
  run_later();
}

void TlsTurns::run_later() {
  if (std::exchange(posted_, true)) return;
  loop_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) run();
  });
}

// At least one each time, so that a slow key cannot stop all of them.
void TlsTurns::run() {
  posted_ = false;
  if (std::exchange(turn_, loop_.turn()) != loop_.turn()) spent_ns_ = 0;
  do {
    const Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    if (!next.owner.expired()) next.task();
  } while (!waiting_.empty() && spent_ns_ < per_turn_ns_);
  if (!waiting_.empty()) run_later();
}

}  // namespace lsmtpd::io
