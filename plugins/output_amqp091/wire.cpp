// SPDX-License-Identifier: Apache-2.0
#include "wire.hpp"

namespace lsmtpd::amqp091 {

namespace {

// Tables within tables; a peer's table of deeper ones is malformed.
constexpr int kDeepest = 8;
// Fields that are kept of one table.
constexpr std::size_t kMostFields = 128;

}  // namespace

void Writer::u16(unsigned value) {
  octet(value >> 8);
  octet(value);
}

void Writer::u32(std::uint32_t value) {
  u16(value >> 16);
  u16(value & 0xffffU);
}

void Writer::u64(std::uint64_t value) {
  u32(static_cast<std::uint32_t>(value >> 32));
  u32(static_cast<std::uint32_t>(value & 0xffffffffU));
}

void Writer::short_string(std::string_view text) {
  text = text.substr(0, kLongestShortString);
  octet(static_cast<unsigned>(text.size()));
  out_.append(text);
}

void Writer::long_string(std::string_view text) {
  u32(static_cast<std::uint32_t>(text.size()));
  out_.append(text);
}

void Table::put_key(std::string_view key, char type) {
  Writer(&items_).short_string(key);
  items_ += type;
}

void Table::text(std::string_view key, std::string_view value) {
  put_key(key, 'S');
  Writer(&items_).long_string(value);
}

void Table::number(std::string_view key, std::int32_t value) {
  put_key(key, 'I');
  Writer(&items_).u32(static_cast<std::uint32_t>(value));
}

void Table::boolean(std::string_view key, bool value) {
  put_key(key, 't');
  items_ += value ? '\1' : '\0';
}

void Table::table(std::string_view key, const Table& value) {
  put_key(key, 'F');
  value.write(Writer(&items_));
}

FrameWriter::FrameWriter(std::string* out, FrameType type, std::uint16_t channel)
    : out_(*out), size_at_(0), writer_(out) {
  writer_.octet(static_cast<unsigned>(type));
  writer_.u16(channel);
  size_at_ = out_.size();
  writer_.u32(0);
}

FrameWriter::~FrameWriter() {
  const std::size_t size = out_.size() - size_at_ - 4;
  for (int i = 0; i < 4; ++i)
    out_[size_at_ + static_cast<std::size_t>(i)] = static_cast<char>((size >> (24 - 8 * i)) & 255U);
  out_ += kFrameEnd;
}

void Reader::fail() {
  good_ = false;
  left_ = {};
}

std::string_view Reader::take(std::size_t octets) {
  if (octets > left_.size()) {
    fail();
    return {};
  }
  const std::string_view taken = left_.substr(0, octets);
  left_.remove_prefix(octets);
  return taken;
}

std::uint64_t Reader::number(std::size_t octets) {
  std::uint64_t value = 0;
  for (const char c : take(octets)) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

Fields Reader::table() {
  Fields fields;
  read_table({}, 0, &fields);
  return good_ ? fields : Fields{};
}

void Reader::read_table(const std::string& prefix, int depth, Fields* out) {
  if (depth > kDeepest) return fail();
  Reader inner(long_string());
  while (good_ && !inner.left_.empty()) {
    const std::string key(inner.short_string());
    inner.read_value(prefix + key, depth, out);
    if (!inner.good_) return fail();
  }
}

// The types as RabbitMQ and the specification's errata write them.
void Reader::read_value(const std::string& key, int depth, Fields* out) {
  const auto keep = [&](std::string value) {
    if (good_ && out != nullptr && out->size() < kMostFields) out->emplace(key, std::move(value));
  };
  switch (static_cast<char>(octet())) {
    case 'S':
    case 'x':
      return keep(std::string(long_string()));
    case 't':
      return keep(octet() != 0 ? "true" : "false");
    case 'b':
      return keep(std::to_string(static_cast<std::int8_t>(octet())));
    case 'B':
      return keep(std::to_string(octet()));
    case 's':
      return keep(std::to_string(static_cast<std::int16_t>(u16())));
    case 'u':
      return keep(std::to_string(u16()));
    case 'I':
      return keep(std::to_string(static_cast<std::int32_t>(u32())));
    case 'i':
      return keep(std::to_string(u32()));
    case 'l':
    case 'L':
      return keep(std::to_string(static_cast<std::int64_t>(u64())));
    case 'T':
      return keep(std::to_string(u64()));
    case 'f':
      return void(take(4));
    case 'd':
      return void(take(8));
    case 'D':
      return void(take(5));
    case 'V':
      return;
    case 'F':
      return read_table(key + ".", depth + 1, out);
    case 'A':
      return read_array(depth + 1);
    default:
      return fail();
  }
}

// Its values are left out.
void Reader::read_array(int depth) {
  if (depth > kDeepest) return fail();
  Reader inner(long_string());
  while (good_ && !inner.left_.empty()) {
    inner.read_value({}, depth, nullptr);
    if (!inner.good_) return fail();
  }
}

}  // namespace lsmtpd::amqp091
