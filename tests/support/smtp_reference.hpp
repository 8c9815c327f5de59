// SPDX-License-Identifier: Apache-2.0
// The reference of the data scanner, in the simplest code: the whole input at once, one octet after
// the other.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace lsmtpd::test {

struct Content {
  enum class Fault { none, bare_cr, bare_lf, nul_dot };
  std::string body = {};       // meaningless with a fault
  Fault fault = Fault::none;   // the first one
  std::string_view rest = {};  // what follows the end
};

inline bool is_nul_dot_line(std::string_view line) {
  size_t dots = 0;
  for (const char c : line) {
    if (c == '.')
      ++dots;
    else if (c != '\0')
      return false;
  }
  return dots == 1 && line.size() > 1;
}

// The first bare CR or LF, or line of one dot and NULs, in content that ends with a line end (or is
// empty).
inline Content::Fault first_fault(std::string_view raw, bool bare_lf_allowed, bool dots) {
  std::string_view line = raw.substr(0, 0);
  size_t line_start = 0;
  for (size_t i = 0; i < raw.size(); ++i) {
    line = raw.substr(line_start, i - line_start);
    if (raw[i] != '\r' && raw[i] != '\n') continue;
    if (dots && is_nul_dot_line(line)) return Content::Fault::nul_dot;
    if (raw[i] == '\r' && i + 1 < raw.size() && raw[i + 1] == '\n')
      ++i;
    else if (raw[i] == '\r')
      return Content::Fault::bare_cr;
    else if (!bare_lf_allowed)
      return Content::Fault::bare_lf;
    line_start = i + 1;
  }
  return Content::Fault::none;
}

inline std::string normalized(std::string_view raw) {
  std::string out;
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '\n' && (i == 0 || raw[i - 1] != '\r')) out += '\r';
    out += raw[i];
  }
  return out;
}

inline std::string unstuffed(std::string_view raw) {
  std::string out;
  bool at_line_start = true;
  for (size_t i = 0; i < raw.size(); ++i) {
    if (at_line_start && raw[i] == '.') {
      at_line_start = false;
      continue;
    }
    out += raw[i];
    at_line_start = i > 0 && raw[i] == '\n' && raw[i - 1] == '\r';
  }
  return out;
}

// `raw` is what follows the 354. Nothing: the end has not come yet.
inline std::optional<Content> read_data(std::string_view raw, bool normalize) {
  const std::string framed = "\r\n" + std::string(raw);
  const size_t end = framed.find("\r\n.\r\n");
  if (end == std::string::npos) return std::nullopt;
  const std::string_view lines = raw.substr(0, end);  // the last CRLF included, the one before not
  Content content;
  content.rest = raw.substr(end + 3);
  content.fault = first_fault(lines, normalize, true);
  content.body = unstuffed(normalize ? normalized(lines) : std::string(lines));
  return content;
}

// `raw` is all chunks together.
inline Content read_chunks(std::string_view raw, bool normalize, bool binary) {
  Content content;
  if (!binary) content.fault = first_fault(raw, normalize, false);
  content.body = normalize && !binary ? normalized(raw) : std::string(raw);
  return content;
}

}  // namespace lsmtpd::test
