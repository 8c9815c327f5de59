// SPDX-License-Identifier: Apache-2.0
#include "action.hpp"

#include <algorithm>
#include <array>

namespace lsmtpd::policy {
namespace {

using Kind = Action::Kind;

constexpr size_t kLongestLine = 998;

struct Word {
  std::string_view word;
  Kind kind;
};
// DEFER_IF_PERMIT is a DEFER, since nothing that follows could change it for the worse; a
// DEFER_IF_REJECT only matters where a later filter refuses, which then counts.
constexpr std::array<Word, 11> kWords = {{
    {"dunno", Kind::proceed},
    {"ok", Kind::accept},
    {"permit", Kind::accept},
    {"reject", Kind::reject},
    {"defer", Kind::tempfail},
    {"defer_if_permit", Kind::tempfail},
    {"defer_if_reject", Kind::proceed},
    {"prepend", Kind::prepend},
    {"discard", Kind::discard},
    {"warn", Kind::note},
    {"info", Kind::note},
}};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

std::string_view first_word(std::string_view text) {
  return text.substr(0, text.find_first_of(" \t"));
}

bool is_digits(std::string_view word) {
  return !word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos;
}

// RFC 3463, of the class `digit`: "5.7.1".
bool is_enhanced(std::string_view word, char digit) {
  size_t dots = 0;
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] == '.') {
      if (i == 0 || i + 1 == word.size() || word[i - 1] == '.') return false;
      ++dots;
    } else if (word[i] < '0' || word[i] > '9') {
      return false;
    }
  }
  return dots == 2 && word[0] == digit && word[1] == '.';
}

void take_reply(std::string_view rest, char digit, Action& action) {
  const std::string_view word = first_word(rest);
  if (is_enhanced(word, digit)) {
    action.enhanced = word;
    rest = trimmed(rest.substr(word.size()));
  }
  action.text = rest;
}

}  // namespace

Action parse_action(std::string_view text) {
  Action action;
  text = trimmed(text);
  const std::string_view first = first_word(text), rest = trimmed(text.substr(first.size()));
  if (is_digits(first)) {
    if (first.size() == 3 && (first[0] == '4' || first[0] == '5')) {
      action.kind = first[0] == '4' ? Kind::tempfail : Kind::reject;
      action.code =
          static_cast<uint32_t>((first[0] - '0') * 100 + (first[1] - '0') * 10 + (first[2] - '0'));
      take_reply(rest, first[0], action);
    } else if (rest.empty()) {
      action.kind = Kind::accept;  // access(5): "all-numerical" is OK
    } else {
      action.text = text;
    }
    return action;
  }
  std::string word(first);
  std::transform(word.begin(), word.end(), word.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const auto* found = std::find_if(kWords.begin(), kWords.end(),
                                   [&](const Word& each) { return each.word == word; });
  if (found == kWords.end()) {
    action.text = text;
    return action;
  }
  action.kind = found->kind;
  if (action.kind == Kind::reject || action.kind == Kind::tempfail)
    take_reply(rest, action.kind == Kind::reject ? '5' : '4', action);
  else
    action.text = rest;
  return action;
}

std::string header_field(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0) return {};
  for (const char c : text.substr(0, colon))
    if (c <= 32 || c >= 127) return {};
  std::string out;
  for (const char c : text)
    out += (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f ? '?' : c;
  size_t line = 0;
  while (out.size() - line > kLongestLine) {
    const size_t blank = out.find_last_of(" \t", line + kLongestLine);
    // A fold within the blanks behind the colon would make a line of blanks.
    if (blank == std::string::npos || blank <= line + 1 || blank <= colon + 1) return {};
    out.insert(blank, "\r\n");
    line = blank + 2;
  }
  return out + "\r\n";
}

}  // namespace lsmtpd::policy
