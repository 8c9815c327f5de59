// SPDX-License-Identifier: Apache-2.0
// The types of AMQP 0-9-1 on the wire (specification, 4.2): frames, integers, strings, field
// tables. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace lsmtpd::amqp091 {

enum class FrameType : std::uint8_t { method = 1, header = 2, body = 3, heartbeat = 8 };

inline constexpr char kFrameEnd = '\xce';
// Type, channel, size before a frame's payload, and the end behind it.
inline constexpr std::size_t kFrameHead = 7;
inline constexpr std::size_t kFrameOverhead = kFrameHead + 1;
inline constexpr std::size_t kLongestShortString = 255;

// Appends to a string.
class Writer {
 public:
  explicit Writer(std::string* out) : out_(*out) {}

  void octet(unsigned value) { out_.push_back(static_cast<char>(value & 255U)); }
  void u16(unsigned value);
  void u32(std::uint32_t value);
  void u64(std::uint64_t value);
  // At most kLongestShortString octets; the caller has seen to it.
  void short_string(std::string_view text);
  void long_string(std::string_view text);

 private:
  std::string& out_;
};

// A field table as it is built.
class Table {
 public:
  void text(std::string_view key, std::string_view value);
  void number(std::string_view key, std::int32_t value);
  void boolean(std::string_view key, bool value);
  void table(std::string_view key, const Table& value);
  void write(Writer writer) const { writer.long_string(items_); }

 private:
  void put_key(std::string_view key, char type);
  std::string items_;
};

// A frame whose payload is written between begin and end.
class FrameWriter {
 public:
  FrameWriter(std::string* out, FrameType type, std::uint16_t channel);
  ~FrameWriter();
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;
  Writer& payload() { return writer_; }

 private:
  std::string& out_;
  std::size_t size_at_;
  Writer writer_;
};

// The texts, numbers and booleans ("true", "false") of a table; of a table inside with the path
// "outer.inner"; other types are left out.
using Fields = std::map<std::string, std::string, std::less<>>;

// Reads from a payload. After a read beyond the end, or of something malformed, good() is false and
// every value empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  bool good() const { return good_; }
  std::string_view rest() const { return left_; }
  std::uint8_t octet() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }
  std::string_view short_string() { return take(octet()); }
  std::string_view long_string() { return take(u32()); }
  Fields table();

 private:
  std::uint64_t number(std::size_t octets);
  std::string_view take(std::size_t octets);
  void fail();
  void read_table(const std::string& prefix, int depth, Fields* out);
  void read_value(const std::string& key, int depth, Fields* out);
  void read_array(int depth);

  std::string_view left_;
  bool good_ = true;
};

}  // namespace lsmtpd::amqp091
