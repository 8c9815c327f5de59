// SPDX-License-Identifier: Apache-2.0
#include "pipeline/backlog.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "log/log.hpp"

namespace lsmtpd::pipeline {

Backlog::Backlog(io::Loop& loop, const std::string& fallback)
    : loop_(loop), fallback_(fallback), line_([this] { write_line(); }), quiet_([] {}) {}

void Backlog::kept(const std::string& output, const std::string& reason) {
  ++kept_;
  const std::lock_guard lock(mutex_);
  if (!reason.empty()) reason_ = reason;
  outputs_.insert(output);
}

void Backlog::refused(const std::string& output, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (!reason.empty()) reason_ = reason;
  outputs_.insert(output);
}

void Backlog::left(bool delivered) {
  --waiting_;
  ++(delivered ? delivered_ : dead_letters_);
}

void Backlog::counted(uint64_t waiting, int64_t oldest_ns) {
  look();
  waiting_ = static_cast<int64_t>(waiting);  // what came meanwhile is counted the next time
  oldest_ns_ = oldest_ns;
  if (waiting > 0) {
    begin();
  } else if (since_ms_ != 0 && !quiet_.armed()) {
    end();
  }
}

void Backlog::look() {
  const int64_t kept = kept_.exchange(0);
  if (kept == 0) return;
  waiting_ += kept;
  loop_.deadlines().arm(quiet_, kQuietMs);
  begin();
}

void Backlog::stop() {
  line_.disarm();
  quiet_.disarm();
}

void Backlog::begin() {
  if (since_ms_ != 0) return;
  since_ms_ = std::max<uint64_t>(1, loop_.now_ms());
  delivered_ = dead_letters_ = 0;
  loop_.deadlines().arm(line_, kLineMs);
  const std::lock_guard lock(mutex_);
  const std::vector<std::string_view> outputs(outputs_.begin(), outputs_.end());
  log::warn("backlog_began",
            {{"fallback", fallback_},
             {"outputs", log::List(outputs)},
             {"waiting", std::max<int64_t>(waiting_, 0)},
             {"reason", reason_.empty() ? "they were there at the start" : reason_}});
}

void Backlog::end() {
  line_.disarm();
  log::info("backlog_gone", {{"fallback", fallback_},
                             {"lasted_s", lasted_s()},
                             {"delivered", delivered_},
                             {"dead_letters", dead_letters_}});
  since_ms_ = 0;
  const std::lock_guard lock(mutex_);
  reason_.clear();
  outputs_.clear();
}

void Backlog::write_line() {
  loop_.deadlines().arm(line_, kLineMs);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t now_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  const int64_t oldest_s = oldest_ns_ == 0 ? 0 : (now_ns - oldest_ns_) / 1'000'000'000;
  const std::lock_guard lock(mutex_);
  const std::vector<std::string_view> outputs(outputs_.begin(), outputs_.end());
  log::warn("backlog", {{"fallback", fallback_},
                        {"outputs", log::List(outputs)},
                        {"waiting", std::max<int64_t>(waiting_, 0)},
                        {"oldest_s", std::max<int64_t>(oldest_s, 0)},
                        {"lasted_s", lasted_s()},
                        {"delivered", delivered_},
                        {"reason", reason_}});
}

uint64_t Backlog::lasted_s() const {
  return (loop_.now_ms() - std::min(since_ms_, loop_.now_ms())) / 1000;
}

}  // namespace lsmtpd::pipeline
