// SPDX-License-Identifier: Apache-2.0
#include "message_sections.hpp"

#include <algorithm>
#include <cctype>
#include <mail_json/utf8.hpp>

namespace lsmtpd::amqp {

namespace {

constexpr char kNull = 0x40;

// Descriptors of the sections, as smallulong (part 3, 3.2).
constexpr unsigned char kHeader = 0x70;
constexpr unsigned char kProperties = 0x73;
constexpr unsigned char kApplicationProperties = 0x74;
constexpr unsigned char kData = 0x75;
constexpr unsigned char kValue = 0x77;

void put_byte(std::string* out, unsigned value) {
  out->push_back(static_cast<char>(value));
}

void put_be32(std::string* out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) put_byte(out, (value >> shift) & 255U);
}

void put_be64(std::string* out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8)
    put_byte(out, static_cast<unsigned>((value >> shift) & 255U));
}

// One-byte length where it fits, four bytes otherwise: `small` and `small + 0x10` are the two
// codes.
void put_variable(std::string* out, unsigned small, std::string_view bytes) {
  if (bytes.size() < 256) {
    put_byte(out, small);
    put_byte(out, static_cast<unsigned>(bytes.size()));
  } else {
    put_byte(out, small + 0x10);
    put_be32(out, static_cast<std::uint32_t>(bytes.size()));
  }
  out->append(bytes);
}

void put_descriptor(std::string* out, unsigned char code) {
  put_byte(out, 0x00);
  put_byte(out, 0x53);
  put_byte(out, code);
}

// A list32 (0xd0) or map32 (0xd1) around `items`.
void put_compound(std::string* out, unsigned code, std::uint32_t count, std::string_view items) {
  put_byte(out, code);
  put_be32(out, static_cast<std::uint32_t>(items.size() + 4));
  put_be32(out, count);
  out->append(items);
}

std::string_view view(lsmtpd_str text) {
  return {text.data, text.size};
}

std::string clean(std::string_view text) {
  return mail_json::utf8_lossy(text);
}

// `whole`: whether none is missing.
std::string joined_recipients(const lsmtpd_envelope& envelope, std::size_t limit, bool* whole) {
  std::string out;
  *whole = true;
  for (std::uint64_t i = 0; i < envelope.recipient_count; ++i) {
    const auto address = view(lsmtpd_recipient_at(&envelope, i)->address);
    *whole = out.size() + 1 + address.size() <= limit;
    if (!*whole) break;
    if (i != 0) out += ',';
    out += address;
  }
  return out;
}

// Protocol and cipher; empty: clear text.
std::string tls_text(const lsmtpd_envelope& envelope) {
  if (envelope.tls == nullptr) return {};
  std::string text(view(envelope.tls->version));
  if (envelope.tls->cipher.size != 0) text.append(" ").append(view(envelope.tls->cipher));
  return text;
}

class Map {
 public:
  void text(std::string_view key, std::string_view value) {
    put_string(&items_, key);
    put_string(&items_, value);
    count_ += 2;
  }
  void number(std::string_view key, std::int32_t value) {
    put_string(&items_, key);
    put_int(&items_, value);
    count_ += 2;
  }
  void write(std::string* out) const { put_compound(out, 0xd1, count_, items_); }

 private:
  std::string items_;
  std::uint32_t count_ = 0;
};

// JMS selectors know letters, digits and "_" in names.
std::string property_name(std::string_view key) {
  std::string name = "annotation_" + std::string(key);
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0 && c != '_'; },
      '_');
  return name;
}

void put_properties(std::string* out, const Copy& copy) {
  std::string items;
  put_string(&items, copy.message_id);
  items += kNull;  // user-id
  put_string(&items, copy.address);
  items.append(3, kNull);  // subject, reply-to, correlation-id
  put_symbol(&items, copy.content_type);
  items.append(2, kNull);  // content-encoding, absolute-expiry-time
  put_timestamp(&items, copy.envelope->time_ns / 1000000);
  put_descriptor(out, kProperties);
  put_compound(out, 0xd0, 10, items);
}

void put_application_properties(std::string* out, const Copy& copy) {
  const lsmtpd_envelope& envelope = *copy.envelope;
  Map map;
  map.text("smtp_mail_from", clean(view(envelope.reverse_path)));
  bool whole = true;
  const std::string recipients = joined_recipients(envelope, copy.property_limit, &whole);
  if (whole || !copy.body_has_recipients) map.text("smtp_rcpt_to", clean(recipients));
  map.number("smtp_rcpt_count", static_cast<std::int32_t>(envelope.recipient_count));
  map.text("smtp_helo", clean(view(envelope.helo)));
  map.text("smtp_client_ip", clean(view(envelope.peer_address)));
  map.text("smtp_tls", clean(tls_text(envelope)));
  map.text("smtp_auth_user", clean(view(lsmtpd_auth_user(&envelope))));
  map.text("_AMQ_DUPL_ID", copy.copy_id);
  std::size_t room = copy.property_limit;
  for (const auto& [key, value] : copy.annotations) {
    if (key.size() + value.size() > room) break;
    room -= key.size() + value.size();
    map.text(property_name(key), clean(value));
  }
  put_descriptor(out, kApplicationProperties);
  map.write(out);
}

}  // namespace

void put_string(std::string* out, std::string_view text) {
  put_variable(out, 0xa1, text);
}
void put_symbol(std::string* out, std::string_view text) {
  put_variable(out, 0xa3, text);
}

void put_int(std::string* out, std::int32_t value) {
  put_byte(out, 0x71);
  put_be32(out, static_cast<std::uint32_t>(value));
}

void put_timestamp(std::string* out, std::int64_t milliseconds) {
  put_byte(out, 0x83);
  put_be64(out, static_cast<std::uint64_t>(milliseconds));
}

std::string make_sections(const Copy& copy, std::uint64_t body) {
  std::string out;
  out.reserve(768);
  put_descriptor(&out, kHeader);
  out.append("\xc0\x02\x01\x41", 4);  // a list of one: durable = true
  put_properties(&out, copy);
  put_application_properties(&out, copy);
  put_descriptor(&out, kData);
  if (body < 256) {
    put_byte(&out, 0xa0);
    put_byte(&out, static_cast<unsigned>(body));
  } else {
    put_byte(&out, 0xb0);
    put_be32(&out, static_cast<std::uint32_t>(body));
  }
  return out;
}

std::string make_request(std::string_view id, std::string_view operation, std::string_view path) {
  std::string items;
  put_string(&items, id);
  items += kNull;  // user-id
  put_string(&items, path);
  put_string(&items, operation);
  put_string(&items, "$me");
  std::string out;
  put_descriptor(&out, kProperties);
  put_compound(&out, 0xd0, 5, items);
  put_descriptor(&out, kValue);
  out += kNull;
  return out;
}

}  // namespace lsmtpd::amqp
