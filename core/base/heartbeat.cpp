// SPDX-License-Identifier: Apache-2.0
#include "base/heartbeat.hpp"

#include <ctime>
#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace lsmtpd {

namespace {

thread_local Heartbeat* attached = nullptr;

}  // namespace

uint64_t Heartbeat::now_ms() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

Heartbeat* Heartbeat::attach(Heartbeat* heartbeat) noexcept {
  return std::exchange(attached, heartbeat);
}

Heartbeat* Heartbeat::here() noexcept {
  return attached;
}

// A reader that sees the new function sees the new time too, and so takes no new call for an old
// one.
void Heartbeat::enter(const Place& place) noexcept {
  since_ms_.store(place.since_ms, std::memory_order_relaxed);
  plugin_.store(place.plugin, std::memory_order_release);
  function_.store(place.function, std::memory_order_release);
}

uint64_t Heartbeat::silent_ms() const noexcept {
  const uint64_t beat = beat_ms(), now = now_ms();
  return beat == 0 || beat > now ? 0 : now - beat;
}

Heartbeat::Place Heartbeat::place() const noexcept {
  Place place;
  place.function = function_.load(std::memory_order_acquire);
  place.plugin = plugin_.load(std::memory_order_acquire);
  place.since_ms = since_ms_.load(std::memory_order_relaxed);
  return place;
}

// Never destroyed: threads may still read a name while the process ends.
const char* lasting_name(const char* name) {
  static std::mutex& mutex = *new std::mutex;
  static std::set<std::string>& names = *new std::set<std::string>;
  std::lock_guard lock(mutex);
  return names.insert(name).first->c_str();
}

}  // namespace lsmtpd
