// SPDX-License-Identifier: Apache-2.0
#include "message/traceparent.hpp"

#include <algorithm>

#include "base/uuid.hpp"

namespace lsmtpd::message {
namespace {

// "00-" 32 digits "-" 16 digits "-" 2 digits
constexpr size_t kVersion = 2;
constexpr size_t kTraceId = 32;
constexpr size_t kParentId = 16;
constexpr size_t kFlags = 2;
constexpr size_t kSize = kVersion + 1 + kTraceId + 1 + kParentId + 1 + kFlags;
constexpr unsigned kKnownFlags = 3;  // sampled, and random-trace-id

constexpr std::string_view kDigits = "0123456789abcdef";

// Takes so many digits from the front, upper case being none. Empty: there are not so many.
std::string_view take_digits(std::string_view& text, size_t count) {
  const std::string_view digits = text.substr(0, count);
  if (digits.size() < count || digits.find_first_not_of(kDigits) != std::string_view::npos)
    return {};
  text.remove_prefix(count);
  return digits;
}

bool take_dash(std::string_view& text) {
  if (!text.starts_with('-')) return false;
  text.remove_prefix(1);
  return true;
}

bool is_zero(std::string_view digits) {
  return digits.find_first_not_of('0') == std::string_view::npos;
}

unsigned value_of(std::string_view digits) {
  unsigned value = 0;
  for (const char c : digits) value = value * 16 + static_cast<unsigned>(kDigits.find(c));
  return value;
}

std::string write(std::string_view trace, std::string_view parent, unsigned flags) {
  std::string out;
  out.reserve(kSize);
  out.append("00-").append(trace).append("-").append(parent).append("-");
  out += kDigits[flags / 16];
  out += kDigits[flags % 16];
  return out;
}

std::string digits_of(std::string_view uuid) {
  std::string digits(uuid);
  digits.erase(std::remove(digits.begin(), digits.end(), '-'), digits.end());
  return digits;
}

}  // namespace

std::optional<std::string> parse_traceparent(std::string_view value) {
  const std::string_view version = take_digits(value, kVersion);
  if (version.empty() || version == "ff" || !take_dash(value)) return std::nullopt;
  const std::string_view trace = take_digits(value, kTraceId);
  if (is_zero(trace) || !take_dash(value)) return std::nullopt;
  const std::string_view parent = take_digits(value, kParentId);
  if (is_zero(parent) || !take_dash(value)) return std::nullopt;
  const std::string_view flags = take_digits(value, kFlags);
  // A later version may have more behind another dash.
  if (flags.empty() || (!value.empty() && (version == "00" || value.front() != '-')))
    return std::nullopt;
  return write(trace, parent, value_of(flags) & kKnownFlags);
}

std::string new_traceparent(std::string_view id) {
  return write(digits_of(id), digits_of(new_uuid()).substr(0, kParentId), kKnownFlags);
}

void set_traceparent(Message& message, std::string value) {
  auto annotations = std::make_shared<Annotations>();
  if (message.annotations) *annotations = *message.annotations;
  annotations->insert_or_assign(std::string(kTraceparent), std::move(value));
  message.annotations = std::move(annotations);
}

std::string_view traceparent_of(const Message& message) {
  if (!message.annotations) return {};
  const auto found = message.annotations->find(kTraceparent);
  return found == message.annotations->end() ? std::string_view() : found->second;
}

}  // namespace lsmtpd::message
