// SPDX-License-Identifier: Apache-2.0
#include "buckets.hpp"

#include <algorithm>

namespace lsmtpd::rate {
namespace {

constexpr uint64_t kTimeMask = (uint64_t{1} << 48) - 1;  // 8,900 years

}  // namespace

Buckets::Buckets(size_t count, std::vector<Size> sizes)
    : sizes_(std::move(sizes)), sets_(std::max<size_t>(1, (count + kWays - 1) / kWays)) {}

uint64_t Buckets::bytes(size_t count) {
  return (count + kWays - 1) / kWays * sizeof(Set) + kShards * sizeof(Shard);
}

void Buckets::refill(Bucket& bucket, uint64_t now_ms) const {
  const Size& size = sizes_[bucket.kind];
  // The loops of two workers may be some milliseconds apart.
  if (now_ms <= bucket.updated_ms) return;
  bucket.tokens = std::min(
      size.burst, bucket.tokens + static_cast<double>(now_ms - bucket.updated_ms) * size.per_ms);
  bucket.updated_ms = now_ms & kTimeMask;
}

Buckets::Bucket* Buckets::find_known(Set& set, uint16_t kind, uint64_t hash,
                                     uint64_t now_ms) const {
  for (Bucket& bucket : set.ways) {
    if (bucket.hash != hash || bucket.kind != kind) continue;
    refill(bucket, now_ms);
    return &bucket;
  }
  return nullptr;
}

Buckets::Bucket& Buckets::find(Set& set, Shard& shard, uint16_t kind, uint64_t hash,
                               uint64_t now_ms) {
  if (Bucket* known = find_known(set, kind, hash, now_ms)) return *known;
  Bucket* best = nullptr;
  double fullest = 0;
  for (Bucket& bucket : set.ways) {
    if (bucket.hash == 0) {
      best = &bucket;
      fullest = 1;
      break;
    }
    refill(bucket, now_ms);
    const double filled = bucket.tokens / sizes_[bucket.kind].burst;
    if (best != nullptr && filled <= fullest) continue;
    best = &bucket;
    fullest = filled;
  }
  if (fullest < 1) ++shard.forgotten;
  best->hash = hash;
  best->kind = kind;
  best->tokens = sizes_[kind].burst;
  best->updated_ms = now_ms & kTimeMask;
  return *best;
}

bool Buckets::take(uint16_t kind, uint64_t hash, uint64_t now_ms) {
  const size_t set = set_of(hash);
  Shard& shard = shards_[set % kShards];
  const std::lock_guard<std::mutex> lock(shard.mutex);
  Bucket& bucket = find(sets_[set], shard, kind, hash, now_ms);
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

void Buckets::give_back(uint16_t kind, uint64_t hash, uint64_t now_ms) {
  const size_t set = set_of(hash);
  const std::lock_guard<std::mutex> lock(shards_[set % kShards].mutex);
  if (Bucket* known = find_known(sets_[set], kind, hash, now_ms))
    known->tokens = std::min(sizes_[kind].burst, known->tokens + 1);
}

bool Buckets::has_one(uint16_t kind, uint64_t hash, uint64_t now_ms) {
  const size_t set = set_of(hash);
  const std::lock_guard<std::mutex> lock(shards_[set % kShards].mutex);
  const Bucket* known = find_known(sets_[set], kind, hash, now_ms);
  return known == nullptr || known->tokens >= 1;
}

void Buckets::charge(uint16_t kind, uint64_t hash, double tokens, uint64_t now_ms) {
  const size_t set = set_of(hash);
  Shard& shard = shards_[set % kShards];
  const std::lock_guard<std::mutex> lock(shard.mutex);
  Bucket& bucket = find(sets_[set], shard, kind, hash, now_ms);
  bucket.tokens = std::max(bucket.tokens - tokens, -sizes_[kind].burst);
}

uint64_t Buckets::forgotten() const {
  uint64_t sum = 0;
  for (size_t i = 0; i < kShards; ++i) {
    const std::lock_guard<std::mutex> lock(shards_[i].mutex);
    sum += shards_[i].forgotten;
  }
  return sum;
}

}  // namespace lsmtpd::rate
