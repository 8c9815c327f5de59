// What one connection holds of the memory budget beside the body of its message: input that waits,
// half a command, replies that are not taken, and the recipients. [loop]
#pragma once

#include <cstdint>
#include <utility>

#include "base/budget.hpp"
#include "message/resource_limits.hpp"

namespace lsmtpd::server {

class MemoryAccount {
 public:
  static constexpr uint64_t kStep = 1024;  // below it, what is held is part of a connection's price
  // Where memory is short only envelopes below this go on growing.
  static constexpr uint64_t kFairEnvelope = 32u << 10;

  explicit MemoryAccount(message::ResourceLimits& resources)
      : resources_(&resources),
        input_(resources.memory),
        held_(resources.memory),
        envelope_(resources.memory) {}

  // Input that has to wait. False, here and below: there is no room.
  [[nodiscard]] bool keep_input(uint64_t octets) { return input_.reserve(octets); }
  void release_input() { input_.release(); }

  // What the session and the stream hold for a client in the middle of things.
  [[nodiscard]] bool hold(uint64_t octets) { return held_.resize(octets - octets % kStep); }
  // The same for the last reply, which is part of a connection's price.
  [[nodiscard]] bool hold_last(uint64_t octets) {
    const uint64_t counted = octets - octets % kStep;
    return held_.resize(counted) || counted <= held_.held() + kStep;
  }

  // Envelopes add up too: a thousand recipients on each of ten thousand connections. Where memory
  // is short only small ones go on growing, so that the connections of one peer cannot take what is
  // left from everybody else.
  [[nodiscard]] bool add_recipient(uint64_t octets) {
    const bool is_short = resources_->memory.used() > resources_->soft_limit();
    if (is_short && envelope_.held() + octets > kFairEnvelope) return false;
    return envelope_.reserve(octets);
  }
  void release_envelope() { envelope_.release(); }
  // For whoever keeps the envelope from now on.
  Reservation take_envelope() { return std::exchange(envelope_, Reservation(resources_->memory)); }

 private:
  message::ResourceLimits* resources_;
  Reservation input_;
  Reservation held_;
  Reservation envelope_;
};

}  // namespace lsmtpd::server
