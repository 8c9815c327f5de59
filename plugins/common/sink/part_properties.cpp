// SPDX-License-Identifier: Apache-2.0
#include "part_properties.hpp"

namespace lsmtpd::sink {

PartProperties::PartProperties(const Part& part, std::size_t property_limit,
                               bool body_has_recipients)
    : envelope_(part.job->message.envelope()) {
  const sdk::Message& message = part.job->message;
  if (!part.recipients.empty()) {
    for (const std::uint32_t place : part.recipients)
      recipients_.push_back(*lsmtpd_recipient_at(&message.envelope(), place));
    envelope_.recipients = recipients_.data();
    envelope_.recipient_stride = sizeof(lsmtpd_recipient);
    envelope_.recipient_count = recipients_.size();
  }
  mail_.envelope = &envelope_;
  mail_.property_limit = property_limit;
  mail_.body_has_recipients = body_has_recipients;
  if (part.claim != nullptr) mail_.claim = part.claim->location;
  message.each_annotation([&](std::string_view key, std::string_view value) {
    mail_.annotations.emplace_back(key, value);
  });
}

std::string percent_encoded(std::string_view value) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const unsigned char c : value) {
    if (c >= 0x20 && c < 0x7f && c != '%') {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
  return out;
}

}  // namespace lsmtpd::sink
