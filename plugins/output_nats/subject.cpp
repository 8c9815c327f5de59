// SPDX-License-Identifier: Apache-2.0
#include "subject.hpp"

#include <algorithm>

namespace lsmtpd::nats {

namespace {

bool is_plain(char c) {
  return c > 0x20 && c < 0x7f;
}

// `rest`: after its dot.
std::string_view first_token(std::string_view text, std::string_view* rest) {
  const auto dot = text.find('.');
  *rest = dot == text.npos ? std::string_view() : text.substr(dot + 1);
  return text.substr(0, dot);
}

bool has_more(std::string_view text, std::string_view token) {
  return text.size() > token.size();
}

}  // namespace

std::string subject_fault(std::string_view subject) {
  if (subject.empty()) return "is empty";
  if (subject.size() > kLongestSubject)
    return "is longer than " + std::to_string(kLongestSubject) + " octets";
  if (!std::all_of(subject.begin(), subject.end(), is_plain))
    return "has a space, or a character that is not printable ASCII";
  if (subject.find_first_of("*>") != subject.npos) return "has a wildcard";
  if (subject.front() == '.' || subject.back() == '.' || subject.find("..") != subject.npos)
    return "has an empty token";
  return {};
}

bool subject_matches(std::string_view pattern, std::string_view subject) {
  for (;;) {
    std::string_view pattern_rest;
    std::string_view subject_rest;
    const std::string_view wanted = first_token(pattern, &pattern_rest);
    const std::string_view token = first_token(subject, &subject_rest);
    if (wanted == ">") return true;
    if (wanted != "*" && wanted != token) return false;
    const bool more = has_more(subject, token);
    if (has_more(pattern, wanted) != more) return false;
    if (!more) return true;
    pattern = pattern_rest;
    subject = subject_rest;
  }
}

bool is_stream_name(std::string_view name) {
  return !name.empty() && name.size() <= 255 && std::all_of(name.begin(), name.end(), is_plain) &&
         name.find_first_of(".*>/\\") == name.npos;
}

}  // namespace lsmtpd::nats
