// SPDX-License-Identifier: Apache-2.0
// Says in the log that a loop is stuck, and in which plugin's function, while it is: a thread of
// its own looks at the heartbeats of the others.
//
// Order: construct, watch() each thread, destroy. [main]
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/heartbeat.hpp"

namespace lsmtpd::server {

class Watchdog {
 public:
  static constexpr uint64_t kStuckMs = 5000;

  explicit Watchdog(uint64_t stuck_ms = kStuckMs);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // No worker: the main thread.
  void watch(std::optional<uint32_t> worker, std::shared_ptr<const Heartbeat> heartbeat);

 private:
  struct Watched {
    std::optional<uint32_t> worker;
    std::shared_ptr<const Heartbeat> heartbeat;
    Heartbeat::Place place = {};  // where it was stuck
    uint64_t since_ms = 0;        // 0: it is not stuck
  };
  void run();
  void look(Watched& watched, uint64_t now_ms) const;

  const uint64_t stuck_ms_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::vector<Watched> all_;  // guarded by mutex_
  bool ends_ = false;         // guarded by mutex_
  std::thread thread_;
};

}  // namespace lsmtpd::server
