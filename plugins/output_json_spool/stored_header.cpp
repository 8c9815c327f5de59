// SPDX-License-Identifier: Apache-2.0
#include "stored_header.hpp"

#include <algorithm>

namespace lsmtpd::json_spool {
namespace {

char small(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same(char a, char b) {
  return small(a) == small(b);
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// True if `line` begins with the field's name and a colon; `line` is its value then.
bool take_name(std::string_view& line, std::string_view name) {
  if (line.size() <= name.size()) return false;
  if (!std::equal(name.begin(), name.end(), line.begin(), same)) return false;
  std::size_t colon = name.size();
  while (colon < line.size() && (line[colon] == ' ' || line[colon] == '\t')) ++colon;
  if (colon == line.size() || line[colon] != ':') return false;
  line.remove_prefix(colon + 1);
  return true;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string_view next_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

}  // namespace

std::string header_field(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    std::string_view line = next_line(header);
    if (trimmed(line).empty()) break;
    if (!take_name(line, name)) continue;
    std::string value(trimmed(line));
    while (!header.empty() && (header.front() == ' ' || header.front() == '\t')) {
      const std::string_view more = trimmed(next_line(header));
      if (more.empty()) break;
      if (!value.empty()) value += ' ';
      value += more;
    }
    return value;
  }
  return {};
}

bool contains_text(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end() ||
         part.empty();
}

// Goes back to the last "*" where what follows it does not fit: linear in practice, and never worse
// than the product of both lengths.
bool matches_pattern(std::string_view text, std::string_view pattern) {
  std::size_t at = 0;
  std::size_t in_pattern = 0;
  std::size_t star = std::string_view::npos;
  std::size_t from = 0;
  while (at < text.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      star = in_pattern++;
      from = at;
    } else if (in_pattern < pattern.size() && same(pattern[in_pattern], text[at])) {
      ++in_pattern;
      ++at;
    } else if (star != std::string_view::npos) {
      in_pattern = star + 1;
      at = ++from;
    } else {
      return false;
    }
  }
  while (in_pattern < pattern.size() && pattern[in_pattern] == '*') ++in_pattern;
  return in_pattern == pattern.size();
}

std::string in_small_letters(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), small);
  return out;
}

}  // namespace lsmtpd::json_spool
