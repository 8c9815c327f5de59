// SPDX-License-Identifier: Apache-2.0
#include "config/stray.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace lsmtpd::config {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// The end of the string that begins at `at`. One that is not closed ends with its line, or the
// file.
size_t end_of_string(std::string_view text, size_t at) {
  const char quote = text[at];
  const std::string three(3, quote);
  const bool many_lines = text.substr(at, 3) == three;
  for (at += many_lines ? 3 : 1; at < text.size(); ++at) {
    if (text[at] == '\\' && quote == '"') {
      ++at;
    } else if (!many_lines && (text[at] == quote || text[at] == '\n')) {
      return at + 1;
    } else if (many_lines && text.substr(at, 3) == three) {
      at += 3;
      // Two more may stand before the closing three.
      for (int more = 0; more < 2 && at < text.size() && text[at] == quote; ++more) ++at;
      return at;
    }
  }
  return text.size();
}

// Calls `visit` with the place of each character outside of strings and comments until it returns
// true; returns that place, or npos.
template <class Visit>
size_t find_outside(std::string_view text, Visit visit) {
  size_t at = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  while (at < text.size()) {
    if (text[at] == '#') {
      at = std::min(text.find('\n', at), text.size());
    } else if (text[at] == '"' || text[at] == '\'') {
      at = end_of_string(text, at);
    } else if (visit(at)) {
      return at;
    } else {
      ++at;
    }
  }
  return std::string_view::npos;
}

// Lines and columns as toml++ counts them: in characters, and without the byte order mark.
Position position_of(std::string_view text, size_t at) {
  if (text.starts_with(kByteOrderMark)) {
    text.remove_prefix(kByteOrderMark.size());
    at -= kByteOrderMark.size();
  }
  Position position{1, 1};
  for (const char c : text.substr(0, at)) {
    if (c == '\n') {
      ++position.line;
      position.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
      ++position.column;
    }
  }
  return position;
}

std::string hint_for(std::string_view character) {
  if (character == "\xc2\xa0") return "a no-break space: write a plain one";
  const bool curly = character.starts_with("\xe2\x80") && character >= "\xe2\x80\x98" &&
                     character <= "\xe2\x80\x9f";
  return curly ? "write plain quotes: \"" : "put it in quotes";
}

}  // namespace

std::optional<Diagnostic> find_stray(std::string_view text) {
  const size_t at =
      find_outside(text, [text](size_t i) { return static_cast<unsigned char>(text[i]) >= 0x80; });
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view character = text.substr(at, utf8_sequence(text.substr(at)));
  if (character.empty()) return std::nullopt;
  return Diagnostic{false, position_of(text, at),
                    fmt::format("\"{}\" stands outside of quotes", escape_for_log(character)),
                    hint_for(character)};
}

std::optional<Diagnostic> find_nesting(std::string_view text) {
  size_t parts = 1, depth = 0;
  const auto too_deep = [&](size_t at) {
    switch (text[at]) {
      case '.':
        return ++parts > kMostNesting;
      case '[':
      case '{':
        parts = 1;
        return ++depth > kMostNesting;
      case ']':
      case '}':
        if (depth > 0) --depth;
        parts = 1;
        return false;
      case '\n':
      case ',':
      case '=':
        parts = 1;
        return false;
      default:
        return false;
    }
  };
  const size_t at = find_outside(text, too_deep);
  if (at == std::string_view::npos) return std::nullopt;
  return Diagnostic{false, position_of(text, at),
                    text[at] == '.'
                        ? fmt::format("a key has more than {} parts", kMostNesting)
                        : fmt::format("tables or lists are nested more than {} deep", kMostNesting),
                    "no setting needs that"};
}

}  // namespace lsmtpd::config
