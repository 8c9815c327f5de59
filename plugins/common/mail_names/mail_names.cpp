// SPDX-License-Identifier: Apache-2.0
#include "mail_names.hpp"

#include <idn2.h>

#include <algorithm>

namespace lsmtpd::mail_names {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

// RFC 5321 4.1.2, Dot-string; octets beyond ASCII are RFC 6531's.
bool is_dot_string(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-/=?^_`{|}~";
  if (text.empty() || text.front() == '.' || text.back() == '.' ||
      text.find("..") != std::string_view::npos)
    return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '.' || (c & 0x80) != 0 ||
           kOthers.find(c) != std::string_view::npos;
  });
}

std::string unquoted(std::string_view local) {
  std::string out;
  const std::string_view inside = local.substr(1, local.size() - 2);
  for (size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] == '\\' && i + 1 < inside.size()) ++i;
    out += inside[i];
  }
  return out;
}

}  // namespace

std::string normal_domain(std::string_view domain) {
  if (!domain.empty() && domain.back() == '.') domain.remove_suffix(1);
  std::string out(domain);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  // A name has at most 255 octets; libidn2 need not look at more.
  if (is_ascii(out) || out.size() > 255 || out.find('\0') != std::string::npos) return out;
  char* labels = nullptr;
  const int status = idn2_to_ascii_8z(out.c_str(), &labels, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  if (status == IDN2_OK) {
    out = labels;
    std::transform(out.begin(), out.end(), out.begin(), lower);
  }
  idn2_free(labels);
  return out;
}

std::string normal_local(std::string_view local) {
  std::string out(local);
  if (local.size() >= 2 && local.front() == '"' && local.back() == '"') {
    const std::string inside = unquoted(local);
    if (is_dot_string(inside)) out = inside;
  }
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

Address normal_address(std::string_view path) {
  if (path.empty()) return {{}, {}, true};
  const size_t at = path.rfind('@');
  if (at == std::string_view::npos) return {normal_local(path), {}, false};
  return {normal_local(path.substr(0, at)), normal_domain(path.substr(at + 1)), false};
}

std::string joined(const Address& address) {
  if (address.null || address.domain.empty()) return address.local;
  return address.local + "@" + address.domain;
}

}  // namespace lsmtpd::mail_names
