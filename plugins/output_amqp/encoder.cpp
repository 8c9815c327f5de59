// SPDX-License-Identifier: Apache-2.0
#include "encoder.hpp"

#include <algorithm>
#include <cstring>

#include "message_sections.hpp"

namespace lsmtpd::amqp {

namespace {

// A data section of AMQP carries at most this.
constexpr std::uint64_t kLargestBody = 0xffffff00U;

}  // namespace

Encoder::Encoder(const sdk::Message& message, const EncoderOptions& options,
                 std::string_view copy_id, std::string_view address,
                 const std::vector<std::uint32_t>& recipients)
    : envelope_(message.envelope()),
      message_(message),
      content_(options.api, message.raw()),
      format_(options.format),
      extra_(options.extra),
      copy_message_id_(options.copy_message_id),
      property_limit_(options.property_limit),
      copy_id_(copy_id),
      address_(address),
      own_annotations_(options.own_annotations) {
  if (recipients.empty()) return;
  recipients_.reserve(recipients.size());
  for (const std::uint32_t place : recipients)
    recipients_.push_back(*lsmtpd_recipient_at(&message.envelope(), place));
  envelope_.recipients = recipients_.data();
  envelope_.recipient_stride = sizeof(lsmtpd_recipient);
  envelope_.recipient_count = recipients_.size();
}

bool Encoder::prepare() {
  if (format_ == Format::json) {
    writer_.emplace(envelope_, mail_json::WriterOptions{extra_, nullptr});
    if (!writer_->measure(content_)) return false;
    body_ = writer_->size();
  } else {
    body_ = content_.size();
  }
  if (body_ > kLargestBody) return false;
  Copy copy;
  copy.envelope = &envelope_;
  copy.copy_id = copy_id_;
  copy.message_id =
      copy_message_id_ ? copy_id_ : std::string_view{envelope_.id.data, envelope_.id.size};
  copy.property_limit = property_limit_;
  copy.body_has_recipients = format_ == Format::json;
  copy.address = address_;
  copy.content_type = format_ == Format::json ? "application/json" : "message/rfc822";
  message_.each_annotation([&](std::string_view key, std::string_view value) {
    if (!key.starts_with(own_annotations_)) copy.annotations.emplace_back(key, value);
  });
  sections_ = make_sections(copy, body_);
  return true;
}

std::uint64_t content_limit(Format format, std::uint64_t link_limit) {
  if (link_limit == 0) return 0;
  const std::uint64_t rest = link_limit - std::min(kSectionsLimit, link_limit / 8);
  return format == Format::json ? rest - rest / 8 : rest;
}

std::int64_t Encoder::produce(char* out, std::size_t room) {
  std::size_t done = 0;
  if (sections_sent_ < sections_.size()) {
    done = std::min(room, sections_.size() - sections_sent_);
    std::memcpy(out, sections_.data() + sections_sent_, done);
    sections_sent_ += done;
  }
  while (room - done >= mail_json::Writer::kRoom && body_sent_ < body_) {
    const std::int64_t got = produce_body(out + done, room - done);
    if (got < 0 || (got == 0 && body_sent_ < body_)) return -1;
    body_sent_ += static_cast<std::uint64_t>(got);
    done += static_cast<std::size_t>(got);
  }
  return static_cast<std::int64_t>(done);
}

std::int64_t Encoder::produce_body(char* out, std::size_t room) {
  if (format_ == Format::json) return writer_->produce(content_, out, room);
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(room, body_ - body_sent_));
  const std::string_view piece = content_.peek(body_sent_).substr(0, wanted);
  if (piece.empty()) return content_.read(body_sent_, out, wanted);
  std::memcpy(out, piece.data(), piece.size());
  return static_cast<std::int64_t>(piece.size());
}

}  // namespace lsmtpd::amqp
