// SPDX-License-Identifier: Apache-2.0
#include "list_text.hpp"

#include "rule_verdict.hpp"

namespace lsmtpd::access {
namespace {

constexpr std::string_view kBlanks = " \t";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

// Where the entry ends: at the first blank that is not within quotes, for "\"a b\"@example.org".
size_t end_of_entry(std::string_view text) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (!quoted && kBlanks.find(text[i]) != std::string_view::npos)
      return i;
  }
  return text.size();
}

}  // namespace

std::string ListText::line(std::string_view text) {
  ++number_;
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  text = trimmed(text);
  if (text.empty() || text.front() == '#') return {};
  const std::string mistake = take(text);
  return mistake.empty() ? mistake : "line " + std::to_string(number_) + ": " + mistake;
}

std::string ListText::take(std::string_view text) {
  const size_t end = end_of_entry(text);
  std::string problem;
  const auto pattern = parse_pattern(text.substr(0, end), problem);
  if (!pattern) return problem;
  const std::string_view value = trimmed(text.substr(end));
  if (!value.empty()) {
    Verdict verdict;
    problem = parse_verdict(value, verdict);
    if (!problem.empty()) return problem;
  }
  return builder_.add(*pattern, value);
}

std::string read_list(std::string_view text, ImageBuilder& builder) {
  ListText list(builder);
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string mistake = list.line(text.substr(0, end));
    if (!mistake.empty()) return mistake;
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return {};
}

}  // namespace lsmtpd::access
