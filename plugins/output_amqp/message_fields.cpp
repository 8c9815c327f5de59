// SPDX-License-Identifier: Apache-2.0
#include "message_fields.hpp"

#include <algorithm>
#include <sink/client_options.hpp>

namespace lsmtpd::amqp {

namespace {

// Part 3, 3.2.10: names that do not begin with "x-" are reserved.
bool is_annotation_name(std::string_view name) {
  return name.size() > 2 && name.size() < 256 && name.substr(0, 2) == "x-" &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// Returns what is wrong; empty: nothing.
std::string add_annotation(std::string_view name, std::string_view text, MessageFields* fields) {
  if (!is_annotation_name(name))
    return "\"" + std::string(name) + "\" is no name of an annotation: x-NAME, printable ASCII";
  auto value = sink::Template::parse(text);
  if (!value) return std::string(name) + ": " + value.error();
  fields->annotations.emplace_back(name, *std::move(value));
  return {};
}

// Not within a character of UTF-8.
std::string cut(std::string value) {
  std::size_t size = MessageFields::kMostOctets;
  if (value.size() <= size) return value;
  while (size > 0 && (static_cast<unsigned char>(value[size]) & 0xc0U) == 0x80) --size;
  value.resize(size);
  return value;
}

}  // namespace

bool parse_message_fields(sdk::Config config, sdk::Report report, MessageFields* fields) {
  bool good = sink::parse_template(config, report, "subject", &fields->subject);
  good &= sink::parse_template(config, report, "group_id", &fields->group_id);
  good &= sink::parse_template(config, report, "to", &fields->to);
  if (config.is_set("priority"))
    fields->priority = static_cast<std::uint8_t>(config.integer("priority"));
  fields->expiration = config.duration("expiration");
  const auto annotations = config.map("message_annotations");
  if (annotations.size() > MessageFields::kMostAnnotations) {
    report.error("message_annotations",
                 "has " + std::to_string(annotations.size()) + " entries; at most " +
                     std::to_string(MessageFields::kMostAnnotations) + " are allowed");
    return false;
  }
  for (const auto& [name, text] : annotations) {
    if (const auto wrong = add_annotation(name, text, fields); !wrong.empty()) {
      report.error("message_annotations", wrong);
      good = false;
    }
  }
  return good;
}

FieldValues expand(const MessageFields& fields, const lsmtpd_envelope& envelope) {
  std::string_view recipient;
  if (envelope.recipient_count > 0) {
    const lsmtpd_str& address = lsmtpd_recipient_at(&envelope, 0)->address;
    recipient = {address.data, address.size};
  }
  const auto value = [&](const sink::Template& text) {
    return text.empty() ? std::string() : cut(text.expand(envelope, recipient));
  };
  FieldValues values;
  values.subject = value(fields.subject);
  values.group_id = value(fields.group_id);
  values.to = value(fields.to);
  values.priority = fields.priority;
  values.ttl_ms = static_cast<std::uint32_t>(fields.expiration.count());
  for (const auto& [name, text] : fields.annotations)
    values.annotations.emplace_back(name, value(text));
  return values;
}

}  // namespace lsmtpd::amqp
