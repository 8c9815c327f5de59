// SPDX-License-Identifier: Apache-2.0
#include "flight.hpp"

#include <algorithm>
#include <bit>

namespace lsmtpd::sink {

namespace {

constexpr std::uint64_t kStep = 256 * 1024;
// A delivery's own structures, and the most its buffer grows to (link.cpp: what is given at a
// time).
constexpr std::uint64_t kOwn = 1024;
constexpr std::uint64_t kPiece = 64 * 1024;
constexpr std::uint32_t kCarefulFloor = 16;
constexpr std::uint64_t kLiveMs = 1000;

std::uint64_t footprint(std::uint64_t bytes) {
  return kOwn + std::bit_ceil(std::min(bytes, kPiece));
}

}  // namespace

void Flight::sent(std::uint64_t bytes, bool replay) {
  ++count_;
  bytes_ += bytes;
  if (replay) {
    ++replaying_;
  } else {
    live_until_ms_ = host_.now_ms() + kLiveMs;
  }
  footprint_ += footprint(bytes);
  if (footprint_ > reserved_) reserve_for(footprint_);
}

void Flight::done(std::uint64_t bytes, bool replay) {
  --count_;
  bytes_ -= bytes;
  if (replay) --replaying_;
  footprint_ -= footprint(bytes);
  if (footprint_ <= reserved_) short_ = false;
}

void Flight::be_careful(std::uint32_t unsettled) {
  if (unsettled != 0) careful_ = std::max(careful_, 2 * unsettled + kCarefulFloor);
}

void Flight::lost(std::uint32_t unsettled) {
  be_careful(unsettled);
  reservations_.clear();
  reserved_ = 0;
  short_ = false;
}

void Flight::reserve_for(std::uint64_t footprint) {
  const std::uint64_t step = std::max(kStep, footprint - reserved_);
  sdk::Reservation more = host_.reserve(step);
  short_ = !more;
  if (!more) return;
  reserved_ += step;
  reservations_.push_back(std::move(more));
}

}  // namespace lsmtpd::sink
