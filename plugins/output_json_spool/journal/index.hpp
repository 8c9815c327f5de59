// SPDX-License-Identifier: Apache-2.0
// The copies of a journal and their places, without their ids: some 60 bytes of memory for each.
// One thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <keyed_hash.hpp>

namespace lsmtpd::journal {

// Stands for an id: 128 bits under a key of this process, so that two ids never share one.
struct Key {
  std::uint64_t first = 0, second = 0;
  bool operator==(const Key&) const = default;
};

struct Place {
  std::uint32_t slot = 0;  // of the segment
  std::uint32_t position = 0;
  bool operator==(const Place&) const = default;
};

struct Copy {
  Key key;
  std::int64_t time_ns = 0;  // when it was first stored
  Place place;
  std::uint32_t bytes = 0;     // of its record
  std::uint32_t body_kib = 0;  // of content in a file of its own, rounded up
  bool dead = false;
  bool in_doubt = false;
  bool apart = false;

  std::uint64_t size() const { return bytes + std::uint64_t{body_kib} * 1024; }
};

class Index {
 public:
  Index();

  // A dead letter and a copy that waits may have the same id.
  Key key_of(std::string_view id, bool dead) const;

  const Copy* find(const Key& key) const;
  // Adds it, or replaces the one of its key.
  void put(const Copy& copy);
  bool erase(const Key& key);

  std::size_t size() const { return size_; }
  // In no order; an erase() moves the last one into the gap.
  const Copy& at(std::size_t number) const { return chunks_[number / kChunk][number % kChunk]; }

 private:
  static constexpr std::size_t kChunk = 1024;
  static constexpr std::uint32_t kNone = UINT32_MAX;

  Copy& copy(std::size_t number) { return chunks_[number / kChunk][number % kChunk]; }
  std::size_t home(const Key& key) const { return key.first & (table_.size() - 1); }
  std::size_t cell_of(const Key& key) const;  // its cell, or the free one for it
  void grow();
  void close_gap(std::size_t cell);

  const common::HashKey one_, two_;
  std::vector<std::unique_ptr<Copy[]>> chunks_;
  std::vector<std::uint32_t> table_;  // numbers of copies, open addressing
  std::size_t size_ = 0;
};

}  // namespace lsmtpd::journal
