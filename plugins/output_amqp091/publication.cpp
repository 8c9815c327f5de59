// SPDX-License-Identifier: Apache-2.0
#include "publication.hpp"

#include <algorithm>
#include <sink/part_properties.hpp>

#include "methods.hpp"

namespace lsmtpd::amqp091 {

namespace {

// Of a content header, beside the recipients and the annotations.
constexpr std::uint32_t kOtherHeaders = 3072;

class Headers : public PropertyVisitor {
 public:
  void text(std::string_view key, std::string_view value) override { table_.text(key, value); }
  void number(std::string_view key, std::int32_t value) override { table_.number(key, value); }
  Table& table() { return table_; }

 private:
  Table table_;
};

}  // namespace

void put_publication(std::string* out, std::uint16_t channel, std::string_view exchange,
                     const Part& part, std::uint64_t size, const Options& options,
                     std::uint32_t frame_max) {
  const PartProperties mail(part,
                            std::min<std::size_t>(options.property_limit,
                                                  (frame_max - kFrameOverhead - kOtherHeaders) / 2),
                            options.format == Format::json);
  const lsmtpd_envelope& envelope = mail.envelope();
  Headers headers;
  mail.visit(&headers);
  headers.table().text(kCopyId, part.copy_id);

  Properties properties;
  properties.content_type = content_type(options.format, part.claim.get());
  properties.headers = &headers.table();
  properties.message_id = options.copy_message_id
                              ? std::string_view(part.copy_id)
                              : std::string_view(envelope.id.data, envelope.id.size);
  properties.timestamp = static_cast<std::uint64_t>(envelope.time_ns / 1'000'000'000);
  put_publish(out, channel, exchange, part.routing_key);
  put_content_header(out, channel, size, properties);
}

}  // namespace lsmtpd::amqp091
