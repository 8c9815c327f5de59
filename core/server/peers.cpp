// SPDX-License-Identifier: Apache-2.0
#include "server/peers.hpp"

namespace lsmtpd::server {

Peers::Admitted Peers::enter(const std::string& address) {
  std::lock_guard lock(mutex_);
  if (count_ >= most_) return Admitted::too_many;
  uint32_t& from_peer = by_peer_[address];
  if (from_peer >= most_per_peer_) return Admitted::too_many_from_peer;
  ++from_peer;
  ++count_;
  return Admitted::yes;
}

void Peers::leave(const std::string& address) {
  std::lock_guard lock(mutex_);
  --count_;
  const auto found = by_peer_.find(address);
  if (--found->second == 0) by_peer_.erase(found);
}

uint32_t Peers::count() const {
  std::lock_guard lock(mutex_);
  return count_;
}

}  // namespace lsmtpd::server
