// SPDX-License-Identifier: Apache-2.0
#include "frame_watch.hpp"

#include <algorithm>

namespace lsmtpd::amqp {

namespace {

constexpr std::size_t kHeader = 8;  // of a protocol and of a frame (part 2, 2.2 and 2.3)
constexpr std::size_t kLongestSasl = 512;
// A descriptor in its long form.
constexpr std::size_t kLongestDescriptor = 16;
constexpr unsigned char kSasl = 1;
constexpr unsigned kTransfer = 0x14;
constexpr unsigned kMechanisms = 0x40;

unsigned octet(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

std::uint64_t number(std::string_view text, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | octet(text, at + i);
  return value;
}

// The code of the performative that `text` begins with, and the rest in `body`; 0 where there is
// none.
unsigned performative(std::string_view text, std::string_view* body) {
  if (text.size() < 3 || octet(text, 0) != 0) return 0;
  if (octet(text, 1) == 0x53) {
    *body = text.substr(3);
    return octet(text, 2);
  }
  if (octet(text, 1) != 0x80 || text.size() < 10) return 0;
  *body = text.substr(10);
  return static_cast<unsigned>(number(text, 2, 8) & 0xff);
}

// Takes the head of a value off: its constructor, a size, and where `counts` a count, each of one
// byte or of four. False: it is another type.
bool take_head(std::string_view* text, unsigned small, unsigned large, bool counts,
               std::uint64_t* value) {
  const unsigned code = octet(*text, 0);
  if (text->empty() || (code != small && code != large)) return false;
  const std::size_t width = code == small ? 1 : 4;
  const std::size_t head = 1 + width + (counts ? width : 0);
  if (text->size() < head) return false;
  *value = number(*text, counts ? 1 + width : 1, width);
  text->remove_prefix(head);
  return true;
}

// The list of sasl-mechanisms: one symbol, or an array of them (part 5, 5.3.3.1).
std::string read_mechanisms(std::string_view text) {
  std::uint64_t count = 0;
  std::uint64_t size = 0;
  if (!take_head(&text, 0xc0, 0xd0, true, &count) || count == 0) return {};
  if (take_head(&text, 0xa3, 0xb3, false, &size)) return std::string(text.substr(0, size));
  if (!take_head(&text, 0xe0, 0xf0, true, &count) || text.empty()) return {};
  const std::size_t width = octet(text, 0) == 0xa3 ? 1 : 4;
  text.remove_prefix(1);
  std::string out;
  for (std::uint64_t i = 0; i < count && text.size() >= width; ++i) {
    size = number(text, 0, width);
    text.remove_prefix(width);
    out.append(out.empty() ? "" : " ").append(text.substr(0, size));
    text.remove_prefix(std::min<std::size_t>(size, text.size()));
  }
  return out;
}

}  // namespace

// How much of the present frame is kept: its header, and the beginning of its body.
std::size_t FrameWatch::wanted() const {
  if (frame_ == 0) return kHeader;
  const std::uint64_t body = frame_ - std::min(frame_, body_at());
  const std::size_t most = octet(head_, 5) == kSasl ? kLongestSasl : kLongestDescriptor;
  return kHeader + static_cast<std::size_t>(std::min<std::uint64_t>(body, most));
}

// Where the body begins: behind an extended header of up to 1012 bytes, which nobody uses.
std::uint64_t FrameWatch::body_at() const {
  return std::max<std::uint64_t>(std::uint64_t{4} * octet(head_, 4), kHeader);
}

void FrameWatch::feed(std::string_view bytes) {
  if (greeting_.size() < kHeader) greeting_.append(bytes.substr(0, kHeader - greeting_.size()));
  const auto pass = [&](std::uint64_t most) {
    const std::size_t size = std::min<std::uint64_t>(bytes.size(), most);
    const std::string_view taken = bytes.substr(0, size);
    passed_ += size;
    bytes.remove_prefix(size);
    return taken;
  };
  while (!bytes.empty() && !broken_) {
    if (frame_ != 0 && passed_ < std::min(frame_, body_at())) {
      pass(std::min(frame_, body_at()) - passed_);
    } else if (head_.size() < wanted()) {
      head_.append(pass(wanted() - head_.size()));
    } else {
      pass(frame_ - passed_);
    }
    if (frame_ == 0 && head_.size() == kHeader) header_complete();
    if (frame_ == 0 || passed_ < std::min(frame_, body_at())) continue;
    if (!seen_ && head_.size() == wanted()) body_begun();
    if (passed_ == frame_) {
      head_.clear();
      frame_ = passed_ = 0;
      seen_ = false;
    }
  }
}

void FrameWatch::header_complete() {
  if (head_.starts_with("AMQP")) {  // a protocol header, before SASL and before the rest
    head_.clear();
    passed_ = 0;
    return;
  }
  frame_ = number(head_, 0, 4);
  broken_ = frame_ < kHeader;
}

// The type of the frame decides nothing here: the engine does not look at it.
void FrameWatch::body_begun() {
  seen_ = true;
  std::string_view body;
  const unsigned code = performative(std::string_view(head_).substr(kHeader), &body);
  if (code == kMechanisms) mechanisms_ = read_mechanisms(body);
  if (code == kTransfer) ++transfers_;
}

}  // namespace lsmtpd::amqp
