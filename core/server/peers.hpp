// SPDX-License-Identifier: Apache-2.0
// Counts the connections, in all and of each peer, and what each peer holds, across all workers. A
// peer is a network, not an address: a host that has one address of an IPv6 /64 has all of them.
// Any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/budget.hpp"
#include "base/network.hpp"
#include "message/resource_limits.hpp"
#include "server/guesses.hpp"
#include "server/line_limiter.hpp"

namespace lsmtpd::server {

// Levels of limits.memory in use. Above each of them fewer peers get more memory, so that one peer,
// or eight of them, cannot use up what other peers need.
struct MemoryZones {
  explicit MemoryZones(uint64_t limit)
      : shared_out(limit / 2), reserve(limit / 8 * 7), share(limit / 16), little(limit / 64) {}
  uint64_t shared_out;  // above it a peer's envelopes have a share
  uint64_t reserve;     // above it only peers that hold little get more
  uint64_t share;
  uint64_t little;
};

class Peers;

// The connections and memory that one peer holds. Lives as long as somebody holds some for it.
class Peer {
 public:
  static constexpr uint32_t kRefusalLines = 300;  // a minute
  // A body with at most this part of what is left of limits.spill needs no share: a hundred such
  // bodies take a tenth of it.
  static constexpr uint64_t kSmallSpill = 1024;

  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Octets of input, envelopes and bodies in memory: counted here, limited by may_reserve().
  std::atomic<uint64_t> memory{0};
  Budget spill{UINT64_MAX};  // octets in spill files: counted, limited by may_spill()
  LineLimiter refusals;      // lines of the log
  Guesses guesses;           // not asked where the peer is exempt
  const bool exempt;         // from the limits per peer; its shares of memory stay
  // Of TLS: octets of its sessions, and handshakes under way; limited by TlsAccount.
  std::atomic<uint64_t> tls{0};
  std::atomic<uint32_t> handshakes{0};
  std::atomic<bool> tls_failed{false};  // its last handshake did not come to a session

  // False: the memory that is left is for peers that hold little.
  bool may_reserve(const message::ResourceLimits& resources, uint64_t octets) const {
    const MemoryZones zones(resources.memory.limit());
    return resources.memory.used() + octets <= zones.reserve ||
           memory.load(std::memory_order_relaxed) + octets <= zones.little;
  }
  // The peer's share of limits.spill, for a body that has `held` octets on the disk and is to have
  // `octets` more. A peer has 15/16 of the limit less twice what other peers hold, and always a
  // quarter of what is left. One relay in front may send all mail, so one peer alone may have
  // nearly all. Small bodies need no share.
  bool may_spill(const message::ResourceLimits& resources, uint64_t held, uint64_t octets) const {
    const uint64_t limit = resources.spill.limit(), own = spill.used();
    const uint64_t used = std::max(resources.spill.used(), own);
    const uint64_t left = limit - std::min(limit, used);
    const uint64_t most_alone = limit / 16 * 15;
    if (octets > left) return true;  // flush() finds that there is no room, and says so
    return own + octets + 2 * (used - own) <= most_alone || own + octets <= left / 4 ||
           held + octets <= left / kSmallSpill;
  }

 private:
  friend class Peers;
  Peer(Peers& peers, std::string key, bool is_exempt)
      : refusals(kRefusalLines), exempt(is_exempt), peers_(peers), key_(std::move(key)) {}

  Peers& peers_;
  const std::string key_;
  uint32_t connections_ = 0;  // guarded by Peers::mutex_
  // Its place in Peers::recent_, where it is there. Guarded by Peers::mutex_.
  std::optional<std::list<std::shared_ptr<Peer>>::iterator> left_;
};

// Part of a peer's count of memory, given back as a whole.
class PeerReservation {
 public:
  explicit PeerReservation(std::shared_ptr<Peer> peer) : peer_(std::move(peer)) {}
  PeerReservation(PeerReservation&& other) noexcept
      : peer_(other.peer_), held_(std::exchange(other.held_, 0)) {}
  PeerReservation& operator=(PeerReservation&&) = delete;
  ~PeerReservation() { release(); }
  void add(uint64_t octets) {
    held_ += octets;
    peer_->memory.fetch_add(octets, std::memory_order_relaxed);
  }
  // It is another peer's from now on.
  void hand_to(std::shared_ptr<Peer> peer) {
    const uint64_t held = held_;
    release();
    peer_ = std::move(peer);
    add(held);
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
    std::vector<Network> exempt;  // as many connections as they like, and no waits for AUTH
  };
  enum class Admission : uint8_t { yes, too_many, too_many_from_peer };
  struct Entered {
    Admission admission;
    std::shared_ptr<Peer> peer;  // null: too_many
  };

  explicit Peers(const Limits& limits) : limits_(limits), refusals(Peer::kRefusalLines) {}
  // Connections that are over a new limit stay.
  void set_limits(const Limits& limits);
  ~Peers() = default;
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  enum class Kind : uint8_t {
    client,
    proxy,  // a trusted proxy on its own account: as many connections as it likes
  };
  // A peer that became exempt, or is so no more, is another one from its next connection on.
  Entered enter(const std::string& address, Kind kind = Kind::client);  // yes: leave() must follow
  // A connection whose peer is not known yet counts among all. True: leave_unknown() must follow.
  [[nodiscard]] bool hold();
  void leave_unknown();
  void leave(const std::shared_ptr<Peer>& peer);
  uint32_t count() const;

 private:
  friend class Peer;
  void forget(const std::string& key);

  mutable std::mutex mutex_;
  Limits limits_;                                                // guarded by mutex_
  uint32_t count_ = 0;                                           // guarded by mutex_
  std::unordered_map<std::string, std::weak_ptr<Peer>> by_key_;  // guarded by mutex_
  // The peers that left last, each once. They keep their counts: a peer that connects again and
  // again stays the same one. Guarded by mutex_, and destroyed before it.
  static constexpr size_t kRecent = 1024;
  std::list<std::shared_ptr<Peer>> recent_;

 public:
  LineLimiter refusals;  // of connections over the limit for all
};

}  // namespace lsmtpd::server
