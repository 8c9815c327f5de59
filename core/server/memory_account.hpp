// SPDX-License-Identifier: Apache-2.0
// The part of the memory budget that one connection holds beside the body of its message: input
// that waits, half a command, replies that are not taken, and the recipients. The peer's
// reservation includes it. [loop]
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "base/budget.hpp"
#include "message/resource_limits.hpp"
#include "server/peers.hpp"

namespace lsmtpd::server {

class MemoryAccount {
 public:
  static constexpr uint64_t kStep = 1024;  // less than this is part of what a connection costs
  // Above the soft limit only envelopes below this grow.
  static constexpr uint64_t kFairEnvelope = 32u << 10;
  // An envelope below this needs no share of its peer: a relay's bodies fill that share.
  static constexpr uint64_t kFirstRecipients = 4u << 10;

  // The reservation for the recipients; moves with them.
  struct EnvelopeReservation {
    Reservation memory;
    PeerReservation share;
  };

  MemoryAccount(message::ResourceLimits& resources, std::shared_ptr<Peer> peer)
      : resources_(&resources),
        peer_(std::move(peer)),
        input_(resources.memory),
        peer_input_(peer_),
        held_(resources.memory),
        envelope_(resources.memory),
        peer_envelope_(peer_) {}

  // It is another peer's from now on.
  void hand_to(const std::shared_ptr<Peer>& peer) {
    peer_input_.hand_to(peer);
    peer_envelope_.hand_to(peer);
    peer_ = peer;
  }

  // Input that has to wait. False, here and below: there is no room.
  [[nodiscard]] bool keep_input(uint64_t octets) {
    if (!peer_->may_reserve(*resources_, octets) || !input_.reserve(octets)) return false;
    peer_input_.add(octets);
    return true;
  }
  void release_input() {
    input_.release();
    peer_input_.release();
  }

  // Reserves the octets that the session and the stream hold between two reads.
  [[nodiscard]] bool hold(uint64_t octets) { return held_.resize(octets - octets % kStep); }
  // The same for the last reply, which is part of a connection's price.
  [[nodiscard]] bool hold_last(uint64_t octets) {
    const uint64_t counted = octets - octets % kStep;
    return held_.resize(counted) || counted <= held_.held() + kStep;
  }

  // Recipients add up: a thousand on each of ten thousand connections. Above half of limits.memory
  // the envelopes of a peer have a share, which the first recipients of an envelope do not need.
  // Above the soft limit only small envelopes grow. The last eighth is for peers that hold little.
  [[nodiscard]] bool add_recipient(uint64_t octets) {
    const uint64_t used = resources_->memory.used();
    const MemoryZones zones(resources_->memory.limit());
    const uint64_t of_peer = peer_->memory.load(std::memory_order_relaxed);
    const uint64_t of_envelope = envelope_.held() + octets;
    if (used > zones.shared_out && of_peer + octets > zones.share && of_envelope > kFirstRecipients)
      return false;
    if (used > resources_->soft_limit() && of_envelope > kFairEnvelope) return false;
    if (!peer_->may_reserve(*resources_, octets) || !envelope_.reserve(octets)) return false;
    peer_envelope_.add(octets);
    return true;
  }
  void release_envelope() {
    envelope_.release();
    peer_envelope_.release();
  }
  EnvelopeReservation take_envelope() {
    return {std::exchange(envelope_, Reservation(resources_->memory)), std::move(peer_envelope_)};
  }

 private:
  message::ResourceLimits* resources_;
  std::shared_ptr<Peer> peer_;
  Reservation input_;
  PeerReservation peer_input_;
  Reservation held_;
  Reservation envelope_;
  PeerReservation peer_envelope_;
};

}  // namespace lsmtpd::server
