// SPDX-License-Identifier: Apache-2.0
// Watches over messages that the broker has and the host no longer waits for. Their outcomes may
// come late; from the first such message to the next outcome of any the broker is stalled, and new
// mail goes elsewhere.
//
// overdue() when the host gives a job up, done() when that job has its outcome; progress() with
// each outcome. `give_up` is called where none came for `patience`, or one job was overdue for ten
// times as long: only the connection's end brings certainty. [loop]
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <map>

#include "job.hpp"

namespace lsmtpd::sink {

class StallWatch {
 public:
  StallWatch(sdk::LaneHost host, std::chrono::milliseconds patience, std::function<void()> give_up)
      : host_(std::move(host)), patience_(patience), give_up_(std::move(give_up)) {}

  // True: a stall begins.
  bool overdue(const Job& job);
  void done(const Job& job) { overdue_.erase(&job); }
  // True: a stall is over.
  bool progress();
  // The broker takes a large message: a sign of life, and no outcome.
  void moved() { moved_at_ = host_.now_ms(); }
  // The connection is gone, and nothing is at the broker.
  void reset();

  bool stalled() const { return stalled_; }
  bool any_overdue() const { return !overdue_.empty(); }
  bool is_overdue(const Job& job) const { return overdue_.count(&job) != 0; }

 private:
  void arm(std::chrono::milliseconds pause);
  void check();

  sdk::LaneHost host_;
  std::chrono::milliseconds patience_;
  std::function<void()> give_up_;
  std::map<const Job*, std::uint64_t> overdue_;  // since when, in milliseconds
  std::uint64_t moved_at_ = 0;
  bool stalled_ = false;
  sdk::Timer timer_;
};

}  // namespace lsmtpd::sink
