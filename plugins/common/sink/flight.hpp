// SPDX-License-Identifier: Apache-2.0
// The unsettled messages and bytes of one lane against their limits, and the share of replay in
// them.
//
// Proton keeps a buffer for each delivery until it is settled, and then for the next one; what that
// can come to is taken from the budget as it grows and given back with the connection (lost()).
// [loop]
#pragma once

#include <algorithm>
#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <vector>

namespace lsmtpd::sink {

class Flight {
 public:
  Flight(sdk::LaneHost host, std::uint32_t most, std::uint64_t most_bytes)
      : host_(host), most_(most), most_bytes_(most_bytes) {}

  // One message always fits, whatever its size, unless all are on hold.
  bool has_room(std::uint64_t bytes) const {
    if (on_hold_) return false;
    if (count_ == 0) return true;
    return count_ < most_ && bytes_ + bytes <= most_bytes_ && !short_;
  }
  void sent(std::uint64_t bytes, bool replay);
  void done(std::uint64_t bytes, bool replay);
  // The connection is gone, with `unsettled` messages on it if it was in use: until as many again
  // came through, replay goes one at a time, so that a message which breaks connections is found
  // out.
  void lost(std::uint32_t unsettled);
  // The same where other connections go on.
  void be_careful(std::uint32_t unsettled);
  void outcome_of_replay() {
    if (careful_ > 0) --careful_;
  }

  // While it is on, has_room() is false.
  void hold(bool on) { on_hold_ = on; }
  bool on_hold() const { return on_hold_; }

  std::uint32_t count() const { return count_; }
  std::uint32_t replaying() const { return replaying_; }
  // At most three quarters of the credit and of the limit, a quarter while live mail comes, at
  // least one.
  std::uint32_t replay_limit(std::uint32_t credit) const {
    if (careful_ > 0) return 1;
    const std::uint32_t quarter = std::min(credit + replaying_, most_) / 4;
    return std::max<std::uint32_t>(1, live_mail_comes() ? quarter : 3 * quarter);
  }

 private:
  void reserve_for(std::uint64_t footprint);
  bool live_mail_comes() const { return count_ > replaying_ || host_.now_ms() < live_until_ms_; }

  sdk::LaneHost host_;
  std::uint32_t most_;
  std::uint64_t most_bytes_;
  std::uint32_t count_ = 0;
  std::uint32_t replaying_ = 0;
  std::uint32_t careful_ = 0;
  std::uint64_t live_until_ms_ = 0;  // that long after live mail was sent, more of it is expected
  std::uint64_t bytes_ = 0;
  std::uint64_t footprint_ = 0;
  std::uint64_t reserved_ = 0;
  std::vector<sdk::Reservation> reservations_;
  bool short_ = false;  // the budget had no more
  bool on_hold_ = false;
};

}  // namespace lsmtpd::sink
