// SPDX-License-Identifier: Apache-2.0
// Copies that have waited for longer than their storage's operator wants, as far as they are known.
// [loop]
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace lsmtpd::pipeline {

class Expired {
 public:
  static constexpr size_t kMost = 1024;  // the oldest are listed first

  struct Copy {
    int64_t time_ns = 0;  // when it was stored
    std::string output;   // empty: not known yet, and each may be meant
  };

  // True: it was not known before.
  bool add(const std::string& copy_id, int64_t time_ns, const std::string& output) {
    if (copies_.size() >= kMost) return false;
    return copies_.try_emplace(copy_id, Copy{time_ns, output}).second;
  }
  void is_for(const std::string& copy_id, const std::string& output) {
    if (const auto at = copies_.find(copy_id); at != copies_.end()) at->second.output = output;
  }
  void erase(const std::string& copy_id) { copies_.erase(copy_id); }

  const Copy* find(const std::string& copy_id) const {
    const auto at = copies_.find(copy_id);
    return at == copies_.end() ? nullptr : &at->second;
  }
  bool empty() const { return copies_.empty(); }
  // When the oldest that `output` took nothing since was stored; 0: there is none. `taken_ns`: when
  // it took the last one.
  int64_t oldest_untaken(const std::string& output, int64_t taken_ns) const {
    int64_t oldest = 0;
    for (const auto& [id, copy] : copies_) {
      const bool meant = copy.output.empty() || copy.output == output;
      if (!meant || copy.time_ns <= taken_ns) continue;
      if (oldest == 0 || copy.time_ns < oldest) oldest = copy.time_ns;
    }
    return oldest;
  }
  // Forgets those that `gone` says it of.
  template <class Gone>
  void erase_if(Gone&& gone) {
    std::erase_if(copies_, [&](const auto& entry) { return gone(entry.first, entry.second); });
  }

 private:
  std::map<std::string, Copy> copies_;
};

}  // namespace lsmtpd::pipeline
