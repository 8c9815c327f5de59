// SPDX-License-Identifier: Apache-2.0
// Counts the calls of one lane that other threads still work on, so that the lane closes only after
// the last of them. ticket() and close() [loop]; a ticket may end on any thread, after its call is
// answered and its message unpinned, and nothing uses the lane after it.
#pragma once

#include <lsmtpd/sdk/loop.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

namespace lsmtpd::json_spool {

class Tally {
 public:
  // `finished` runs on the loop once close() was called and no ticket is left.
  Tally(sdk::LaneHost host, std::function<void()> finished)
      : host_(std::move(host)), finished_(std::move(finished)) {}

  class Ticket {
   public:
    Ticket() = default;
    explicit Ticket(Tally* tally) : tally_(tally) {}
    Ticket(Ticket&& other) noexcept : tally_(std::exchange(other.tally_, nullptr)) {}
    Ticket& operator=(Ticket&& other) noexcept {
      std::swap(tally_, other.tally_);
      return *this;
    }
    ~Ticket() {
      if (tally_ != nullptr) tally_->ended();
    }
    bool of(const Tally& tally) const { return tally_ == &tally; }

   private:
    Tally* tally_ = nullptr;
  };

  Ticket ticket() {
    state_.fetch_add(1, std::memory_order_relaxed);
    return Ticket(this);
  }

  void close() {
    if (state_.fetch_or(kClosing, std::memory_order_acq_rel) == 0) finished_();
  }

 private:
  static constexpr std::uint64_t kClosing = std::uint64_t{1} << 63;

  void ended() {
    if (state_.fetch_sub(1, std::memory_order_acq_rel) != (kClosing | 1)) return;
    // A copy: the lane, and this with it, may be gone before post() returns.
    const sdk::LaneHost host = host_;
    host.post([this] { finished_(); });
  }

  sdk::LaneHost host_;
  std::function<void()> finished_;
  std::atomic<std::uint64_t> state_{0};
};

}  // namespace lsmtpd::json_spool
