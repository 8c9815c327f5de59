// SPDX-License-Identifier: Apache-2.0
#include "selection.hpp"

#include <algorithm>
#include <charconv>

#include "stored_header.hpp"

namespace lsmtpd::json_spool {
namespace {

bool address_matches(std::string_view address, std::string_view pattern) {
  if (pattern == "<>") return address.empty();
  if (pattern.size() >= 2 && pattern.front() == '<' && pattern.back() == '>')
    pattern = pattern.substr(1, pattern.size() - 2);
  if (pattern.find('@') != std::string_view::npos || pattern == "*")
    return matches_pattern(address, pattern);
  const std::size_t at = address.rfind('@');
  return at != std::string_view::npos && matches_pattern(address.substr(at + 1), pattern);
}

}  // namespace

bool Selection::matches(const Entry& entry, std::int64_t now_ns) const {
  if (older_ns > 0 && now_ns - entry.first_ns < older_ns) return false;
  if (!reason.empty() &&
      !contains_text(entry.problem.empty() ? entry.reason : entry.problem, reason))
    return false;
  if ((from + to + message_id + output).empty()) return true;
  if (!entry.problem.empty()) return false;
  const mail_json::StoredMail& mail = entry.mail;
  if (!from.empty() && !address_matches(mail.sender, from)) return false;
  const auto is_to = [&](const auto& recipient) { return address_matches(recipient.address, to); };
  if (!to.empty() && std::none_of(mail.recipients.begin(), mail.recipients.end(), is_to))
    return false;
  if (!output.empty() && mail.bookkeeping.target != output) return false;
  return message_id.empty() || contains_text(entry.message_id, message_id);
}

std::optional<std::int64_t> parse_age(std::string_view text) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  constexpr std::int64_t kLongest = 100'000'000;  // some 3 years, in seconds
  std::int64_t number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec != std::errc() || number <= 0) return std::nullopt;
  const std::string_view unit(end.ptr,
                              static_cast<std::size_t>(text.data() + text.size() - end.ptr));
  const std::int64_t seconds = unit == "s"   ? 1
                               : unit == "m" ? 60
                               : unit == "h" ? 3600
                               : unit == "d" ? 86400
                                             : 0;
  if (seconds == 0 || number > kLongest / seconds) return std::nullopt;
  return number * seconds * kSecond;
}

}  // namespace lsmtpd::json_spool
