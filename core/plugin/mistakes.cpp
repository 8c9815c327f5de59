// SPDX-License-Identifier: Apache-2.0
#include "plugin/mistakes.hpp"

#include <fmt/format.h>

#include <utility>

#include "log/log.hpp"

namespace lsmtpd::plugin {

void Mistakes::note(std::string_view plugin, log::EventAt<log::Level::error> event,
                    std::string_view what, std::string_view hint) {
  constexpr size_t kMostKinds = 100;
  uint64_t times = 0;
  {
    const auto now = std::chrono::steady_clock::now();
    const std::lock_guard lock(mutex_);
    std::string key = fmt::format("{} {} {}", plugin, event.event().text(), what);
    if (kinds_.size() >= kMostKinds && !kinds_.contains(key)) key = "others";
    Kind& kind = kinds_[key];
    ++kind.unsaid;
    if (kind.said != std::chrono::steady_clock::time_point() && now - kind.said < kPause) return;
    kind.said = now;
    times = std::exchange(kind.unsaid, 0);
  }
  log::error(event, {{"plugin", plugin}, {"what", what}, {"times", times}, {"hint", hint}});
}

}  // namespace lsmtpd::plugin
