// SPDX-License-Identifier: Apache-2.0
#include "outage.hpp"

namespace lsmtpd::sink {

namespace {

constexpr std::uint64_t kMinute = 60'000;
// A target that nobody writes to any more ends without a word. Longer than the longest pause.
constexpr std::uint64_t kForgotten = 120 * kMinute;
// Addresses can hold what clients sent: more of them share one fault.
constexpr std::size_t kMostFaults = 16;
constexpr const char* kOthers = "\n";
constexpr std::size_t kMostCauses = 8;

// The loops of the workers look at the clock at different times.
std::uint64_t since(std::uint64_t then, std::uint64_t now) {
  return now > then ? now - then : 0;
}

}  // namespace

void Outage::failed(const sdk::LaneHost& host, const Try& attempt) {
  const std::lock_guard lock(mutex_);
  drop_old(attempt.now_ms);
  const bool known = faults_.count(attempt.key) != 0;
  Fault& fault = faults_[known || faults_.size() < kMostFaults ? attempt.key : kOthers];
  if (fault.tries == 0) {
    fault.began_ms = attempt.now_ms;
    fault.said_ms = attempt.now_ms;
    fault.turned_away_before = turned_away_;
  }
  any_ = true;
  ++fault.tries;
  fault.failed_ms = attempt.now_ms;
  fault.waiting[host.worker()] = attempt.waiting;
  if (fault.causes.size() < kMostCauses && fault.causes.insert(attempt.cause).second) {
    return host.log(words_.level, words_.begins,
                    {{words_.subject, attempt.subject}, {"why", attempt.why}});
  }
  if (since(fault.said_ms, attempt.now_ms) < kMinute) return;
  fault.said_ms = attempt.now_ms;
  std::size_t waiting = 0;
  for (const auto& [worker, count] : fault.waiting) waiting += count;
  host.log(words_.level, words_.lasts,
           {{words_.subject, attempt.subject},
            {"why", attempt.why},
            {"for_s", since(fault.began_ms, attempt.now_ms) / 1000},
            {"tries", fault.tries},
            {"waiting", static_cast<std::uint64_t>(waiting)},
            {"turned_away", turned_away_ - fault.turned_away_before}});
}

void Outage::passed(const sdk::LaneHost& host, const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto found = faults_.find(key);
  if (found == faults_.end()) return;
  Fault& fault = found->second;
  fault.waiting.erase(host.worker());
  // Other workers still fail.
  if (!fault.waiting.empty()) return;
  host.info(words_.over, {{"address", key},
                          {"for_s", since(fault.began_ms, host.now_ms()) / 1000},
                          {"tries", fault.tries},
                          {"turned_away", turned_away_ - fault.turned_away_before}});
  faults_.erase(found);
  any_ = !faults_.empty();
}

void Outage::drop_old(std::uint64_t now_ms) {
  std::erase_if(faults_, [&](const auto& entry) {
    return since(entry.second.failed_ms, now_ms) > kForgotten;
  });
}

}  // namespace lsmtpd::sink
