// SPDX-License-Identifier: Apache-2.0
// A worker's report about itself, written once a second, so that others know its state without a
// question to its loop. An old report means that the loop stands still.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace lsmtpd::server {

// Now, for WorkerReport::at_ms: milliseconds of CLOCK_MONOTONIC. [any]
uint64_t report_clock_ms();

struct ChainReport {
  std::string name;
  bool ready = true;   // a MAIL would be accepted
  std::string reason;  // why it would not
};

struct OutputReport {
  std::string plugin;
  bool ready = true;
  std::string reason;
  std::string fallback;  // empty: none
  bool held = false;     // by an operator
};

struct WorkerReport {
  uint64_t at_ms = 0;
  std::vector<ChainReport> chains;
  std::vector<OutputReport> outputs;  // the fallbacks too
};

// One session, for an operator: no address of mail, no content.
struct SessionInfo {
  uint32_t worker = 0;
  uint64_t number = 0;  // of its worker
  std::string peer;     // "192.0.2.1:1234"
  std::string listener;
  const char* state = "";  // what it waits for
  uint64_t seconds = 0;    // since it was connected
  uint64_t octets = 0;     // of the message under way
  std::string id;          // of the transaction under way; empty: none
};

// The last report of one worker. Shared with its readers, so that it outlives the worker. [any]
class ReportBoard {
 public:
  void publish(std::shared_ptr<const WorkerReport> report) {
    const std::lock_guard lock(mutex_);
    report_ = std::move(report);
  }
  // Null: there is none yet.
  std::shared_ptr<const WorkerReport> get() const {
    const std::lock_guard lock(mutex_);
    return report_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const WorkerReport> report_;  // guarded by mutex_
};

}  // namespace lsmtpd::server
