// SPDX-License-Identifier: Apache-2.0
#include "answer_outcome.hpp"

#include <algorithm>

namespace lsmtpd::output_http {

namespace {

constexpr std::size_t kLongestText = 200;
constexpr std::int64_t kLongestPause = 3600;
constexpr long kTooLarge = 413;
constexpr const char* kNotAvailable = "Application not available";

sink::Outcome rejected(std::uint32_t code, const char* enhanced, std::string text,
                       std::string detail) {
  sink::Outcome outcome = sink::tempfail(code, enhanced, std::move(text), std::move(detail));
  outcome.kind = sink::Kind::rejected;
  return outcome;
}

sink::Outcome refusal_of(long status, std::string text, const std::string& detail) {
  if (status == kTooLarge)
    return rejected(552, "5.3.4", text.empty() ? "Message too large for the application" : text,
                    detail);
  const bool media = status == 406 || status == 415;
  return rejected(554, media ? "5.6.1" : "5.3.0",
                  text.empty() ? "Refused by the application" : text, detail);
}

// Those that pass by themselves; any other below 500 says that the request is wrong.
bool is_of_the_server(long status) {
  return status >= 500 || status == 408 || status == 425 || status == 429 || status == kTooLarge;
}

}  // namespace

std::string relayed(std::string_view body) {
  std::string_view line = body.substr(0, body.find_first_of("\r\n"));
  line = line.substr(0, kLongestText);
  const bool printable =
      std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  return printable ? std::string(line) : std::string();
}

Verdict outcome_of(const Answer& answer, const std::set<long>& refused, bool relay_text) {
  Verdict verdict;
  const std::string detail = "HTTP " + std::to_string(answer.status);
  if (answer.status >= 200 && answer.status <= 299) {
    verdict.outcome.kind = sink::Kind::stored;
    verdict.outcome.detail = detail;
    return verdict;
  }
  std::string text = relay_text ? relayed(answer.body) : std::string();
  // RFC 9110, 15.5.14: too large for now only.
  const bool passes = answer.status == kTooLarge && answer.retry_after > 0;
  if (refused.count(answer.status) != 0 && !passes) {
    verdict.outcome = refusal_of(answer.status, std::move(text), detail);
    return verdict;
  }
  verdict.outcome = sink::tempfail(451, "4.3.0", text.empty() ? kNotAvailable : text, detail);
  verdict.cause = is_of_the_server(answer.status) ? Cause::server : Cause::configuration;
  if (!passes) verdict.pause = std::clamp<std::int64_t>(answer.retry_after, 0, kLongestPause);
  return verdict;
}

sink::Outcome not_sent(std::string_view why) {
  return sink::tempfail(451, "4.4.1", kNotAvailable, std::string(why));
}

sink::Outcome lost(std::string_view why, bool cause_passes) {
  sink::Outcome outcome = sink::tempfail(451, "4.4.2", kNotAvailable,
                                         "sent, and no whole answer came: " + std::string(why));
  outcome.in_doubt = true;
  outcome.cause_passes = cause_passes;
  return outcome;
}

sink::Outcome too_large(std::uint64_t octets, std::uint64_t limit) {
  return rejected(
      552, "5.3.4", "Message too large for the application",
      std::to_string(octets) + " bytes as encoded, the server takes " + std::to_string(limit));
}

sink::Outcome leaves_path() {
  return rejected(550, "5.1.3", "Address not allowed",
                  "the URL would leave its folder: a segment is \".\" or \"..\"");
}

}  // namespace lsmtpd::output_http
