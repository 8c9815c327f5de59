// SPDX-License-Identifier: Apache-2.0
// Faults that repeat at each try, as the log tells them: one line when a fault begins, one a minute
// while it lasts, one when it is over; for all workers together.
//
// Shared by the lanes of an instance. A fault is named by its key: "" for a broker that is not
// reached, the address for a target that is refused. failed() after each try in vain, passed()
// after each that went well. [any]
#pragma once

#include <atomic>
#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

namespace lsmtpd::sink {

class Outage {
 public:
  struct Words {
    std::uint32_t level;  // LSMTPD_LOG_...
    const char* begins;
    const char* lasts;
    const char* over;
    const char* subject;  // the name of the field that has the step, or the address
  };
  explicit Outage(const Words& words) : words_(words) {}

  // `cause` tells faults of one key apart: each gets its line once. `waiting` is how many messages
  // of this lane wait now.
  struct Try {
    std::string key;
    std::string subject;
    std::string cause;
    std::string why;
    std::size_t waiting = 0;
    std::uint64_t now_ms = 0;
  };
  void failed(const sdk::LaneHost& host, const Try& attempt);
  void passed(const sdk::LaneHost& host, const std::string& key);
  // There is such a fault; cheap.
  bool any() const { return any_.load(std::memory_order_relaxed); }
  // A message was tempfailed because of such a fault.
  void turned_away() { turned_away_.fetch_add(1, std::memory_order_relaxed); }

 private:
  struct Fault {
    std::uint64_t began_ms = 0;
    std::uint64_t said_ms = 0;
    std::uint64_t failed_ms = 0;
    std::uint64_t tries = 0;
    std::uint64_t turned_away_before = 0;
    std::set<std::string> causes;
    std::map<std::uint32_t, std::size_t> waiting;  // by worker
  };
  void drop_old(std::uint64_t now_ms);

  const Words words_;
  std::atomic<std::uint64_t> turned_away_{0};
  std::atomic<bool> any_{false};
  std::mutex mutex_;
  std::map<std::string, Fault> faults_;
};

// The words of outputs to brokers.
inline constexpr Outage::Words kReachWords{LSMTPD_LOG_WARN, "broker not reached",
                                           "broker still not reached", "broker reached again",
                                           "step"};
inline constexpr Outage::Words kTargetWords{LSMTPD_LOG_ERROR, "the target was refused",
                                            "the target is still refused",
                                            "the target is no longer refused", "address"};

}  // namespace lsmtpd::sink
