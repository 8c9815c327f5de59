// SPDX-License-Identifier: Apache-2.0
#include "rate.hpp"

#include <array>
#include <charconv>

namespace lsmtpd::rate {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};
constexpr std::array<Unit, 5> kSizes = {
    {{"", 1}, {"B", 1}, {"KiB", 1024.0}, {"MiB", 1024.0 * 1024}, {"GiB", 1024.0 * 1024 * 1024}}};
constexpr std::array<Unit, 5> kTimes = {
    {{"ms", 1}, {"s", 1000}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}}};

constexpr uint64_t kLargest = uint64_t{1} << 50;  // a double counts to it one by one

// A whole number from 1 on, and its unit.
template <size_t count>
std::optional<double> parse(std::string_view text, const std::array<Unit, count>& units) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number == 0 || number > kLargest) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  for (const Unit& each : units)
    if (each.name == unit) return static_cast<double>(number) * each.factor;
  return std::nullopt;
}

}  // namespace

std::optional<double> parse_amount(std::string_view text, bool bytes) {
  static constexpr std::array<Unit, 1> kNone = {{{"", 1}}};
  return bytes ? parse(text, kSizes) : parse(text, kNone);
}

std::optional<Rate> parse_rate(std::string_view text, bool bytes, std::string& problem) {
  const size_t slash = text.find('/');
  const auto amount = parse_amount(text.substr(0, slash), bytes);
  const auto period =
      slash == std::string_view::npos ? std::nullopt : parse(text.substr(slash + 1), kTimes);
  if (!amount || !period) {
    problem = "\"" + std::string(text) + "\" is no rate; write " +
              (bytes ? "\"10MiB/1h\": bytes (KiB, MiB, GiB) and a time (s, m, h, d)"
                     : "\"100/1h\": a number and a time (s, m, h, d)");
    return std::nullopt;
  }
  return Rate{*amount, *period};
}

}  // namespace lsmtpd::rate
