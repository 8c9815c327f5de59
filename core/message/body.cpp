// SPDX-License-Identifier: Apache-2.0
#include "message/body.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace lsmtpd::message {

namespace {

constexpr uint64_t kLargestChunk = 256u << 10;
// Short pieces share a chunk: a line of three octets must not cost an allocation and a write of its
// own.
constexpr uint64_t kSmallestChunk = 256;
constexpr size_t kPiecesOfOneWrite = 64;

Status write_all(int fd, iovec* pieces, size_t count, uint64_t offset) {
  while (count > 0) {
    const ssize_t n = ::pwritev(fd, pieces, static_cast<int>(count), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail("cannot write the spill file: {}", strerror(n < 0 ? errno : ENOSPC));
    offset += static_cast<uint64_t>(n);
    auto written = static_cast<size_t>(n);
    for (; count > 0 && written >= pieces->iov_len; ++pieces, --count) written -= pieces->iov_len;
    if (count == 0) break;
    pieces->iov_base = static_cast<char*>(pieces->iov_base) + written;
    pieces->iov_len -= written;
  }
  return {};
}

}  // namespace

std::string_view Body::peek(uint64_t offset) const {
  if (spilled() || offset >= size_) return {};
  const auto after = std::upper_bound(chunks_.begin(), chunks_.end(), offset,
                                      [](uint64_t at, const Chunk& c) { return at < c.offset; });
  const Chunk& chunk = *std::prev(after);
  const uint64_t within = offset - chunk.offset;
  return {chunk.bytes.get() + within, chunk.used - within};
}

int64_t Body::read(uint64_t offset, char* buffer, uint64_t size) const {
  if (offset >= size_ || size == 0) return 0;
  if (!spilled()) {
    const std::string_view piece = peek(offset).substr(0, size);
    std::memcpy(buffer, piece.data(), piece.size());
    return static_cast<int64_t>(piece.size());
  }
  for (;;) {
    const ssize_t n =
        ::pread(file_.get(), buffer, std::min(size, size_ - offset), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    return n > 0 ? n : -1;  // the file cannot end before the body does
  }
}

BodyWriter::BodyWriter(ResourceLimits& resources)
    : resources_(&resources), body_(std::make_shared<Body>()) {
  body_->memory_ = Reservation(resources.memory);
  body_->spill_ = Reservation(resources.spill);
  body_->descriptor_ = Reservation(resources.spill_files);
}

bool BodyWriter::append(std::string_view piece) {
  auto& chunks = body_->chunks_;
  while (!piece.empty()) {
    if (chunks.empty() || chunks.back().used == chunks.back().capacity) {
      if (!add_chunk(std::min<uint64_t>(piece.size(), kLargestChunk))) return false;
    }
    auto& chunk = chunks.back();
    const uint64_t n = std::min<uint64_t>(piece.size(), chunk.capacity - chunk.used);
    std::memcpy(chunk.bytes.get() + chunk.used, piece.data(), n);
    chunk.used += n;
    body_->size_ += n;
    piece.remove_prefix(n);
  }
  short_of_memory_ = resources_->memory.used() > resources_->soft_limit();
  return true;
}

// Chunks that grow with the body keep small mails small and large ones in few chunks. Where memory
// is short, or the body is in its file already, a chunk grows only with the octets that wait for
// the file: a hundred large bodies must leave some memory to others.
bool BodyWriter::add_chunk(uint64_t needed) {
  auto& chunks = body_->chunks_;
  const bool sparing = body_->spilled() || resources_->memory.used() > resources_->soft_limit();
  const uint64_t grown = std::min(sparing ? body_->size_ - written_ : body_->size_, kLargestChunk);
  const uint64_t least = std::max(needed, kSmallestChunk);
  uint64_t capacity = std::max(least, grown);
  if (!body_->memory_.reserve(capacity + kChunkOverhead)) {
    capacity = least;
    if (!body_->memory_.reserve(capacity + kChunkOverhead)) return false;
  }
  // Uninitialised: every byte is written before it is read.
  chunks.push_back({std::unique_ptr<char[]>(new char[capacity]), capacity, 0, body_->size_});
  return true;
}

bool BodyWriter::wants_flush() const {
  return !body_->chunks_.empty() && (short_of_memory_ || body_->spilled());
}

Status BodyWriter::open_file() {
  if (!body_->descriptor_.reserve(1)) {
    return fail(
        "no descriptor is left for a spill file: raise the limit (LimitNOFILE=, ulimit -n)");
  }
  const int fd = ::open(resources_->spill_directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) {
    body_->file_.reset(fd);
    return {};
  }
  // File systems without O_TMPFILE (EOPNOTSUPP, or EISDIR from old kernels).
  std::string path = resources_->spill_directory + "/lsmtpd-spill-XXXXXX";
  body_->file_.reset(::mkostemp(path.data(), O_CLOEXEC));
  if (!body_->file_) {
    return fail("cannot make a spill file in {}: {}; see limits.spill_directory",
                resources_->spill_directory, strerror(errno));
  }
  ::unlink(path.c_str());
  return {};
}

Status BodyWriter::flush() {
  if (!body_->file_) {
    if (auto opened = open_file(); !opened) return opened;
  }
  auto& chunks = body_->chunks_;
  if (!body_->spill_.resize(body_->size_)) return fail("limits.spill is used up");
  std::array<iovec, kPiecesOfOneWrite> pieces;
  for (size_t at = 0; at < chunks.size(); at += pieces.size()) {
    const size_t count = std::min(pieces.size(), chunks.size() - at);
    for (size_t i = 0; i < count; ++i) {
      pieces[i] = {chunks[at + i].bytes.get(), static_cast<size_t>(chunks[at + i].used)};
    }
    auto done = write_all(body_->file_.get(), pieces.data(), count, chunks[at].offset);
    if (!done) return done;
  }
  written_ = body_->size_;
  chunks.clear();
  body_->memory_.release();
  return {};
}

std::shared_ptr<const Body> BodyWriter::finish() {
  return std::move(body_);
}

}  // namespace lsmtpd::message
