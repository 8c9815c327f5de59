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
                 const std::vector<std::uint32_t>& recipients, std::shared_ptr<const Claim> claim)
    : message_(message),
      claim_(std::move(claim)),
      body_(options.api, message, options.format, options.extra, recipients, claim_.get()),
      format_(options.format),
      copy_message_id_(options.copy_message_id),
      property_limit_(options.property_limit),
      fields_(options.fields),
      copy_id_(copy_id),
      address_(address) {}

bool Encoder::prepare() {
  if (!body_.prepare() || body_.size() > kLargestBody) return false;
  const lsmtpd_envelope& envelope = body_.envelope();
  Copy copy;
  copy.envelope = &envelope;
  copy.copy_id = copy_id_;
  copy.message_id =
      copy_message_id_ ? copy_id_ : std::string_view{envelope.id.data, envelope.id.size};
  copy.property_limit = property_limit_;
  copy.body_has_recipients = format_ == Format::json;
  copy.address = address_;
  if (fields_ != nullptr) copy.fields = expand(*fields_, envelope);
  copy.content_type = content_type(format_, claim_.get());
  if (claim_ != nullptr) copy.claim = claim_->location;
  message_.each_annotation([&](std::string_view key, std::string_view value) {
    copy.annotations.emplace_back(key, value);
  });
  sections_ = make_sections(copy, body_.size());
  return true;
}

std::int64_t Encoder::produce(char* out, std::size_t room) {
  std::size_t done = 0;
  if (sections_sent_ < sections_.size()) {
    done = std::min(room, sections_.size() - sections_sent_);
    std::memcpy(out, sections_.data() + sections_sent_, done);
    sections_sent_ += done;
  }
  if (room - done < mail_json::Writer::kRoom) return static_cast<std::int64_t>(done);
  const std::int64_t got = body_.produce(out + done, room - done);
  return got < 0 ? got : got + static_cast<std::int64_t>(done);
}

std::uint64_t content_limit_of_link(Format format, std::uint64_t link_limit) {
  if (link_limit == 0) return 0;
  return content_limit(format, link_limit - std::min(kSectionsLimit, link_limit / 8));
}

}  // namespace lsmtpd::amqp
