// SPDX-License-Identifier: Apache-2.0
#include "mail_json/timestamp.hpp"

#include <charconv>
#include <ctime>

namespace lsmtpd::mail_json {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
// The range of nanoseconds in 64 bits, in whole years: 1700 to 2200.
constexpr std::int64_t kEarliest = -8'520'336'000;
constexpr std::int64_t kLatest = 7'258'118'400;

// Takes exactly `digits` digits off the front.
std::optional<int> take(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
  if (error != std::errc() || end != text.data() + digits || value < 0) return std::nullopt;
  text.remove_prefix(digits);
  return value;
}

bool skip(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::int64_t> take_fraction(std::string_view& text) {
  if (!skip(text, '.')) return 0;
  std::int64_t ns = 0;
  std::int64_t unit = kSecond;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    unit /= 10;
    ns += (text[0] - '0') * unit;
    text.remove_prefix(1);
  }
  if (unit == kSecond) return std::nullopt;
  return ns;
}

std::optional<std::int64_t> take_offset(std::string_view& text) {
  if (skip(text, 'Z') || skip(text, 'z')) return 0;
  const bool west = skip(text, '-');
  if (!west && !skip(text, '+')) return std::nullopt;
  const auto hours = take(text, 2);
  if (!hours || *hours > 23 || !skip(text, ':')) return std::nullopt;
  const auto minutes = take(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  const std::int64_t seconds = *hours * 3600 + *minutes * 60;
  return west ? -seconds : seconds;
}

// Writes the last `digits` digits of `value` to `at`.
void put(std::string& text, std::size_t at, std::size_t digits, int value) {
  for (; digits > 0; value /= 10) text[at + --digits] = static_cast<char>('0' + value % 10);
}

}  // namespace

std::string format_timestamp(std::int64_t ns) {
  std::int64_t second = ns / kSecond;
  std::int64_t rest = ns % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --second;
  }
  std::tm utc{};
  const std::time_t time = second;
  gmtime_r(&time, &utc);
  std::string text = "0000-00-00T00:00:00.000000000+00:00";
  put(text, 0, 4, utc.tm_year + 1900);
  put(text, 5, 2, utc.tm_mon + 1);
  put(text, 8, 2, utc.tm_mday);
  put(text, 11, 2, utc.tm_hour);
  put(text, 14, 2, utc.tm_min);
  put(text, 17, 2, utc.tm_sec);
  put(text, 20, 9, static_cast<int>(rest));
  return text;
}

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  std::tm utc{};
  const auto year = take(text, 4);
  if (!year || !skip(text, '-')) return std::nullopt;
  const auto month = take(text, 2);
  if (!month || *month < 1 || *month > 12 || !skip(text, '-')) return std::nullopt;
  const auto day = take(text, 2);
  if (!day || *day < 1 || *day > 31) return std::nullopt;
  if (!skip(text, 'T') && !skip(text, 't') && !skip(text, ' ')) return std::nullopt;
  const auto hour = take(text, 2);
  if (!hour || *hour > 23 || !skip(text, ':')) return std::nullopt;
  const auto minute = take(text, 2);
  if (!minute || *minute > 59 || !skip(text, ':')) return std::nullopt;
  const auto second = take(text, 2);
  if (!second || *second > 60) return std::nullopt;
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  const auto offset = take_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  utc.tm_year = *year - 1900;
  utc.tm_mon = *month - 1;
  utc.tm_mday = *day;
  utc.tm_hour = *hour;
  utc.tm_min = *minute;
  utc.tm_sec = *second;
  const std::int64_t seconds = timegm(&utc) - *offset;
  if (seconds < kEarliest || seconds >= kLatest) return std::nullopt;
  return seconds * kSecond + *fraction;
}

}  // namespace lsmtpd::mail_json
