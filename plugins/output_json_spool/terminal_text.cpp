// SPDX-License-Identifier: Apache-2.0
#include "terminal_text.hpp"

#include <cstdio>
#include <mail_json/utf8.hpp>

namespace lsmtpd::json_spool {
namespace {

using mail_json::Utf8;

// C1 controls, and the marks that change the direction of what follows.
bool hidden(std::string_view sequence) {
  if (sequence.size() == 2) return sequence[0] == '\xC2' && sequence[1] < '\xA0';
  if (sequence.size() != 3 || sequence[0] != '\xE2') return false;
  const auto last = static_cast<unsigned char>(sequence[2]);
  if (sequence[1] == '\x80') return last == 0x8E || last == 0x8F || (last >= 0xA8 && last <= 0xAE);
  return sequence[1] == '\x81' && last >= 0xA6 && last <= 0xA9;
}

bool printable(std::string_view sequence) {
  const auto byte = static_cast<unsigned char>(sequence[0]);
  return byte < 0x80 ? byte >= 0x20 && byte != 0x7F : !hidden(sequence);
}

void put_escaped(std::string& out, std::string_view bytes) {
  for (const char byte : bytes) {
    char hex[8];
    std::snprintf(hex, sizeof(hex), "\\x%02x",
                  static_cast<unsigned>(static_cast<unsigned char>(byte)));
    out += hex;
  }
}

std::string escaped(std::string_view text, std::string_view keep) {
  std::string out;
  while (!text.empty()) {
    const mail_json::Utf8Sequence next = mail_json::utf8_sequence(text);
    const std::string_view sequence = text.substr(0, next.length);
    const bool kept = keep.find(text[0]) != std::string_view::npos;
    if (next.kind == Utf8::valid && (kept || printable(sequence))) {
      out += sequence;
    } else {
      put_escaped(out, sequence);
    }
    text.remove_prefix(next.length);
  }
  return out;
}

}  // namespace

std::string terminal_text(std::string_view text) {
  return escaped(text, "");
}

std::string terminal_lines(std::string_view text) {
  std::string lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines += escaped(line, "\t");
    lines += '\n';
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

}  // namespace lsmtpd::json_spool
