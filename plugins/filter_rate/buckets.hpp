// SPDX-License-Identifier: Apache-2.0
// The token buckets of one instance, shared by its workers, in memory that is fixed at the start.
//
// A bucket that is full says nothing that a missing one does not say, so it is the first to give
// its place to a new one. Where a new bucket finds none of those among the eight places that it may
// have, the bucket that is nearest to full goes, and its owner begins with a full one again. So a
// table that is too small lets more through; it never refuses anybody for what others did.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace lsmtpd::rate {

// One kind of bucket: it holds `burst` tokens and gets `per_ms` each millisecond.
struct Size {
  double burst = 0;
  double per_ms = 0;
};

// All functions: [any].
class Buckets {
 public:
  // Room for at least `count` buckets, of the kinds in `sizes`, at most 65,535.
  Buckets(size_t count, std::vector<Size> sizes);

  // The bytes that `count` buckets take.
  static uint64_t bytes(size_t count);

  // Takes one token out of the bucket of kind `kind` and hash `hash`; false: there is none, and
  // nothing has changed. `now_ms` is monotonic.
  bool take(uint16_t kind, uint64_t hash, uint64_t now_ms);
  // Gives one back that was taken.
  void give_back(uint16_t kind, uint64_t hash, uint64_t now_ms);
  // Whether a token is there.
  bool has_one(uint16_t kind, uint64_t hash, uint64_t now_ms);
  // Takes `tokens` out whether they are there or not: the bucket may owe some then, one filling at
  // most.
  void charge(uint16_t kind, uint64_t hash, double tokens, uint64_t now_ms);

  // How many buckets that were not full had to go.
  uint64_t forgotten() const;

 private:
  static constexpr size_t kWays = 8, kShards = 64;
  struct Bucket {
    uint64_t hash = 0;  // 0: there is none
    double tokens = 0;
    uint64_t updated_ms : 48 = 0, kind : 16 = 0;
  };
  struct Set {
    Bucket ways[kWays];
  };
  struct alignas(64) Shard {
    mutable std::mutex mutex;
    uint64_t forgotten = 0;
  };

  void refill(Bucket& bucket, uint64_t now_ms) const;
  // The bucket, filled up to now; a new one is full. Under the lock of its shard.
  Bucket& find(Set& set, Shard& shard, uint16_t kind, uint64_t hash, uint64_t now_ms);
  Bucket* find_known(Set& set, uint16_t kind, uint64_t hash, uint64_t now_ms) const;
  size_t set_of(uint64_t hash) const { return static_cast<size_t>(hash % sets_.size()); }

  std::vector<Size> sizes_;
  std::vector<Set> sets_;
  std::unique_ptr<Shard[]> shards_{new Shard[kShards]};
};

}  // namespace lsmtpd::rate
