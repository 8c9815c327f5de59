// SPDX-License-Identifier: Apache-2.0
#include "publication_headers.hpp"

#include <sink/part_properties.hpp>

namespace lsmtpd::nats {

namespace {

class Visitor : public PropertyVisitor {
 public:
  explicit Visitor(Headers* out) : out_(*out) {}
  void text(std::string_view key, std::string_view value) override {
    out_.emplace_back(key, percent_encoded(value));
  }
  void number(std::string_view key, std::int32_t value) override {
    out_.emplace_back(key, std::to_string(value));
  }

 private:
  Headers& out_;
};

}  // namespace

Headers headers_of(const Part& part, const Options& options) {
  const PartProperties properties(part, options.property_limit, options.format == Format::json);
  Headers headers;
  headers.emplace_back("Nats-Msg-Id", part.copy_id);
  headers.emplace_back("Nats-Expected-Stream", options.stream);
  headers.emplace_back("Content-Type", content_type(options.format, part.claim.get()));
  headers.emplace_back("lsmtpd_id", percent_encoded(sdk::view(properties.envelope().id)));
  Visitor visitor(&headers);
  properties.visit(&visitor);
  return headers;
}

std::uint64_t encoded_size(const Headers& headers) {
  constexpr std::string_view kVersion = "NATS/1.0\r\n";
  std::uint64_t size = kVersion.size() + 2;
  for (const auto& [key, value] : headers) size += key.size() + value.size() + 4;
  return size;
}

}  // namespace lsmtpd::nats
