// SPDX-License-Identifier: Apache-2.0
#include "seat.hpp"

#include <algorithm>
#include <cstring>
#include <random>

namespace lsmtpd::sink {

namespace {

bool is_less(const Address& one, const Address& other) {
  if (one.length != other.length) return one.length < other.length;
  return std::memcmp(&one.storage, &other.storage, one.length) < 0;
}

}  // namespace

std::vector<Address> Seat::order(std::vector<Address> addresses, std::size_t urls) const {
  auto begin = addresses.begin();
  while (begin != addresses.end()) {
    const auto family = begin->storage.ss_family;
    const auto end = std::stable_partition(begin, addresses.end(), [family](const Address& each) {
      return each.storage.ss_family == family;
    });
    std::sort(begin, end, is_less);
    const auto count = static_cast<std::uint64_t>(end - begin);
    // Those who share a url differ in their address.
    const std::uint64_t first = turn(urls) % count;
    std::rotate(begin, begin + static_cast<std::ptrdiff_t>(first), end);
    begin = end;
  }
  return addresses;
}

std::uint64_t random_seat() {
  return std::random_device{}();
}

}  // namespace lsmtpd::sink
