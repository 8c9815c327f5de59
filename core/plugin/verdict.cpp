// SPDX-License-Identifier: Apache-2.0
#include "plugin/verdict.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace lsmtpd::plugin {

namespace {

constexpr size_t kLongestLine = 200;
constexpr size_t kMostLines = 8;

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
    case LSMTPD_ACCEPT:
      return Kind::accept;
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

std::string safe_line(std::string_view text) {
  std::string line(text.substr(0, kLongestLine));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  }
  return line;
}

// Lines end with LF or CRLF; the last may have no end. Nothing else becomes a line end of the
// reply.
std::string safe_lines(std::string_view text) {
  std::string lines;
  for (size_t count = 0; count < kMostLines && !text.empty(); ++count) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (count != 0) lines += '\n';
    lines += safe_line(line);
  }
  return lines;
}

}  // namespace

Verdict Verdict::from(const lsmtpd_verdict* v) {
  if (!v || v->size < offsetof(lsmtpd_verdict, code)) return make(Kind::tempfail, "no verdict");
  Verdict verdict;
  verdict.kind = kind_of(v->kind);
  if (v->kind < LSMTPD_CONTINUE || v->kind > LSMTPD_ACCEPT)
    verdict.nonsense = "a kind that is none";
  if (v->size < offsetof(lsmtpd_verdict, flags)) return verdict;
  const int klass = verdict.kind == Kind::reject ? 5 : verdict.kind == Kind::tempfail ? 4 : 2;
  if (klass != 2 && v->code / 100 == static_cast<uint32_t>(klass))
    verdict.code = static_cast<int>(v->code);
  if (klass != 2 && v->code != 0 && verdict.code == 0)
    verdict.nonsense = "a reply code of another class";
  if (v->size < offsetof(lsmtpd_verdict, detail) + sizeof(v->detail)) return verdict;
  verdict.in_doubt = verdict.kind == Kind::tempfail && (v->flags & LSMTPD_IN_DOUBT);
  verdict.cause_passes = verdict.in_doubt && (v->flags & LSMTPD_CAUSE_PASSES);
  verdict.unknown_user = verdict.kind == Kind::reject && (v->flags & LSMTPD_UNKNOWN_USER);
  if (klass != 2 && is_enhanced(view(v->enhanced), static_cast<char>('0' + klass))) {
    verdict.enhanced = view(v->enhanced);
  } else if (klass != 2 && v->enhanced.size != 0 && verdict.nonsense == nullptr) {
    verdict.nonsense = "an enhanced code that is none, or of another class";
  }
  verdict.text = safe_lines(view(v->text));
  verdict.detail = view(v->detail);
  return verdict;
}

}  // namespace lsmtpd::plugin
