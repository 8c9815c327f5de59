// SPDX-License-Identifier: Apache-2.0
#include "plugin/header_fields.hpp"

#include <algorithm>

namespace lsmtpd::plugin {

namespace {

constexpr size_t kPiece = 16 * 1024;

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// Behind the line end of the line at `at`; the end where it has none.
size_t next_line(std::string_view text, size_t at) {
  const size_t end = text.find("\r\n", at);
  return end == std::string_view::npos ? text.size() : end + 2;
}

// Behind the field that begins at `at`, its folded lines included.
size_t next_field(std::string_view text, size_t at) {
  do {
    at = next_line(text, at);
  } while (at < text.size() && is_blank(text[at]));
  return at;
}

bool is_name_char(char c) {
  return c > ' ' && c < 0x7f && c != ':';
}

HeaderField split(std::string_view whole) {
  HeaderField field{{}, whole, whole};
  if (field.value.ends_with("\r\n")) field.value.remove_suffix(2);
  const auto colon = std::find_if_not(whole.begin(), whole.end(), is_name_char);
  if (colon == whole.begin() || colon == whole.end() || *colon != ':') return field;
  field.name = whole.substr(0, static_cast<size_t>(colon - whole.begin()));
  field.value.remove_prefix(std::min(field.value.size(), field.name.size() + 1));
  while (!field.value.empty() && is_blank(field.value.front())) field.value.remove_prefix(1);
  return field;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

bool is_header_fields(std::string_view text) {
  bool first = true;
  while (!text.empty()) {
    const size_t end = text.find('\r');
    if (end == std::string_view::npos || text.substr(end, 2) != "\r\n") return false;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    if (line.find_first_of(std::string_view("\n\0", 2)) != std::string_view::npos) return false;
    if (!first && !line.empty() && is_blank(line.front())) continue;
    first = false;
    const size_t name = line.find(':');
    if (name == 0 || name == std::string_view::npos) return false;
    if (!std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(name), is_name_char))
      return false;
  }
  return !first;
}

bool is_one_field(std::string_view text) {
  return is_header_fields(text) && next_field(text, 0) == text.size();
}

std::optional<std::string> HeaderFields::read(const message::Message& message) {
  std::string text;
  for (;;) {
    // The empty line may begin at the very start, or behind a line end that is there already.
    if (text.starts_with("\r\n")) return std::string();
    if (const size_t end = text.find("\r\n\r\n"); end != std::string::npos) {
      text.resize(end + 2);
      return text.size() > kLargest ? std::nullopt : std::optional(std::move(text));
    }
    if (text.size() > kLargest) return std::nullopt;
    const size_t before = text.size();
    text.resize(before + kPiece);
    const int64_t count = message.read(before, text.data() + before, kPiece);
    if (count < 0) return std::nullopt;
    text.resize(before + static_cast<size_t>(count));
    if (count == 0) return text;
  }
}

HeaderFields::HeaderFields(std::string text) : text_(std::move(text)) {
  const std::string_view all(text_);
  for (size_t at = 0; at < all.size();) {
    const size_t next = next_field(all, at);
    fields_.push_back(split(all.substr(at, next - at)));
    at = next;
  }
}

std::optional<uint64_t> HeaderFields::find(std::string_view name, uint64_t from) const {
  for (uint64_t i = from; i < fields_.size(); ++i) {
    if (std::equal(name.begin(), name.end(), fields_[i].name.begin(), fields_[i].name.end(),
                   [](char a, char b) { return lower(a) == lower(b); }))
      return i;
  }
  return std::nullopt;
}

std::string HeaderEdits::apply(const HeaderFields& header) const {
  std::string out;
  const auto& fields = header.fields();
  for (uint64_t i = 0; i <= fields.size(); ++i) {
    if (const auto found = inserted.find(i); found != inserted.end()) {
      for (const std::string& field : found->second) {
        // The last line may have come without its line end.
        if (!out.empty() && !out.ends_with("\r\n")) out += "\r\n";
        out += field;
      }
    }
    if (i == fields.size()) break;
    const auto found = changed.find(i);
    out += found == changed.end() ? fields[i].whole : std::string_view(found->second);
  }
  return out;
}

}  // namespace lsmtpd::plugin
