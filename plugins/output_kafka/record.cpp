// SPDX-License-Identifier: Apache-2.0
#include "record.hpp"

#include <algorithm>
#include <sink/mail_properties.hpp>

namespace lsmtpd::kafka {

namespace {

// Of a batch of version 2, from its base offset to the number of records.
constexpr std::uint64_t kBatch = 61;
// Attributes, and the deltas of time and offset, which are 0 in the first record.
constexpr std::uint64_t kRecord = 3;
// Headers beside the recipients and the annotations, the lengths of all, and the key.
constexpr std::uint64_t kOthers = 4096;

class Collector : public PropertyVisitor {
 public:
  void text(std::string_view key, std::string_view value) override {
    headers.emplace_back(key, value);
  }
  void number(std::string_view key, std::int32_t value) override {
    headers.emplace_back(key, std::to_string(value));
  }
  Headers headers;
};

// A length is written as a signed number, zigzag, seven bits an octet.
std::uint64_t varint(std::uint64_t length) {
  std::uint64_t octets = 1;
  for (std::uint64_t rest = length << 1; rest >= 0x80; rest >>= 7) ++octets;
  return octets;
}

std::uint64_t counted(std::uint64_t length) {
  return varint(length) + length;
}

}  // namespace

Headers headers_of(const Part& part, const Options& options) {
  const sdk::Message& message = part.job->message;
  lsmtpd_envelope envelope = message.envelope();
  std::vector<lsmtpd_recipient> recipients;
  if (!part.recipients.empty()) {
    for (const std::uint32_t place : part.recipients)
      recipients.push_back(*lsmtpd_recipient_at(&message.envelope(), place));
    envelope.recipients = recipients.data();
    envelope.recipient_stride = sizeof(lsmtpd_recipient);
    envelope.recipient_count = recipients.size();
  }
  MailProperties mail;
  mail.envelope = &envelope;
  mail.property_limit = options.property_limit;
  mail.body_has_recipients = options.format == Format::json;
  if (part.claim != nullptr) mail.claim = part.claim->location;
  message.each_annotation([&](std::string_view key, std::string_view value) {
    mail.annotations.emplace_back(key, value);
  });
  Collector collector;
  collector.text("message_id", sdk::view(envelope.id));
  collector.text("copy_id", part.copy_id);
  collector.text("content_type", content_type(options.format, part.claim.get()));
  visit_properties(mail, &collector);
  return std::move(collector.headers);
}

std::uint64_t size_of(const Headers& headers) {
  std::uint64_t size = varint(headers.size());
  for (const auto& [key, value] : headers) size += counted(key.size()) + counted(value.size());
  return size;
}

std::uint64_t batch_size(const std::string* key, std::uint64_t value, const Headers& headers) {
  const std::uint64_t record =
      kRecord + (key == nullptr ? 1 : counted(key->size())) + counted(value) + size_of(headers);
  return kBatch + counted(record);
}

std::uint64_t announced(std::uint64_t largest, const Options& options) {
  if (largest == 0) return 0;
  const std::uint64_t beside = kOthers + 2 * std::uint64_t{options.property_limit};
  return content_limit(options.format, largest - std::min(beside, largest / 2));
}

}  // namespace lsmtpd::kafka
