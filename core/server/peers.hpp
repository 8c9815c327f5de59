// SPDX-License-Identifier: Apache-2.0
// Who is connected: how many connections there are, in all and from each peer, and what each peer
// holds, across all workers. A peer is a network, not an address: whoever has one address of an
// IPv6 /64 has all of them. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/budget.hpp"
#include "message/resource_limits.hpp"
#include "server/line_limiter.hpp"

namespace lsmtpd::server {

// Where memory gets short, every peer but those that hold little stops getting more, in steps: one
// peer, or eight of them, cannot keep others from being served.
struct MemoryZones {
  explicit MemoryZones(uint64_t limit)
      : shared_out(limit / 2), reserve(limit / 8 * 7), share(limit / 16), little(limit / 64) {}
  uint64_t shared_out;  // above it a peer's envelopes have a share
  uint64_t reserve;     // above it only peers that hold little get more
  uint64_t share;
  uint64_t little;
};

class Peers;

// What one peer holds. Lives as long as somebody holds something for it.
class Peer {
 public:
  static constexpr uint32_t kRefusalLines = 300;  // a minute

  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Octets of input, envelopes and bodies in memory: counted here, limited by may_take().
  std::atomic<uint64_t> memory{0};
  Budget spill{UINT64_MAX};  // octets in spill files: counted, limited by may_spill()
  LineLimiter refusals;      // lines of the log

  // Some memory is left for those that hold little of it.
  bool may_take(const message::ResourceLimits& resources, uint64_t octets) const {
    const MemoryZones zones(resources.memory.limit());
    return resources.memory.used() + octets <= zones.reserve ||
           memory.load(std::memory_order_relaxed) + octets <= zones.little;
  }
  // The last part of limits.spill is for peers with little of it: there a peer has a share, which
  // every one of its bodies counts against, but for one that has no other beside it: `held` is that
  // body's part. The part is small, since all mail may come from one relay in front.
  bool may_spill(const message::ResourceLimits& resources, uint64_t held, uint64_t octets) const {
    const uint64_t limit = resources.spill.limit();
    return resources.spill.used() + octets <= limit / 64 * 63 || spill.used() == held ||
           spill.used() + octets <= limit / 20;
  }

 private:
  friend class Peers;
  Peer(Peers& peers, std::string key)
      : refusals(kRefusalLines), peers_(peers), key_(std::move(key)) {}

  Peers& peers_;
  const std::string key_;
  uint32_t connections_ = 0;  // guarded by Peers::mutex_
};

// Part of a peer's count of memory, given back as a whole.
class PeerShare {
 public:
  explicit PeerShare(std::shared_ptr<Peer> peer) : peer_(std::move(peer)) {}
  PeerShare(PeerShare&& other) noexcept
      : peer_(other.peer_), held_(std::exchange(other.held_, 0)) {}
  PeerShare& operator=(PeerShare&&) = delete;
  ~PeerShare() { release(); }
  void add(uint64_t octets) {
    held_ += octets;
    peer_->memory.fetch_add(octets, std::memory_order_relaxed);
  }
  void release() {
    if (held_) peer_->memory.fetch_sub(std::exchange(held_, 0), std::memory_order_relaxed);
  }
  uint64_t held() const { return held_; }

 private:
  std::shared_ptr<Peer> peer_;
  uint64_t held_ = 0;
};

class Peers {
 public:
  struct Limits {
    uint32_t connections;
    uint32_t connections_per_peer;
    uint32_t prefix_v4;  // bits of an address that make a peer
    uint32_t prefix_v6;
  };
  enum class Admission : uint8_t { yes, too_many, too_many_from_peer };
  struct Entered {
    Admission admission;
    std::shared_ptr<Peer> peer;  // null: too_many
  };

  explicit Peers(const Limits& limits) : limits_(limits), refusals(Peer::kRefusalLines) {}
  ~Peers() = default;
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  Entered enter(const std::string& address);  // yes: leave() must follow
  void leave(const std::shared_ptr<Peer>& peer);
  uint32_t count() const;

 private:
  friend class Peer;
  void forget(const std::string& key);

  const Limits limits_;
  mutable std::mutex mutex_;
  uint32_t count_ = 0;                                           // guarded by mutex_
  std::unordered_map<std::string, std::weak_ptr<Peer>> by_key_;  // guarded by mutex_
  // Those that left last keep their counts: a peer that comes again and again is the same one.
  // Guarded by mutex_, and destroyed before it.
  static constexpr size_t kRecent = 1024;
  std::deque<std::shared_ptr<Peer>> recent_;

 public:
  LineLimiter refusals;  // of connections over the limit for all
};

}  // namespace lsmtpd::server
