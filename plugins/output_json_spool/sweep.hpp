// SPDX-License-Identifier: Apache-2.0
// Checks the spool in the background: every second the free space and whether the path still leads
// to the directory, what operators did, and what the journal has to flush; for max_bytes and
// metrics the number, size and age of all messages, in bounded steps. Nothing is read at start.
// Keeper's thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "capacity.hpp"
#include "directory.hpp"
#include "files.hpp"
#include "journal/journal.hpp"
#include "operator_log.hpp"
#include "spool_metrics.hpp"

namespace lsmtpd::json_spool {

class Sweep {
 public:
  static constexpr std::int64_t kSpaceMs = 1000;  // between looks at the directory and its space
  static constexpr std::size_t kStep = 200;       // files looked at in one turn
  static constexpr std::int64_t kStepMs = 20;     // between turns
  static constexpr std::int64_t kPauseMs = 10'000;
  static constexpr std::size_t kMostDead = 10'000;  // dead letters and files in quarantine counted

  using Log = std::function<void(const Capacity::Change&)>;
  using LogLine = OperatorLines::Write;

  // Without `metrics` it looks at messages only where a limit needs that.
  Sweep(Files& files, const Directory& directory, Capacity& capacity, Log log,
        const SpoolMetrics* metrics = nullptr, LogLine log_line = nullptr,
        journal::Journal* journal = nullptr);

  // Runs the checks due at `now_ms` (steady); returns the milliseconds until the next.
  std::int64_t turn(std::int64_t now_ms);

  // `also` runs with the looks of each second. Before the keeper starts.
  void each_second(std::function<void()> also) { also_ = std::move(also); }

  // Also called before the keeper starts, so that the first MAIL is answered correctly.
  void look_at_space();

 private:
  void look_at_place();
  void look_at_journal();
  void step(std::int64_t now_ms);
  void begin(std::int64_t now_ms);
  void finish(std::int64_t now_ms);
  std::size_t count(int folder);
  void publish() const;

  Files& files_;
  const Directory& directory_;
  Capacity& capacity_;
  Log log_;
  const SpoolMetrics* const metrics_;
  journal::Journal* const journal_;
  OperatorLines operator_lines_;
  std::function<void()> also_;
  std::int64_t space_due_ = 0;
  std::int64_t step_due_ = 0;

  // The sweep under way.
  std::unique_ptr<Listing> listing_;
  std::int64_t began_ms_ = 0;
  std::int64_t began_ns_ = 0;  // files changed later are counted by capacity itself
  std::int64_t used_before_ = 0;
  std::int64_t messages_before_ = 0;
  std::int64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::int64_t oldest_ns_ = 0;       // 0: there is no message
  std::int64_t last_oldest_ns_ = 0;  // of the last whole sweep
  bool swept_ = false;               // there was one
};

}  // namespace lsmtpd::json_spool
