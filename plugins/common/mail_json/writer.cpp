// SPDX-License-Identifier: Apache-2.0
#include "mail_json/writer.hpp"

#include <algorithm>
#include <cstring>

namespace lsmtpd::mail_json {
namespace {

constexpr std::string_view kContentIdKey = ",\"content_id\":\"";
constexpr std::string_view kBase64Key = ",\"email_content_base64\":\"";
constexpr std::string_view kFirstKey = ",\"email_content\":\"";
constexpr std::string_view kNextKey = "\",\"email_content\":\"";
constexpr std::string_view kTail = "\"}";

}  // namespace

Writer::Writer(const lsmtpd_envelope& envelope, const WriterOptions& options)
    : head_(make_head(envelope, options)) {
  if (options.extra) content_id_.emplace(envelope);
}

bool Writer::measure(Content& content) {
  for (std::string_view piece = pieces_.next(content); !piece.empty();
       piece = pieces_.next(content)) {
    measure_.add(piece);
    if (content_id_) content_id_->add(piece);
    pieces_.advance(piece.size());
  }
  measure_.finish();
  pieces_.rewind();
  if (content_id_) {
    if (const std::string id = content_id_->finish(); !id.empty())
      head_.append(kContentIdKey).append(id).push_back('"');
    content_id_.reset();
  }
  head_ += has_base64() ? kBase64Key : kFirstKey;
  return !pieces_.failed();
}

std::uint64_t Writer::size() const {
  std::uint64_t size = head_.size() + measure_.escaped() + kTail.size();
  if (has_base64()) size += base64_size(measure_.bytes()) + kNextKey.size();
  return size;
}

std::int64_t Writer::produce(Content& content, char* out, std::size_t room) {
  std::size_t made = 0;
  while (part_ != Part::done && room - made >= kRoom) {
    made += fill(content, out + made, room - made);
    if (pieces_.failed()) return -1;
  }
  return static_cast<std::int64_t>(made);
}

std::size_t Writer::fill(Content& content, char* out, std::size_t room) {
  switch (part_) {
    case Part::head:
      return copy(head_, out, room, has_base64() ? Part::base64 : Part::text);
    case Part::base64:
      return encode(content, out, room);
    case Part::text_key:
      return copy(kNextKey, out, room, Part::text);
    case Part::text:
      return escape(content, out, room);
    case Part::tail:
      return copy(kTail, out, room, Part::done);
    case Part::done:
      break;
  }
  return 0;
}

std::size_t Writer::copy(std::string_view text, char* out, std::size_t room, Part next) {
  const std::size_t size = std::min(text.size() - copied_, room);
  std::memcpy(out, text.data() + copied_, size);
  copied_ += size;
  if (copied_ == text.size()) {
    copied_ = 0;
    part_ = next;
  }
  return size;
}

std::size_t Writer::encode(Content& content, char* out, std::size_t room) {
  const std::string_view piece = pieces_.next(content);
  if (!piece.empty()) {
    const Base64Encoder::Step step = base64_.encode(piece, out, room);
    pieces_.advance(step.read);
    return step.written;
  }
  pieces_.rewind();
  part_ = Part::text_key;
  return base64_.finish(out);
}

std::size_t Writer::escape(Content& content, char* out, std::size_t room) {
  const std::string_view piece = pieces_.next(content);
  if (!piece.empty()) {
    const Escaper::Step step = escaper_.escape(piece, out, room);
    pieces_.advance(step.read);
    return step.written;
  }
  part_ = Part::tail;
  return escaper_.finish(out);
}

}  // namespace lsmtpd::mail_json
