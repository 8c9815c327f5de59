// SPDX-License-Identifier: Apache-2.0
// A limit that holds across all workers: bytes of memory, bytes of spill, descriptors. Every holder
// reserves before it uses and releases when it is done. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace lsmtpd {

class Budget {
 public:
  explicit Budget(uint64_t limit) : limit_(limit) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Below `used()` nothing more is reserved until enough was released.
  void set_limit(uint64_t limit) { limit_.store(limit, std::memory_order_relaxed); }

  // True: `amount` is reserved until the caller releases it. False: nothing was reserved.
  [[nodiscard]] bool reserve(uint64_t amount) {
    const uint64_t most = limit();
    uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (amount > most || used > most - amount) return false;
    } while (!used_.compare_exchange_weak(used, used + amount, std::memory_order_relaxed));
    return true;
  }
  // For memory that is in use already, though there may be no room for it.
  void count(uint64_t amount) { used_.fetch_add(amount, std::memory_order_relaxed); }
  void release(uint64_t amount) { used_.fetch_sub(amount, std::memory_order_relaxed); }

  uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> limit_;
  std::atomic<uint64_t> used_{0};
};

// An amount reserved from a Budget: resized in steps, released as a whole. One thread at a time.
class Reservation {
 public:
  Reservation() = default;
  explicit Reservation(Budget& budget) : budget_(&budget) {}
  Reservation(Reservation&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), held_(std::exchange(other.held_, 0)) {}
  Reservation& operator=(Reservation&& other) noexcept {
    if (this != &other) {
      release();
      budget_ = std::exchange(other.budget_, nullptr);
      held_ = std::exchange(other.held_, 0);
    }
    return *this;
  }
  ~Reservation() { release(); }

  [[nodiscard]] bool reserve(uint64_t amount) {
    if (budget_ && !budget_->reserve(amount)) return false;
    held_ += amount;
    return true;
  }
  // For memory that is in use already, though there may be no room for it.
  void count(uint64_t amount) {
    if (budget_) budget_->count(amount);
    held_ += amount;
  }
  void release(uint64_t amount) {
    if (budget_) budget_->release(amount);
    held_ -= amount;
  }
  void release() {
    if (held_) release(held_);
  }
  // Resizes to `amount`. False: the budget has no room, and the reservation is unchanged.
  [[nodiscard]] bool resize(uint64_t amount) {
    if (amount > held_) return reserve(amount - held_);
    if (amount < held_) release(held_ - amount);
    return true;
  }
  uint64_t held() const { return held_; }
  // Takes over the amount of `other`, which is of the same budget.
  void join(Reservation&& other) {
    held_ += std::exchange(other.held_, 0);
    if (!budget_) budget_ = other.budget_;
  }

 private:
  Budget* budget_ = nullptr;
  uint64_t held_ = 0;
};

// A shared object with its reservation, which is released with the last owner.
template <class T>
std::shared_ptr<const T> hold_reserved(T value, Reservation memory) {
  struct Held {
    Held(T&& v, Reservation&& m) : value(std::move(v)), memory(std::move(m)) {}
    T value;
    Reservation memory;
  };
  auto held = std::make_shared<Held>(std::move(value), std::move(memory));
  return {held, &held->value};
}

}  // namespace lsmtpd
