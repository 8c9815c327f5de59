// SPDX-License-Identifier: Apache-2.0
// The memory of TLS sessions (limits.tls_memory), and the handshakes under way: limited for all
// workers together, with a share for each peer where they get short, as limits.memory has it
// (MemoryZones).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <utility>

#include "base/budget.hpp"
#include "io/tls_certificates.hpp"
#include "io/tls_stream.hpp"
#include "io/tls_turns.hpp"
#include "server/line_limiter.hpp"
#include "server/peers.hpp"

namespace lsmtpd::server {

// Any thread.
class TlsRoom {
 public:
  explicit TlsRoom(uint64_t limit) : memory(limit) {}

  // Half of the memory: sessions that are established find room whatever begins.
  uint32_t most_handshakes() const {
    return std::max(1u, static_cast<uint32_t>(memory.limit() / 2 / io::TlsStream::kHandshakeCost));
  }

  Budget memory;
  std::atomic<uint32_t> handshakes{0};
  LineLimiter refusals{1};  // of clients that found no room
};

// The handshakes of one worker that are under way, the oldest first. Clients that begin one and
// fall silent would keep all others out until timeouts.tls has passed for each of them, and begin
// again at once: where there is no room, one that has had its time makes room for a newcomer.
// [loop]
class TlsHandshakes {
 public:
  // The part of timeouts.tls that nobody takes from a handshake.
  static constexpr uint64_t kOwnPart = 10;

  struct Entry {
    uint64_t began_ms = 0;
    std::function<void()> give_up;  // ends the connection; its room is free at once
  };
  using Place = std::list<Entry>::iterator;

  Place add(Entry entry) { return entries_.insert(entries_.end(), std::move(entry)); }
  void remove(Place place) { entries_.erase(place); }
  // Ends the oldest, if it began at `latest_ms` or before.
  bool end_oldest(uint64_t latest_ms) {
    if (entries_.empty() || entries_.front().began_ms > latest_ms) return false;
    const auto give_up = entries_.front().give_up;  // which removes it
    give_up();
    return true;
  }
  size_t count() const { return entries_.size(); }

 private:
  std::list<Entry> entries_;
};

// The part of one session. [loop]
class TlsAccount {
 public:
  TlsAccount(TlsRoom& room, TlsHandshakes& handshakes, std::shared_ptr<Peer> peer)
      : room_(room), handshakes_(handshakes), peer_(std::move(peer)), memory_(room.memory) {}
  ~TlsAccount() {
    end_handshake(false);
    (void)resize(0);
  }
  TlsAccount(const TlsAccount&) = delete;
  TlsAccount& operator=(const TlsAccount&) = delete;

  // False: there is no room for another handshake. `give_up` ends the connection.
  [[nodiscard]] bool begin_handshake(uint64_t now_ms, uint64_t timeout_ms,
                                     std::function<void()> give_up) {
    if (!reserve_room()) {
      const uint64_t own_ms = timeout_ms / TlsHandshakes::kOwnPart;
      const bool newcomer = !peer_->tls_failed && peer_->handshakes == 0;
      if (!newcomer || now_ms < own_ms || !handshakes_.end_oldest(now_ms - own_ms)) return false;
      if (!reserve_room()) return false;
    }
    place_ = handshakes_.add({now_ms, std::move(give_up)});
    return true;
  }
  // `good`: the session is established. A peer whose last one failed is no newcomer.
  void end_handshake(bool good) {
    if (!std::exchange(in_handshake_, false)) return;
    if (const auto place = std::exchange(place_, std::nullopt)) {
      handshakes_.remove(*place);
      peer_->tls_failed = !good;
    }
    room_.handshakes.fetch_sub(1, std::memory_order_relaxed);
    peer_->handshakes.fetch_sub(1, std::memory_order_relaxed);
  }
  // False: there is no room, and nothing has changed.
  [[nodiscard]] bool resize(uint64_t octets) {
    const uint64_t held = memory_.held();
    if (octets > held && !may_reserve(octets - held)) return false;
    if (!memory_.resize(octets)) return false;
    peer_->tls.fetch_add(octets - held, std::memory_order_relaxed);
    return true;
  }

 private:
  bool reserve_room() {
    const uint32_t most = room_.most_handshakes();
    const uint32_t all = room_.handshakes.fetch_add(1, std::memory_order_relaxed);
    const uint32_t of_peer = peer_->handshakes.fetch_add(1, std::memory_order_relaxed);
    in_handshake_ = true;
    const bool shared_out = all >= most / 2;
    if (all < most && (!shared_out || of_peer < std::max(1u, most / 16)) &&
        resize(io::TlsStream::kHandshakeCost)) {
      return true;
    }
    end_handshake(false);
    return false;
  }
  bool may_reserve(uint64_t octets) const {
    const MemoryZones zones(room_.memory.limit());
    const uint64_t used = room_.memory.used() + octets;
    const uint64_t of_peer = peer_->tls.load(std::memory_order_relaxed) + octets;
    return used <= zones.shared_out || (used <= zones.reserve && of_peer <= zones.share) ||
           of_peer <= std::max(zones.little, io::TlsStream::kHandshakeCost);
  }

  TlsRoom& room_;
  TlsHandshakes& handshakes_;
  const std::shared_ptr<Peer> peer_;
  Reservation memory_;
  bool in_handshake_ = false;
  std::optional<TlsHandshakes::Place> place_;  // nothing: it found no room
};

// The parts that the TLS sessions of one worker share. [loop]
struct TlsService {
  TlsService(io::Loop& loop, TlsRoom& r, const io::TlsCertificates& c)
      : turns(loop), room(r), certificates(c) {}
  io::TlsTurns turns;
  TlsHandshakes handshakes;
  TlsRoom& room;
  const io::TlsCertificates& certificates;
};

}  // namespace lsmtpd::server
