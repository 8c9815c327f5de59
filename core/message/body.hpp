// SPDX-License-Identifier: Apache-2.0
// The content of a message: in memory while there is room, else in an unlinked file of its own.
//
// A BodyWriter takes the pieces as they come [one thread at a time]; finish() turns them into a
// Body, which never changes again and may be read from any thread. Memory and spill are reserved
// from the budgets of ResourceLimits and released with the last owner.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "message/resource_limits.hpp"

namespace lsmtpd::message {

class Body {
 public:
  uint64_t size() const { return size_; }
  bool spilled() const { return static_cast<bool>(file_); }

  // The longest piece at `offset` that lies in memory; empty at the end, and always for a spilled
  // body.
  std::string_view peek(uint64_t offset) const;
  // Copies up to `size` bytes at `offset`; 0 at the end, -1 on an I/O error. Blocks on the disk for
  // a spilled body.
  int64_t read(uint64_t offset, char* buffer, uint64_t size) const;

 private:
  friend class BodyWriter;
  struct Chunk {
    std::unique_ptr<char[]> bytes;
    uint64_t capacity;
    uint64_t used;
    uint64_t offset;  // of its first byte in the body
  };

  std::vector<Chunk> chunks_;
  Reservation descriptor_;  // outlives file_, which it is for
  UniqueFd file_;
  Reservation memory_;
  Reservation spill_;
  uint64_t size_ = 0;
};

class BodyWriter {
 public:
  // Memory that a chunk needs beside its bytes, counted with them: its entry in the vector, which
  // doubles as it grows, and the allocator's header.
  static constexpr uint64_t kChunkOverhead = 80;

  explicit BodyWriter(ResourceLimits& resources);

  // Keeps a copy of `piece`. False: the hard limit has no room; the message cannot be kept.
  [[nodiscard]] bool append(std::string_view piece);

  // True: memory is short, or this body is in its file already; call flush() before appending much
  // more.
  bool wants_flush() const;
  // Moves the bytes in memory to the file. Blocks on the disk: call it on the pool, never on a
  // loop.
  Status flush();

  bool spilled() const { return body_->spilled(); }

  uint64_t size() const { return body_->size_; }
  // A spilled body must be flushed first.
  std::shared_ptr<const Body> finish();

 private:
  bool add_chunk(uint64_t needed);
  Status open_file();

  ResourceLimits* resources_;
  std::shared_ptr<Body> body_;
  uint64_t written_ = 0;  // bytes that are in the file
  bool short_of_memory_ = false;
};

}  // namespace lsmtpd::message
