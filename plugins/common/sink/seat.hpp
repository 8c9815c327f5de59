// SPDX-License-Identifier: Apache-2.0
// The place of a connection among all that go to the same brokers: it says which url and which
// address of a name it prefers. Workers have consecutive seats, and each process begins at a random
// one, so that the connections of one process are spread evenly, and those of many by chance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "address_book.hpp"

namespace lsmtpd::sink {

class Seat {
 public:
  explicit Seat(std::uint64_t number) : number_(number) {}

  // Returns which of `urls` it prefers.
  std::size_t url(std::size_t urls) const { return number_ % urls; }
  // Differs for those who prefer the same one.
  std::size_t turn(std::size_t urls) const { return number_ / urls; }
  // Returns the addresses in the order in which this seat tries them. The answer's own order within
  // a family does not matter, since name servers rotate it; the family that the resolver puts first
  // stays the first (RFC 6724: the other one may lead nowhere from here).
  std::vector<Address> order(std::vector<Address> addresses, std::size_t urls) const;

 private:
  std::uint64_t number_;
};

// The number of a process's first seat.
std::uint64_t random_seat();

}  // namespace lsmtpd::sink
