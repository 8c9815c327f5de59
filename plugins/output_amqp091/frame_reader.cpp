// SPDX-License-Identifier: Apache-2.0
#include "frame_reader.hpp"

#include <algorithm>

namespace lsmtpd::amqp091 {

namespace {

// "AMQP", and the version that the peer speaks instead.
std::string other_protocol(std::string_view header) {
  std::string text = "the peer does not speak AMQP 0-9-1; it answers with the protocol header AMQP";
  for (const char c : header.substr(4))
    text.append(" ").append(std::to_string(static_cast<unsigned char>(c)));
  if (header.substr(4) == std::string_view("\0\1\0\0", 4) ||
      header.substr(4) == std::string_view("\3\1\0\0", 4)) {
    text += ", which is AMQP 1.0: use output_amqp (AMQP_PROTOCOL = 1.0)";
  }
  return text;
}

}  // namespace

bool FrameReader::fail(std::string why) {
  error_ = std::move(why);
  kept_.clear();
  return false;
}

bool FrameReader::feed(std::string_view bytes) {
  if (!error_.empty()) return false;
  while (!bytes.empty()) {
    if (in_body_) {
      if (!skip(&bytes)) return false;
      continue;
    }
    if (kept_.empty()) {
      // Whole frames are not copied.
      const std::size_t before = bytes.size();
      if (!one(&bytes)) return false;
      if (bytes.size() != before) continue;
      kept_ = bytes;
      return true;
    }
    // As much as the head, then the frame, need.
    std::size_t wanted = kFrameHead + 1;
    if (kept_.size() >= wanted)
      wanted = kFrameOverhead + Reader(std::string_view(kept_).substr(3)).u32();
    const std::size_t more = std::min(bytes.size(), wanted - kept_.size());
    kept_.append(bytes.substr(0, more));
    bytes.remove_prefix(more);
    std::string_view whole = kept_;
    if (!one(&whole)) return false;
    if (in_body_ && !skip(&whole)) return false;
    kept_.erase(0, kept_.size() - whole.size());
  }
  return true;
}

// Takes one frame, or the head of a body frame, off the front. Nothing taken: it is not whole.
bool FrameReader::one(std::string_view* bytes) {
  if (bytes->size() < kFrameHead + 1) return true;
  if (!begun_ && bytes->starts_with("AMQP")) return fail(other_protocol(bytes->substr(0, 8)));
  begun_ = true;
  Reader head(*bytes);
  const auto type = static_cast<FrameType>(head.octet());
  const std::uint16_t channel = head.u16();
  const std::uint32_t size = head.u32();
  if (type == FrameType::body) {
    in_body_ = true;
    body_channel_ = channel;
    body_size_ = size;
    body_left_ = std::uint64_t{size} + 1;
    bytes->remove_prefix(kFrameHead);
    return true;
  }
  if (size > kLongestFrame)
    return fail("the broker sent a frame of " + std::to_string(size) + " octets");
  if (bytes->size() < kFrameOverhead + size) return true;
  if ((*bytes)[kFrameHead + size] != kFrameEnd)
    return fail("the broker sent a frame without its end");
  const std::string_view payload = bytes->substr(kFrameHead, size);
  bytes->remove_prefix(kFrameOverhead + size);
  return handler_.frame(type, channel, payload, size);
}

bool FrameReader::skip(std::string_view* bytes) {
  const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, bytes->size()));
  const char last = (*bytes)[taken - 1];
  bytes->remove_prefix(taken);
  body_left_ -= taken;
  if (body_left_ != 0) return true;
  in_body_ = false;
  if (last != kFrameEnd) return fail("the broker sent a frame without its end");
  return handler_.frame(FrameType::body, body_channel_, {}, body_size_);
}

}  // namespace lsmtpd::amqp091
