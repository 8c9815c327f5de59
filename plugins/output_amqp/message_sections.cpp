// SPDX-License-Identifier: Apache-2.0
#include "message_sections.hpp"

namespace lsmtpd::amqp {

namespace {

constexpr char kNull = 0x40;

// Descriptors of the sections, as smallulong (part 3, 3.2).
constexpr unsigned char kHeader = 0x70;
constexpr unsigned char kMessageAnnotations = 0x72;
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

class Map : public sink::PropertyVisitor {
 public:
  void text(std::string_view key, std::string_view value) override {
    put_string(&items_, key);
    put_string(&items_, value);
    count_ += 2;
  }
  void number(std::string_view key, std::int32_t value) override {
    put_string(&items_, key);
    put_int(&items_, value);
    count_ += 2;
  }
  void write(std::string* out) const { put_compound(out, 0xd1, count_, items_); }

 private:
  std::string items_;
  std::uint32_t count_ = 0;
};

// Part 3, 3.2.1. Fields at the end that have no value are left out.
void put_header(std::string* out, const FieldValues& fields) {
  std::string items = "\x41";  // durable = true
  std::uint32_t count = 1;
  if (fields.priority || fields.ttl_ms != 0) {
    ++count;
    if (fields.priority) {
      put_byte(&items, 0x50);
      put_byte(&items, *fields.priority);
    } else {
      items += kNull;
    }
  }
  if (fields.ttl_ms != 0) {
    ++count;
    put_byte(&items, 0x70);
    put_be32(&items, fields.ttl_ms);
  }
  put_descriptor(out, kHeader);
  put_byte(out, 0xc0);
  put_byte(out, static_cast<unsigned>(items.size() + 1));
  put_byte(out, count);
  out->append(items);
}

void put_message_annotations(std::string* out, const FieldValues& fields) {
  if (fields.annotations.empty()) return;
  std::string items;
  for (const auto& [name, value] : fields.annotations) {
    put_symbol(&items, name);
    put_string(&items, value);
  }
  put_descriptor(out, kMessageAnnotations);
  put_compound(out, 0xd1, static_cast<std::uint32_t>(fields.annotations.size() * 2), items);
}

void put_or_null(std::string* out, std::string_view text) {
  if (text.empty()) {
    *out += kNull;
  } else {
    put_string(out, text);
  }
}

void put_properties(std::string* out, const Copy& copy) {
  const FieldValues& fields = copy.fields;
  std::string items;
  put_string(&items, copy.message_id);
  items += kNull;  // user-id
  put_string(&items, fields.to.empty() ? copy.address : std::string_view(fields.to));
  put_or_null(&items, fields.subject);
  items.append(2, kNull);  // reply-to, correlation-id
  put_symbol(&items, copy.content_type);
  items.append(2, kNull);  // content-encoding, absolute-expiry-time
  put_timestamp(&items, copy.envelope->time_ns / 1000000);
  if (!fields.group_id.empty()) put_string(&items, fields.group_id);
  put_descriptor(out, kProperties);
  put_compound(out, 0xd0, fields.group_id.empty() ? 10 : 11, items);
}

void put_application_properties(std::string* out, const Copy& copy) {
  Map map;
  visit_properties(copy, &map);
  map.text("_AMQ_DUPL_ID", copy.copy_id);
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
  put_header(&out, copy.fields);
  put_message_annotations(&out, copy.fields);
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
