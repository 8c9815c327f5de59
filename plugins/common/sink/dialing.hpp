// SPDX-License-Identifier: Apache-2.0
// The parts of connecting that all workers of an instance share. Made and destroyed by the
// instance, which outlives its lanes.
#pragma once

#include <cstdint>

#include "address_book.hpp"
#include "attempt_gate.hpp"
#include "seat.hpp"

namespace lsmtpd::sink {

struct Dialing {
  AddressBook addresses;
  AttemptGate gate;
  const std::uint64_t first_seat = random_seat();

  Seat seat_of(std::uint32_t worker) const { return Seat(first_seat + worker); }
};

}  // namespace lsmtpd::sink
