// SPDX-License-Identifier: Apache-2.0
// Mistakes of plugins that may come with each message: the first of a kind is logged, and then
// one line a minute, with how often it came.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "log/events.hpp"

namespace lsmtpd::plugin {

class Mistakes {
 public:
  static constexpr std::chrono::seconds kPause{60};

  // `plugin`, `event` and `what` tell kinds apart; `what` says in which function, or of what. [any]
  void note(std::string_view plugin, log::EventAt<log::Level::error> event, std::string_view what,
            std::string_view hint);

 private:
  struct Kind {
    uint64_t unsaid = 0;
    std::chrono::steady_clock::time_point said = {};
  };
  std::mutex mutex_;
  std::map<std::string, Kind, std::less<>> kinds_;  // guarded by mutex_
};

}  // namespace lsmtpd::plugin
