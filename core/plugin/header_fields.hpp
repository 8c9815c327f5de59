// SPDX-License-Identifier: Apache-2.0
// The header fields of a content (RFC 5322 2.2), and edits of them by number.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "message/message.hpp"

namespace lsmtpd::plugin {

// "Name: value" lines, and those that begin with a blank, each with its CRLF.
bool is_header_fields(std::string_view text);
// The same, and exactly one field.
bool is_one_field(std::string_view text);

struct HeaderField {
  std::string_view name;  // empty: the line is no field
  std::string_view value;
  std::string_view whole;
};

class HeaderFields {
 public:
  static constexpr uint64_t kLargest = 1u << 20;

  // The bytes before the first empty line of `message`; nothing where it cannot be read, or is
  // larger than kLargest. Blocks on the disk where the message was spilled.
  static std::optional<std::string> read(const message::Message& message);

  // Takes what read() gave.
  explicit HeaderFields(std::string text);
  HeaderFields(const HeaderFields&) = delete;
  HeaderFields& operator=(const HeaderFields&) = delete;

  uint64_t bytes() const { return text_.size(); }
  const std::vector<HeaderField>& fields() const { return fields_; }
  // The first with this name from number `from` on.
  std::optional<uint64_t> find(std::string_view name, uint64_t from) const;

 private:
  std::string text_;
  std::vector<HeaderField> fields_;
};

struct HeaderEdits {
  std::map<uint64_t, std::vector<std::string>> inserted;  // before the field of that number
  std::map<uint64_t, std::string> changed;                // empty: removed

  bool any() const { return !inserted.empty() || !changed.empty(); }
  std::string apply(const HeaderFields& header) const;
};

}  // namespace lsmtpd::plugin
