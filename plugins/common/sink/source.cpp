// SPDX-License-Identifier: Apache-2.0
#include "source.hpp"

#include <algorithm>
#include <cstring>

#include "claim.hpp"

namespace lsmtpd::sink {

BodySource::BodySource(const lsmtpd_message_1* table, const sdk::Message& message, Format format,
                       bool extra, const std::vector<std::uint32_t>& recipients, const Claim* claim)
    : envelope_(message.envelope()),
      content_(table, message.raw()),
      format_(format),
      extra_(extra),
      reference_(claim == nullptr ? std::string() : claim->reference) {
  if (format == Format::json && extra) traceparent_ = message.annotation(mail_json::kTraceparent);
  if (recipients.empty()) return;
  recipients_.reserve(recipients.size());
  for (const std::uint32_t place : recipients)
    recipients_.push_back(*lsmtpd_recipient_at(&message.envelope(), place));
  envelope_.recipients = recipients_.data();
  envelope_.recipient_stride = sizeof(lsmtpd_recipient);
  envelope_.recipient_count = recipients_.size();
}

bool BodySource::prepare() {
  if (!reference_.empty()) {
    size_ = reference_.size();
  } else if (format_ == Format::json) {
    writer_.emplace(envelope_, mail_json::WriterOptions{extra_, nullptr, traceparent_});
    if (!writer_->measure(content_)) return false;
    size_ = writer_->size();
  } else {
    size_ = content_.size();
  }
  return true;
}

std::int64_t BodySource::produce(char* out, std::size_t room) {
  std::size_t done = 0;
  while (room - done >= mail_json::Writer::kRoom && sent_ < size_) {
    const std::int64_t got = produce_some(out + done, room - done);
    if (got < 0 || (got == 0 && sent_ < size_)) return -1;
    sent_ += static_cast<std::uint64_t>(got);
    done += static_cast<std::size_t>(got);
  }
  return static_cast<std::int64_t>(done);
}

std::int64_t BodySource::produce_some(char* out, std::size_t room) {
  if (!reference_.empty())
    return static_cast<std::int64_t>(reference_.copy(out, room, static_cast<std::size_t>(sent_)));
  if (format_ == Format::json) return writer_->produce(content_, out, room);
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(room, size_ - sent_));
  const std::string_view piece = content_.peek(sent_).substr(0, wanted);
  if (piece.empty()) return content_.read(sent_, out, wanted);
  std::memcpy(out, piece.data(), piece.size());
  return static_cast<std::int64_t>(piece.size());
}

std::uint64_t content_limit(Format format, std::uint64_t limit) {
  return format == Format::json ? limit - limit / 8 : limit;
}

}  // namespace lsmtpd::sink
