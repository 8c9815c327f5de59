// SPDX-License-Identifier: Apache-2.0
#include "attempt_gate.hpp"

#include <algorithm>

namespace lsmtpd::sink {

namespace {

constexpr std::uint64_t kSecond = 1'000'000;
// Addresses of which all is forgotten where nothing waits for them.
constexpr std::size_t kMany = 64;

}  // namespace

// The generic cell rate algorithm (ITU-T I.371), as a virtual schedule.
std::uint64_t AttemptGate::wait(const std::string& address, std::uint32_t a_second,
                                std::uint64_t now_ms) {
  const std::uint64_t at_once = (std::uint64_t{a_second} + 1) / 2;
  // The first of a burst and the last before the second is over both count: hence the 1.
  const std::uint64_t space = (kSecond + a_second - at_once) / (a_second - at_once + 1);
  const std::uint64_t now_us = now_ms * 1000;
  const std::lock_guard lock(mutex_);
  if (due_us_.size() >= kMany) drop_old(now_us);
  std::uint64_t& due = due_us_[address];
  due = std::max(due, now_us);
  const std::uint64_t early = (at_once - 1) * space;
  const std::uint64_t start = due > now_us + early ? due - early : now_us;
  due += space;
  return (start - now_us + 999) / 1000;
}

void AttemptGate::drop_old(std::uint64_t now_us) {
  std::erase_if(due_us_, [now_us](const auto& entry) { return entry.second <= now_us; });
}

}  // namespace lsmtpd::sink
