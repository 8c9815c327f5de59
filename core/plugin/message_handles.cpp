// SPDX-License-Identifier: Apache-2.0
#include "plugin/message_handles.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace lsmtpd::plugin {

namespace {

// A name is a generation, the slot, and a last bit that no address of a View has.
constexpr uint64_t kSlotBits = 22, kChunkBits = 10;
constexpr uint64_t kChunk = uint64_t{1} << kChunkBits,
                   kChunks = uint64_t{1} << (kSlotBits - kChunkBits);

struct Slot {
  std::atomic<uint64_t> name{0};  // 0: free
  std::atomic<View*> view{nullptr};
  uint64_t generation = 0;  // guarded by the mutex
};

// Slots are made in chunks and never freed: a wrong name may be looked up at any time.
class Slots {
 public:
  uint64_t claim(View& view) {
    const std::lock_guard lock(mutex_);
    if (free_.empty() && !add_chunk()) return 0;
    const uint64_t index = free_.back();
    free_.pop_back();
    Slot& slot = *at(index);
    const uint64_t name = (++slot.generation << (kSlotBits + 1)) | (index << 1) | 1;
    slot.view.store(&view, std::memory_order_relaxed);
    slot.name.store(name, std::memory_order_release);
    return name;
  }
  View* find(uint64_t name) {
    Slot* slot = at(index_of(name));
    if (!slot || name == 0 || slot->name.load(std::memory_order_acquire) != name) return nullptr;
    return slot->view.load(std::memory_order_relaxed);
  }
  void release(uint64_t name) {
    const std::lock_guard lock(mutex_);
    at(index_of(name))->name.store(0, std::memory_order_release);
    free_.push_back(index_of(name));
  }

 private:
  static uint64_t index_of(uint64_t name) { return (name >> 1) & ((uint64_t{1} << kSlotBits) - 1); }
  Slot* at(uint64_t index) {
    Slot* chunk = chunks_[index >> kChunkBits].load(std::memory_order_acquire);
    return chunk ? chunk + (index & (kChunk - 1)) : nullptr;
  }
  bool add_chunk() {
    if (count_ == kChunks) return false;
    auto* chunk = new Slot[kChunk];
    chunks_[count_].store(chunk, std::memory_order_release);
    for (uint64_t i = kChunk; i-- > 0;) free_.push_back((count_ << kChunkBits) | i);
    ++count_;
    return true;
  }

  std::mutex mutex_;
  std::array<std::atomic<Slot*>, kChunks> chunks_{};
  uint64_t count_ = 0;          // guarded by mutex_
  std::vector<uint64_t> free_;  // guarded by mutex_
};

// Never destroyed: plugins' threads may end after it.
Slots& slots() {
  static Slots& all = *new Slots;
  return all;
}

const lsmtpd_message* to_abi(uint64_t name) {
  return reinterpret_cast<const lsmtpd_message*>(static_cast<uintptr_t>(name));
}
uint64_t from_abi(const lsmtpd_message* name) {
  return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(name));
}

}  // namespace

const lsmtpd_message* name_message(View& view) {
  return to_abi(slots().claim(view));
}

View* find_message(const lsmtpd_message* name) {
  return slots().find(from_abi(name));
}

void forget_message(const lsmtpd_message* name) {
  slots().release(from_abi(name));
}

}  // namespace lsmtpd::plugin
