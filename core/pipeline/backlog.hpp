// SPDX-License-Identifier: Apache-2.0
// The log's lines about mail that waits in a fallback: when the first comes, each minute, and when
// nothing waits any more. kept() is [any], everything else [loop].
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>

#include "base/deadlines.hpp"
#include "io/loop.hpp"

namespace lsmtpd::pipeline {

class Backlog {
 public:
  static constexpr uint64_t kLineMs = 60'000;
  // Mail that came and went within this time of the last one has no lines of its own.
  static constexpr uint64_t kQuietMs = 5'000;

  Backlog(io::Loop& loop, const std::string& fallback);

  // The fallback took a message for `output`, which did not for that reason.
  void kept(const std::string& output, const std::string& reason);
  // `output` did not take one that was replayed.
  void refused(const std::string& output, const std::string& reason);
  // One left the storage: it was delivered, or became a dead letter.
  void left(bool delivered);
  // So many are in the storage, the oldest of them since then (0: not known).
  void counted(uint64_t waiting, int64_t oldest_ns);
  // Takes note of what was kept.
  void look();
  void stop();

  bool any() const { return since_ms_ != 0 || kept_ > 0; }  // something may wait
  bool seems_gone() const { return since_ms_ != 0 && waiting_ <= 0; }

 private:
  void begin();
  void end();
  void write_line();
  uint64_t lasted_s() const;

  io::Loop& loop_;
  const std::string fallback_;
  std::atomic<int64_t> kept_{0};  // since the last look()
  Deadlines::Entry line_, quiet_;
  uint64_t since_ms_ = 0;  // 0: nothing waits
  int64_t waiting_ = 0, oldest_ns_ = 0;
  uint64_t delivered_ = 0, dead_letters_ = 0;

  std::mutex mutex_;
  std::string reason_;             // guarded by mutex_
  std::set<std::string> outputs_;  // guarded by mutex_
};

}  // namespace lsmtpd::pipeline
