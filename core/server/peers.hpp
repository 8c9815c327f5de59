// SPDX-License-Identifier: Apache-2.0
// How many connections there are, in all and from each peer address, across all workers. Any
// thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

namespace lsmtpd::server {

class Peers {
 public:
  Peers(uint32_t most, uint32_t most_per_peer) : most_(most), most_per_peer_(most_per_peer) {}

  enum class Admitted : uint8_t { yes, too_many, too_many_from_peer };
  Admitted enter(const std::string& address);  // yes: leave() must follow
  void leave(const std::string& address);
  uint32_t count() const;

 private:
  const uint32_t most_;
  const uint32_t most_per_peer_;
  mutable std::mutex mutex_;
  uint32_t count_ = 0;                                 // guarded by mutex_
  std::unordered_map<std::string, uint32_t> by_peer_;  // guarded by mutex_
};

}  // namespace lsmtpd::server
