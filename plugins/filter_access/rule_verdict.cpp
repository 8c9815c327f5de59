// SPDX-License-Identifier: Apache-2.0
#include "rule_verdict.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace lsmtpd::access {
namespace {

using Action = Verdict::Action;

constexpr std::array<std::string_view, 5> kWords = {"accept", "continue", "reject", "tempfail",
                                                    "annotate"};

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos
             ? std::string_view()
             : text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find_first_of(" \t"));
  text = trimmed(text.substr(word.size()));
  return word;
}

bool is_code(std::string_view word) {
  return word.size() == 3 && word.find_first_not_of("0123456789") == std::string_view::npos;
}

// RFC 3463: class, subject, detail.
bool is_enhanced(std::string_view word) {
  size_t dots = 0;
  for (size_t i = 0; i < word.size(); ++i) {
    const bool dot = word[i] == '.';
    if (!dot && (word[i] < '0' || word[i] > '9')) return false;
    if (dot && (i == 0 || i + 1 == word.size() || word[i - 1] == '.')) return false;
    dots += dot;
  }
  return dots == 2 && word[1] == '.';
}

std::string take_reply(std::string_view rest, Verdict& verdict) {
  const char wanted = verdict.action == Action::reject ? '5' : '4';
  const std::string name(word_of(verdict.action));
  if (const std::string_view word = rest.substr(0, rest.find_first_of(" \t")); is_code(word)) {
    if (word[0] != wanted)
      return name + " takes a code that begins with " + wanted + ", not " + std::string(word);
    std::from_chars(word.data(), word.data() + word.size(), verdict.code);
    take_word(rest);
  }
  if (const std::string_view word = rest.substr(0, rest.find_first_of(" \t")); is_enhanced(word)) {
    if (word[0] != wanted)
      return name + " takes an enhanced code that begins with " + wanted + ", not " +
             std::string(word);
    verdict.enhanced = word;
    take_word(rest);
  }
  verdict.text = rest;
  return {};
}

}  // namespace

std::string_view word_of(Action action) {
  return kWords[static_cast<size_t>(action)];
}

std::string parse_verdict(std::string_view text, Verdict& verdict) {
  verdict = {};
  std::string_view rest = trimmed(text);
  std::string word(take_word(rest));
  std::transform(word.begin(), word.end(), word.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const auto* found = std::find(kWords.begin(), kWords.end(), word);
  if (found == kWords.end())
    return "\"" + word +
           "\" is no verdict; there are: accept, continue, reject, tempfail, annotate";
  verdict.action = static_cast<Action>(found - kWords.begin());
  if (verdict.action == Action::reject || verdict.action == Action::tempfail)
    return take_reply(rest, verdict);
  if (verdict.action == Action::annotate) {
    const size_t equals = rest.find('=');
    verdict.key = trimmed(rest.substr(0, equals));
    if (equals == std::string_view::npos || verdict.key.empty() ||
        verdict.key.find_first_of(" \t") != std::string::npos)
      return "annotate wants KEY=VALUE, as in: annotate list=partners";
    verdict.value = trimmed(rest.substr(equals + 1));
    return {};
  }
  return rest.empty() ? "" : word + " takes no more words";
}

}  // namespace lsmtpd::access
