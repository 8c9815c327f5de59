// SPDX-License-Identifier: Apache-2.0
// Handles of series for the code that counts: a few pointers, which may be copied and are valid as
// long as the registry. A handle that was made without a registry counts nothing.
//
// add() and observe() are for the one thread that has the slot (registry.hpp): a load and a store
// without a lock. add_shared() and observe_shared() are [any], on a slot of any owner, but not
// mixed with the others on the same slot.
#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

namespace lsmtpd::metrics {

using Cell = std::atomic<uint64_t>;

class Counter {
 public:
  Counter() = default;
  explicit Counter(Cell* cell) : cell_(cell) {}

  void add(uint64_t amount = 1) const {
    if (!cell_) return;
    cell_->store(cell_->load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void add_shared(uint64_t amount = 1) const {
    if (cell_) cell_->fetch_add(amount, std::memory_order_relaxed);
  }

 private:
  Cell* cell_ = nullptr;
};

// A number that goes up and down. The cell holds the bits of a double.
class Gauge {
 public:
  Gauge() = default;
  explicit Gauge(Cell* cell) : cell_(cell) {}

  void set(double value) const {  // [any]
    if (cell_) cell_->store(std::bit_cast<uint64_t>(value), std::memory_order_relaxed);
  }
  void add(double amount) const {
    if (cell_) set(value() + amount);
  }
  void add_shared(double amount) const {
    if (!cell_) return;
    uint64_t before = cell_->load(std::memory_order_relaxed);
    while (!cell_->compare_exchange_weak(
        before, std::bit_cast<uint64_t>(std::bit_cast<double>(before) + amount),
        std::memory_order_relaxed)) {
    }
  }
  double value() const {  // [any] of this slot
    return cell_ ? std::bit_cast<double>(cell_->load(std::memory_order_relaxed)) : 0;
  }

 private:
  Cell* cell_ = nullptr;
};

// Counts values by size. Its cells: one for each bound, one for what is larger, and the sum.
class Histogram {
 public:
  Histogram() = default;
  Histogram(Cell* cells, const double* bounds, uint32_t count)
      : cells_(cells), bounds_(bounds), count_(count) {}

  void observe(double value) const {
    if (!cells_) return;
    Counter(&cells_[bucket(value)]).add();
    Gauge(&cells_[count_ + 1]).add(value);
  }
  void observe_shared(double value) const {
    if (!cells_) return;
    Counter(&cells_[bucket(value)]).add_shared();
    Gauge(&cells_[count_ + 1]).add_shared(value);
  }

 private:
  uint32_t bucket(double value) const {
    uint32_t i = 0;
    while (i < count_ && value > bounds_[i]) ++i;
    return i;
  }

  Cell* cells_ = nullptr;
  const double* bounds_ = nullptr;
  uint32_t count_ = 0;
};

}  // namespace lsmtpd::metrics
