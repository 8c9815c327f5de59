// SPDX-License-Identifier: Apache-2.0
#include "request_header.hpp"

#include <algorithm>
#include <cctype>
#include <sink/mail_properties.hpp>

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
    lines.push_back(field(name, encoded(value)));
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

std::string encoded(std::string_view value) {
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

std::vector<std::string> fields_of(const sink::Part& part, const Options& options) {
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
  sink::MailProperties mail;
  mail.envelope = &envelope;
  mail.property_limit = options.property_limit;
  mail.body_has_recipients = options.format == sink::Format::json;
  message.each_annotation([&](std::string_view key, std::string_view value) {
    mail.annotations.emplace_back(key, value);
  });
  Fields fields;
  fields.lines.push_back(field("Content-Type", options.format == sink::Format::json
                                                   ? "application/json"
                                                   : "message/rfc822"));
  fields.lines.push_back(field("Idempotency-Key", part.copy_id));
  fields.lines.push_back(field("lsmtpd-id", encoded(sdk::view(envelope.id))));
  sink::visit_properties(mail, &fields);
  return std::move(fields.lines);
}

}  // namespace lsmtpd::output_http
