// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <vector>

namespace lsmtpd {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// Largest first, so that the first one that divides a value without rest is the shortest to read.
constexpr std::array<Unit, 5> kSizeUnits{
    {{"TiB", 1ull << 40}, {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1}}};
constexpr std::array<Unit, 5> kDurationUnits{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Splits "10MiB" into 10 and "MiB". False: no digits, or more than 64 bits of them.
bool split_number(std::string_view text, uint64_t& number, std::string_view& unit) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{}) return false;
  unit = std::string_view(rest, static_cast<size_t>(end - rest));
  return true;
}

template <size_t N>
const Unit* find_unit(const std::array<Unit, N>& units, std::string_view name) {
  const auto found =
      std::find_if(units.begin(), units.end(), [&](const Unit& unit) { return unit.name == name; });
  return found == units.end() ? nullptr : &*found;
}

template <size_t N>
std::string format_with(const std::array<Unit, N>& units, uint64_t value) {
  const auto unit = std::find_if(units.begin(), units.end(),
                                 [&](const Unit& u) { return value % u.factor == 0; });
  return fmt::format("{}{}", value / unit->factor, unit->name);
}

bool fits(uint64_t number, const Unit& unit) {
  return number <= std::numeric_limits<uint64_t>::max() / unit.factor;
}

// Optimal string alignment: insertions, deletions, replacements and swapped neighbours cost one;
// upper against lower case costs nothing.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                           lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(above);
    above.swap(row);
  }
  return above[b.size()];
}

// Valid UTF-8 sequences that a terminal or a viewer acts on: the C1 controls, line and paragraph
// separators, invisible characters, and marks that change the writing direction.
bool is_control_sequence(std::string_view sequence) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(sequence[i]); };
  if (sequence.size() == 2) return byte(0) == 0xc2 && byte(1) < 0xa0;
  if (sequence.size() != 3) return false;
  if (byte(0) == 0xef) return byte(1) == 0xbb && byte(2) == 0xbf;  // U+FEFF
  if (byte(0) != 0xe2) return false;
  return (byte(1) == 0x80 && byte(2) >= 0x8b && byte(2) <= 0x8f) ||  // U+200B to U+200F
         (byte(1) == 0x80 && byte(2) >= 0xa8 && byte(2) <= 0xae) ||
         (byte(1) == 0x81 && byte(2) >= 0xa0 && byte(2) <= 0xa9);  // U+2060 too
}

// The octets that escape_for_log() leaves unchanged. A table, because each log line is checked
// here.
constexpr std::array<bool, 256> kPlainOctets = [] {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 0x7f; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

void append_hex(std::string& out, std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += "\\x";
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char left, char right) {
           return left == right || lower(left) == lower(right);
         });
}

std::string to_upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

Result<uint64_t> parse_size(std::string_view text) {
  uint64_t number = 0;
  std::string_view name;
  const bool split = split_number(text, number, name);
  const Unit* unit = find_unit(kSizeUnits, name.empty() ? "B" : name);
  if (!split || !unit) {
    return fail(
        "\"{}\" is not a size: write a number and B, KiB, MiB, GiB or TiB, such as \"10MiB\"",
        escape_for_log(text));
  }
  if (!fits(number, *unit)) return fail("\"{}\" is more than a size can be", escape_for_log(text));
  return number * unit->factor;
}

std::string format_size(uint64_t bytes) {
  return bytes == 0 ? "0B" : format_with(kSizeUnits, bytes);
}

Result<uint64_t> parse_duration(std::string_view text) {
  uint64_t number = 0;
  std::string_view name;
  const bool split = split_number(text, number, name);
  if (split && number == 0 && name.empty()) return uint64_t{0};
  const Unit* unit = find_unit(kDurationUnits, name);
  if (!split || !unit) {
    return fail("\"{}\" is not a duration: write a number and ms, s, m, h or d, such as \"30s\"",
                escape_for_log(text));
  }
  if (!fits(number, *unit)) {
    return fail("\"{}\" is more than a duration can be", escape_for_log(text));
  }
  return number * unit->factor;
}

std::string format_duration(uint64_t milliseconds) {
  return milliseconds == 0 ? "0s" : format_with(kDurationUnits, milliseconds);
}

std::string_view nearest(std::string_view typed, std::span<const std::string_view> candidates) {
  std::string_view best;
  size_t best_distance = std::numeric_limits<size_t>::max();
  for (const std::string_view candidate : candidates) {
    const size_t longest = std::max(typed.size(), candidate.size());
    const size_t here = distance(typed, candidate);
    // A word with up to a third of its letters wrong is near; one with nothing in common is not.
    if (here > std::max<size_t>(1, longest / 3) || here >= longest) continue;
    if (here < best_distance) {
      best = candidate;
      best_distance = here;
    }
  }
  return best;
}

size_t plain_prefix(std::string_view text) {
  size_t length = 0;
  while (length < text.size() && kPlainOctets[static_cast<unsigned char>(text[length])]) ++length;
  return length;
}

std::string escape_for_log(std::string_view text) {
  std::string out;
  for (;;) {
    size_t length = plain_prefix(text);
    out += text.substr(0, length);  // nearly always the whole text
    text.remove_prefix(length);
    if (text.empty()) return out;
    length = utf8_sequence(text);
    const std::string_view sequence = text.substr(0, std::max<size_t>(1, length));
    if (length <= 1 || is_control_sequence(sequence)) {
      append_hex(out, sequence);
    } else {
      out += sequence;
    }
    text.remove_prefix(sequence.size());
  }
}

std::string escape_sentence(std::string_view text) {
  std::string out;
  for (size_t at = 0; at <= text.size();) {
    const size_t quote = std::min(text.find('"', at), text.size());
    out += escape_for_log(text.substr(at, quote - at));
    if (quote < text.size()) out += '"';
    at = quote + 1;
  }
  return out;
}

size_t utf8_sequence(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first < 0xc2   ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // The second byte's range rules out overlong forms, surrogates and code points past U+10FFFF.
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f)) return 0;
  if ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) return 0;
  return length;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = utf8_sequence(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace lsmtpd
