// SPDX-License-Identifier: Apache-2.0
#include "request_header.hpp"

#include <algorithm>
#include <cctype>
#include <sink/part_properties.hpp>

namespace lsmtpd::output_http {

namespace {

constexpr std::string_view kOwn[] = {"accept",
                                     "connection",
                                     "content-encoding",
                                     "content-length",
                                     "content-type",
                                     "expect",
                                     "host",
                                     "idempotency-key",
                                     "lsmtpd-id",
                                     "te",
                                     "trailer",
                                     "transfer-encoding",
                                     "upgrade",
                                     "webhook-id",
                                     "webhook-signature",
                                     "webhook-timestamp",
                                     "proxy-connection"};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

class Fields : public sink::PropertyVisitor {
 public:
  void text(std::string_view key, std::string_view value) override {
    std::string name(key);
    std::replace(name.begin(), name.end(), '_', '-');
    lines.push_back(field(name, sink::percent_encoded(value)));
  }
  void number(std::string_view key, std::int32_t value) override {
    text(key, std::to_string(value));
  }
  std::vector<std::string> lines;
};

}  // namespace

bool is_field_name(std::string_view name) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !name.empty() && name.size() <= 100 &&
         std::all_of(name.begin(), name.end(), [&](unsigned char c) {
           return std::isalnum(c) != 0 || kOthers.find(static_cast<char>(c)) != kOthers.npos;
         });
}

bool is_printable(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

bool is_own_field(std::string_view name) {
  return std::find(std::begin(kOwn), std::end(kOwn), lower(name)) != std::end(kOwn);
}

bool is_field(std::string_view line, std::string_view name) {
  return lower(line.substr(0, line.find_first_of(":;"))) == name;
}

std::string field(std::string_view name, std::string_view value) {
  if (value.empty()) return std::string(name) + ";";
  return std::string(name) + ": " + std::string(value);
}

std::vector<std::string> fields_of(const sink::Part& part, const Options& options) {
  const sink::PartProperties properties(part, options.property_limit,
                                        options.format == sink::Format::json);
  Fields fields;
  fields.lines.push_back(field("Content-Type", options.format == sink::Format::json
                                                   ? "application/json"
                                                   : "message/rfc822"));
  fields.lines.push_back(field("Idempotency-Key", part.copy_id));
  fields.lines.push_back(
      field("lsmtpd-id", sink::percent_encoded(sdk::view(properties.envelope().id))));
  properties.visit(&fields);
  return std::move(fields.lines);
}

}  // namespace lsmtpd::output_http
