// SPDX-License-Identifier: Apache-2.0
#include "frame_watch.hpp"

#include <algorithm>

namespace lsmtpd::amqp {

namespace {

constexpr std::size_t kHeader = 8;  // of a protocol and of a frame (part 2, 2.2 and 2.3)
constexpr std::size_t kLongestSasl = 512;
// Room for the extended header that nobody uses, and a descriptor in its long form.
constexpr std::size_t kLongestHead = 64;
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

// The performative's code, and what follows it in `body`; 0 where there is none.
unsigned performative(std::string_view frame, std::string_view* body) {
  const std::size_t start = std::size_t{4} * octet(frame, 4);
  if (start < kHeader || frame.size() < start + 3 || octet(frame, start) != 0) return 0;
  if (octet(frame, start + 1) == 0x53) {
    *body = frame.substr(start + 3);
    return octet(frame, start + 2);
  }
  if (octet(frame, start + 1) != 0x80 || frame.size() < start + 10) return 0;
  *body = frame.substr(start + 10);
  return static_cast<unsigned>(number(frame, start + 2, 8) & 0xff);
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

// How much of the present frame is looked at.
std::size_t FrameWatch::wanted() const {
  if (head_.size() < kHeader) return kHeader;
  const std::size_t most = octet(head_, 5) == kSasl ? kLongestSasl : kLongestHead;
  return static_cast<std::size_t>(std::min<std::uint64_t>(frame_, most));
}

void FrameWatch::feed(std::string_view bytes) {
  if (greeting_.size() < kHeader) greeting_.append(bytes.substr(0, kHeader - greeting_.size()));
  while (!bytes.empty() && !broken_) {
    if (frame_ == 0 || head_.size() < wanted()) {
      const std::size_t size = std::min(bytes.size(), wanted() - head_.size());
      head_.append(bytes.substr(0, size));
      passed_ += size;
      bytes.remove_prefix(size);
      if (head_.size() < wanted()) return;
      head_complete();
    } else {
      const auto size =
          static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), frame_ - passed_));
      passed_ += size;
      bytes.remove_prefix(size);
    }
    if (frame_ != 0 && passed_ == frame_) {
      head_.clear();
      frame_ = passed_ = 0;
    }
  }
}

void FrameWatch::head_complete() {
  if (frame_ == 0) {
    if (head_.starts_with("AMQP")) {  // a protocol header, before SASL and before the rest
      head_.clear();
      passed_ = 0;
      return;
    }
    frame_ = number(head_, 0, 4);
    broken_ = frame_ < kHeader;
    if (broken_ || head_.size() < wanted()) return;
  }
  std::string_view body;
  const unsigned code = performative(head_, &body);
  if (octet(head_, 5) == kSasl) {
    if (code == kMechanisms) mechanisms_ = read_mechanisms(body);
  } else if (code == kTransfer) {
    ++transfers_;
  }
}

}  // namespace lsmtpd::amqp
