// SPDX-License-Identifier: Apache-2.0
// AMQP 1.0 on the wire for the harness: writes frames with any fields, and reads frames by simple
// code without Proton, so that the real traffic can be checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lsmtpd::fuzz::wire {

enum Performative : uint8_t {
  kOpen = 0x10,
  kBegin,
  kAttach,
  kFlow,
  kTransfer,
  kDisposition,
  kDetach,
  kEnd,
  kClose,
  kMechanisms = 0x40,
  kOutcome = 0x44
};
inline constexpr uint8_t kAccepted = 0x24;
inline constexpr std::string_view kSaslHeader{"AMQP\x03\x01\x00\x00", 8};
inline constexpr std::string_view kHeader{"AMQP\x00\x01\x00\x00", 8};

inline std::string big_endian(uint64_t number, unsigned width) {
  std::string out;
  while (width-- > 0) out += static_cast<char>(number >> (8 * width));
  return out;
}
inline uint64_t number_of(std::string_view bytes) {
  uint64_t out = 0;
  for (const char c : bytes) out = out << 8 | static_cast<uint8_t>(c);
  return out;
}

// ---- writing ----

inline const std::string null = "\x40";
inline std::string boolean(bool value) {
  return value ? "\x41" : "\x42";
}
inline std::string ubyte(uint64_t value) {
  return "\x50" + big_endian(value, 1);
}
inline std::string ushort(uint64_t value) {
  return "\x60" + big_endian(value, 2);
}
inline std::string uint(uint64_t value) {
  return "\x70" + big_endian(value, 4);
}
inline std::string ulong(uint64_t value) {
  return "\x80" + big_endian(value, 8);
}
inline std::string text(char code, std::string_view value) {
  return code + big_endian(value.size(), 4) + std::string(value);
}
inline std::string string(std::string_view value) {
  return text('\xb1', value);
}
inline std::string symbol(std::string_view value) {
  return text('\xb3', value);
}

// A list or map: `code` is 0xd0 or 0xd1.
inline std::string compound(char code, const std::vector<std::string>& items) {
  std::string body = big_endian(items.size(), 4);
  for (const std::string& item : items) body += item;
  return code + big_endian(body.size(), 4) + body;
}
inline std::string list(const std::vector<std::string>& items) {
  return compound('\xd0', items);
}
inline std::string map(const std::vector<std::string>& items) {
  return compound('\xd1', items);
}
inline std::string described(uint8_t descriptor, const std::string& value) {
  return std::string("\0\x53", 2) + static_cast<char>(descriptor) + value;
}
inline std::string frame(uint8_t type, uint16_t channel, std::string_view body) {
  return big_endian(8 + body.size(), 4) + '\x02' + static_cast<char>(type) +
         big_endian(channel, 2) + std::string(body);
}

// ---- reading ----

struct Value {
  uint8_t code = 0x40;
  std::optional<uint64_t> descriptor = {};
  std::string_view bytes = {};    // of a scalar: without code and size
  std::vector<Value> items = {};  // of a list

  bool is_null() const { return code == 0x40; }
  // True unless the value is a clear false.
  bool truth() const {
    return !is_null() && code != 0x42 && (code != 0x56 || number_of(bytes) != 0);
  }
  uint64_t number() const { return bytes.size() > 8 ? 0 : number_of(bytes); }
  const Value& item(size_t index) const {
    static const Value none;
    return index < items.size() ? items[index] : none;
  }
};

inline std::optional<std::string_view> take(std::string_view* from, uint64_t size) {
  if (from->size() < size) return std::nullopt;
  const std::string_view out = from->substr(0, size);
  from->remove_prefix(size);
  return out;
}

inline std::optional<Value> read_value(std::string_view* from, int depth = 0) {
  const auto code = take(from, 1);
  if (!code || depth > 32) return std::nullopt;
  Value value;
  value.code = static_cast<uint8_t>((*code)[0]);
  if (value.code == 0) {
    const auto descriptor = read_value(from, depth + 1);
    auto inner = descriptor ? read_value(from, depth + 1) : std::nullopt;
    if (!inner) return std::nullopt;
    if (descriptor->bytes.size() <= 8) inner->descriptor = descriptor->number();
    return inner;
  }
  static constexpr unsigned kFixed[] = {0, 1, 2, 4, 8, 16};
  const unsigned group = value.code >> 4;
  if (group < 4) return std::nullopt;
  std::optional<std::string_view> bytes;
  if (group <= 9) {
    bytes = take(from, kFixed[group - 4]);
  } else {
    const auto size = take(from, group % 2 == 0 ? 1 : 4);
    if (size) bytes = take(from, number_of(*size));
  }
  if (!bytes) return std::nullopt;
  value.bytes = *bytes;
  if (value.code != 0xc0 && value.code != 0xd0) return value;
  std::string_view rest = *bytes;
  const auto count = take(&rest, value.code == 0xc0 ? 1 : 4);
  for (uint64_t i = count ? number_of(*count) : 0; i > 0 && !rest.empty(); --i) {
    auto item = read_value(&rest, depth + 1);
    if (!item) return std::nullopt;
    value.items.push_back(*std::move(item));
  }
  return value;
}

struct Frame {
  uint8_t type = 0;
  uint16_t channel = 0;
  Value performative = {};
  std::string_view payload = {};
};

// Bytes of one direction; next() gives frame after frame. An unreadable frame ends it: lost().
class Frames {
 public:
  void append(std::string_view bytes) { bytes_.erase(0, read_).append(bytes), read_ = 0; }
  bool lost() const { return lost_; }

  // Live until append().
  std::optional<Frame> next() {
    std::string_view rest = std::string_view(bytes_).substr(read_);
    while (rest.starts_with("AMQP") && rest.size() >= 8) {
      rest.remove_prefix(8);
      read_ += 8;
    }
    if (lost_ || rest.size() < 8 || rest.starts_with("AMQP")) return std::nullopt;
    const uint64_t size = number_of(rest.substr(0, 4));
    const size_t start = static_cast<uint8_t>(rest[4]) * size_t{4};
    if (size < 8 || start < 8 || start > size) return lost_ = true, std::nullopt;
    if (rest.size() < size) return std::nullopt;
    read_ += size;
    Frame frame;
    frame.type = static_cast<uint8_t>(rest[5]);
    frame.channel = static_cast<uint16_t>(number_of(rest.substr(6, 2)));
    frame.payload = rest.substr(start, size - start);
    if (frame.payload.empty()) return frame;
    auto performative = read_value(&frame.payload);
    if (!performative) return lost_ = true, std::nullopt;
    frame.performative = *std::move(performative);
    return frame;
  }

 private:
  std::string bytes_;
  size_t read_ = 0;
  bool lost_ = false;
};

}  // namespace lsmtpd::fuzz::wire
