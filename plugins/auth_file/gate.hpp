// SPDX-License-Identifier: Apache-2.0
// Lets so many hashes be computed at once, with a bounded queue behind them. Any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>

namespace auth_file {

class Gate {
 public:
  using Start = std::function<void()>;
  static constexpr std::size_t kQueue = 32;

  explicit Gate(std::uint32_t most) : most_(most) {}

  // Calls `start` now, inside this, or later, inside a leave() on any thread. False: the queue is
  // full. Each start is followed by one leave().
  bool enter(const void* owner, Start start);
  void leave();
  // Drops what waits for this owner.
  void forget(const void* owner);

 private:
  struct Waiting {
    const void* owner;
    Start start;
  };
  const std::uint32_t most_;
  std::mutex mutex_;
  std::uint32_t running_ = 0;
  std::deque<Waiting> queue_;
};

}  // namespace auth_file
