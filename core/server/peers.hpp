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

// The connections and memory that one peer holds. Lives as long as somebody holds some for it.
class Peer {
 public:
  static constexpr uint32_t kRefusalLines = 300;  // a minute
  // A hundred connections with bodies of this part of what is left take a tenth of it.
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

  // Some memory is left for those that hold little of it.
  bool may_reserve(const message::ResourceLimits& resources, uint64_t octets) const {
    const MemoryZones zones(resources.memory.limit());
    return resources.memory.used() + octets <= zones.reserve ||
           memory.load(std::memory_order_relaxed) + octets <= zones.little;
  }
  // Its share of limits.spill, for a body that has `held` and is to have `octets` more. All mail
  // may come from one relay in front, so one peer alone may have nearly all, and its small bodies
  // need no share; peers that compete leave a third, and who comes last gets a quarter of what is
  // left.
  bool may_spill(const message::ResourceLimits& resources, uint64_t held, uint64_t octets) const {
    const uint64_t limit = resources.spill.limit(), own = spill.used();
    const uint64_t used = std::max(resources.spill.used(), own);
    const uint64_t left = limit - std::min(limit, used);
    const uint64_t most_alone = limit / 16 * 15;
    if (octets > left) return true;  // there is no room whose share could be told: flush() says so
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
  // Those that left last keep their counts: a peer that comes again and again is the same one, and
  // is here once. Guarded by mutex_, and destroyed before it.
  static constexpr size_t kRecent = 1024;
  std::list<std::shared_ptr<Peer>> recent_;

 public:
  LineLimiter refusals;  // of connections over the limit for all
};

}  // namespace lsmtpd::server
