// SPDX-License-Identifier: Apache-2.0
#include "server/peers.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace lsmtpd::server {

namespace {

std::string masked(const unsigned char* address, size_t size, uint32_t prefix) {
  std::string key(reinterpret_cast<const char*>(address), size);
  for (size_t i = 0; i < size; ++i) {
    const auto before = static_cast<uint32_t>(8 * i);
    const uint32_t bits = prefix > before ? std::min(prefix - before, 8u) : 0;
    key[i] = static_cast<char>(key[i] & (0xff00 >> bits));
  }
  return key;
}

// A text that is no address is its own key.
std::string key_of(const std::string& address, uint32_t prefix_v4, uint32_t prefix_v6) {
  unsigned char octets[16];
  if (inet_pton(AF_INET, address.c_str(), octets) == 1) return masked(octets, 4, prefix_v4);
  if (inet_pton(AF_INET6, address.c_str(), octets) == 1) return masked(octets, 16, prefix_v6);
  return address;
}

}  // namespace

Peer::~Peer() {
  peers_.forget(key_);
}

void Peers::set_limits(const Limits& limits) {
  std::lock_guard lock(mutex_);
  limits_ = limits;
}

Peers::Entered Peers::enter(const std::string& address, Kind kind) {
  std::shared_ptr<Peer> peer;  // released after the lock, since its end takes it
  std::lock_guard lock(mutex_);
  std::string key = key_of(address, limits_.prefix_v4, limits_.prefix_v6);
  const bool proxy = kind == Kind::proxy;
  const bool exempt = proxy || any_contains(limits_.exempt, address);
  // Others of the same prefix are another peer, and so are clients at a proxy's address.
  if (exempt) key.insert(0, proxy ? "proxy " : "exempt ");
  if (count_ >= limits_.connections) return {Admission::too_many, nullptr};
  auto& known = by_key_[key];
  peer = known.lock();
  if (!peer) {
    peer = std::shared_ptr<Peer>(new Peer(*this, key, exempt));
    known = peer;
  }
  if (!exempt && peer->connections_ >= limits_.connections_per_peer) {
    return {Admission::too_many_from_peer, peer};
  }
  if (peer->left_) recent_.erase(*std::exchange(peer->left_, std::nullopt));
  ++peer->connections_;
  ++count_;
  return {Admission::yes, peer};
}

void Peers::leave(const std::shared_ptr<Peer>& peer) {
  std::shared_ptr<Peer> oldest;  // released after the lock, since its end takes it
  std::lock_guard lock(mutex_);
  --count_;
  if (--peer->connections_ > 0) return;
  peer->left_ = recent_.insert(recent_.end(), peer);
  if (recent_.size() <= kRecent) return;
  oldest = std::move(recent_.front());
  oldest->left_.reset();
  recent_.pop_front();
}

bool Peers::hold() {
  std::lock_guard lock(mutex_);
  if (count_ >= limits_.connections) return false;
  ++count_;
  return true;
}

void Peers::leave_unknown() {
  std::lock_guard lock(mutex_);
  --count_;
}

uint32_t Peers::count() const {
  std::lock_guard lock(mutex_);
  return count_;
}

// Another peer of that key may have come meanwhile.
void Peers::forget(const std::string& key) {
  std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found != by_key_.end() && found->second.expired()) by_key_.erase(found);
}

}  // namespace lsmtpd::server
