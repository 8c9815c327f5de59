// SPDX-License-Identifier: Apache-2.0
#include "plugin/verdict.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace lsmtpd::plugin {

namespace {

constexpr size_t kLongestText = 200;

Kind kind_of(uint32_t kind) {
  switch (kind) {
    case LSMTPD_CONTINUE:
      return Kind::proceed;
    case LSMTPD_STORED:
      return Kind::stored;
    case LSMTPD_REJECT:
      return Kind::reject;
    case LSMTPD_DISCARD:
      return Kind::discard;
    default:
      return Kind::tempfail;
  }
}

// RFC 3463 2: class "." subject "." detail, each of the latter one to three digits.
bool is_enhanced(std::string_view code, char klass) {
  if (code.size() < 5 || code.size() > 9 || code[0] != klass || code[1] != '.') return false;
  const size_t dot = code.find('.', 2);
  if (dot == std::string_view::npos) return false;
  const auto number = [](std::string_view s) {
    return !s.empty() && s.size() <= 3 &&
           std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  return number(code.substr(2, dot - 2)) && number(code.substr(dot + 1));
}

std::string one_line(std::string_view text) {
  std::string line(text.substr(0, kLongestText));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  return line;
}

}  // namespace

Verdict Verdict::from(const lsmtpd_verdict* v) {
  if (!v || v->size < offsetof(lsmtpd_verdict, code)) return make(Kind::tempfail, "no verdict");
  Verdict verdict;
  verdict.kind = kind_of(v->kind);
  if (v->size < offsetof(lsmtpd_verdict, reserved)) return verdict;
  const int klass = verdict.kind == Kind::reject ? 5 : verdict.kind == Kind::tempfail ? 4 : 2;
  if (klass != 2 && v->code / 100 == static_cast<uint32_t>(klass))
    verdict.code = static_cast<int>(v->code);
  if (v->size < sizeof(lsmtpd_verdict)) return verdict;
  if (klass != 2 && is_enhanced(view(v->enhanced), static_cast<char>('0' + klass))) {
    verdict.enhanced = view(v->enhanced);
  }
  verdict.text = one_line(view(v->text));
  verdict.detail = view(v->detail);
  return verdict;
}

}  // namespace lsmtpd::plugin
