// SPDX-License-Identifier: Apache-2.0
// How far a command over many messages is: a line on standard error that is written anew, where
// that is a terminal; and whether the user wants it to end. [main]
#pragma once

#include <lsmtpd/sdk/config.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace lsmtpd::json_spool {

// "1,234 of 20,000, 512 a second, 37 s left"
std::string progress_text(std::uint64_t done, std::uint64_t total, double seconds);

class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  // `total` is asked for once, and only where a line is written; it may be too small by then.
  Progress(const sdk::Terminal& terminal, std::function<std::uint64_t()> total);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void step() {
    if (++done_ % 16 == 0 && shown_) look();
  }
  // Removes the line, so that others can be written.
  void clear();

 private:
  static constexpr std::chrono::milliseconds kFirst{1000}, kEach{200};

  void look();

  const sdk::Terminal& terminal_;
  std::function<std::uint64_t()> total_of_;
  std::uint64_t total_ = 0;
  std::uint64_t done_ = 0;
  const bool shown_;
  bool line_ = false;  // one is on the terminal
  const Clock::time_point began_ = Clock::now();
  Clock::time_point next_ = began_ + kFirst;
};

// While one lives, SIGINT and SIGTERM only ask to end after the present message. One at a time.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  static bool asked();
};

}  // namespace lsmtpd::json_spool
