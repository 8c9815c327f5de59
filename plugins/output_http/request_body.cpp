// SPDX-License-Identifier: Apache-2.0
#include "request_body.hpp"

#include <algorithm>
#include <cstring>

namespace lsmtpd::output_http {

namespace {

constexpr std::size_t kPiece = 64 * 1024;

}  // namespace

bool SignedSource::prepare() {
  if (!keys_.empty() && !sign()) return false;
  source_ = make_();
  return source_->prepare();
}

bool SignedSource::sign() {
  const std::unique_ptr<sink::Source> body = make_();
  if (!body->prepare()) return false;
  Signer signer(keys_, id_, timestamp_);
  std::string buffer(kPiece, '\0');
  std::uint64_t done = 0;
  for (std::int64_t got = 0; (got = body->produce(buffer.data(), buffer.size())) > 0;) {
    signer.add({buffer.data(), static_cast<std::size_t>(got)});
    done += static_cast<std::uint64_t>(got);
  }
  signature_ = {timestamp_, signer.signature()};
  return done == body->size();
}

std::int64_t RequestBody::read(char* out, std::size_t room) {
  const std::int64_t got = given_ == size() ? 0 : next(out, room);
  broken_ |= got == kBroken;
  if (got < 0) return got;
  given_ += static_cast<std::uint64_t>(got);
  whole_ |= given_ == size();
  return got;
}

std::int64_t MemoryBody::next(char* out, std::size_t room) {
  const std::size_t count = std::min(room, bytes_.size() - at_);
  std::memcpy(out, bytes_.data() + at_, count);
  at_ += count;
  return static_cast<std::int64_t>(count);
}

bool MemoryBody::rewind() {
  at_ = 0;
  restart();
  return true;
}

std::int64_t ProducedBody::next(char* out, std::size_t room) {
  if (producer_->prepared() && producer_->bytes().empty()) producer_->fill();
  if (producer_->failed()) return kBroken;
  const std::string_view piece = producer_->bytes().substr(0, room);
  if (piece.empty()) {
    waiting_ = true;
    return kLater;
  }
  std::memcpy(out, piece.data(), piece.size());
  producer_->consume(piece.size());
  return static_cast<std::int64_t>(piece.size());
}

bool ProducedBody::go_on() {
  if (!waiting_) return false;
  if (producer_->prepared() && producer_->bytes().empty()) producer_->fill();
  if (producer_->bytes().empty() && !producer_->failed()) return false;
  waiting_ = false;
  return true;
}

// From the message again, since the bytes that were sent are no longer here.
bool ProducedBody::rewind() {
  producer_->forget();
  producer_ = again_();
  restart();
  return true;
}

}  // namespace lsmtpd::output_http
