// SPDX-License-Identifier: Apache-2.0
#include "smtp/mailbox.hpp"

#include <idn2.h>

#include <algorithm>

#include "base/text.hpp"

namespace lsmtpd::smtp {
namespace {

constexpr std::string_view kPostmaster = "postmaster";
constexpr size_t kLongestName = 255;  // RFC 1035 2.3.4: libidn2 need not look at more

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

void make_lower(std::string& text) {
  std::transform(text.begin(), text.end(), text.begin(), lower);
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

// RFC 5321 4.1.2, Dot-string; octets beyond ASCII are RFC 6531's.
bool is_dot_string(std::string_view text) {
  constexpr std::string_view kOthers = ".!#$%&'*+-/=?^_`{|}~";
  if (text.empty() || text.front() == '.' || text.back() == '.' ||
      text.find("..") != std::string_view::npos)
    return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    const char l = lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || (c & 0x80) != 0 ||
           kOthers.find(c) != std::string_view::npos;
  });
}

std::string without_quotes(std::string_view local) {
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
  std::string out(domain);
  make_lower(out);
  if (is_ascii(out) || out.size() > kLongestName || out.find('\0') != std::string::npos) return out;
  char* labels = nullptr;
  const int status = idn2_to_ascii_8z(out.c_str(), &labels, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  if (status == IDN2_OK) {
    out = labels;
    make_lower(out);
  }
  idn2_free(labels);
  return out;
}

std::string normal_local(std::string_view local, LocalCase local_case) {
  std::string out(local);
  if (local.size() >= 2 && local.front() == '"' && local.back() == '"') {
    std::string inside = without_quotes(local);
    if (is_dot_string(inside)) out = std::move(inside);
  }
  if (local_case == LocalCase::ignored || equals_ignoring_case(out, kPostmaster)) make_lower(out);
  return out;
}

Mailbox normal_mailbox(std::string_view address, LocalCase local_case) {
  const size_t at = address.rfind('@');
  if (at == std::string_view::npos) return {normal_local(address, local_case), {}};
  return {normal_local(address.substr(0, at), local_case), normal_domain(address.substr(at + 1))};
}

bool is_postmaster(std::string_view address) {
  const std::string_view local = address.substr(0, address.rfind('@'));
  return normal_local(local, LocalCase::ignored) == kPostmaster;
}

}  // namespace lsmtpd::smtp
