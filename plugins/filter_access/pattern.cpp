// SPDX-License-Identifier: Apache-2.0
#include "pattern.hpp"

#include <mail_names/mail_names.hpp>

#include <algorithm>

namespace lsmtpd::access {
namespace {

using Kind = Pattern::Kind;

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
}

// Digits, dots and colons only, or a slash: a network was meant.
bool looks_like_network(std::string_view text) {
  if (text.find('/') != std::string_view::npos) return true;
  if (text.find(':') != std::string_view::npos && text.front() != '[') return true;
  return text.find_first_not_of("0123456789.") == std::string_view::npos;
}

// The key of a domain, or of "*.domain".
bool take_domain(std::string_view text, Pattern& pattern, std::string& problem) {
  const bool below = text.substr(0, 2) == "*.";
  const std::string domain = mail_names::normal_domain(below ? text.substr(2) : text);
  if (domain.empty() || domain.front() == '.' || domain.find("..") != std::string::npos ||
      domain.find('*') != std::string::npos ||
      std::any_of(domain.begin(), domain.end(), is_control)) {
    problem =
        quoted(text) + " is no domain; a * may only stand before all of it, as in *.example.org";
    return false;
  }
  pattern.key = (below ? "." : "") + domain;
  if (below)
    pattern.labels = 1 + static_cast<uint32_t>(std::count(domain.begin(), domain.end(), '.'));
  return true;
}

bool take_address(std::string_view text, Pattern& pattern, std::string& problem) {
  pattern.kind = Kind::address;
  const size_t at = text.rfind('@');
  const std::string_view local = text.substr(0, at), domain = text.substr(at + 1);
  if (local == "*" && domain == "*") {
    pattern.key = "*";
    return true;
  }
  if (local == "*") return take_domain(domain, pattern, problem);
  if (local.empty() || (local.front() != '"' && local.find('*') != std::string_view::npos) ||
      domain.substr(0, 2) == "*.") {
    problem =
        quoted(text) + ": an address is joe@example.org, *@example.org, *@*.example.org or joe@*";
    return false;
  }
  if (domain != "*" && !take_domain(domain, pattern, problem)) return false;
  pattern.key = mail_names::normal_local(local) + "@" + (domain == "*" ? "" : pattern.key);
  return true;
}

std::optional<uint16_t> find_below(const Image& image, std::string_view domain) {
  const uint32_t most = image.header().labels;
  if (most == 0) return std::nullopt;
  std::optional<uint16_t> found;
  // From the end of the name on: an entry has at most `most` labels, so a long name costs no more.
  uint32_t labels = 0;
  for (size_t dot = domain.rfind('.'); dot != std::string_view::npos && labels < most; ++labels) {
    if (const auto value = image.find(domain.substr(dot))) found = value;
    if (dot == 0) break;
    dot = domain.rfind('.', dot - 1);
  }
  return found;
}

}  // namespace

std::optional<Pattern> parse_pattern(std::string_view text, std::string& problem) {
  Pattern pattern;
  if (text.empty()) {
    problem = "it is empty";
    return std::nullopt;
  }
  if (std::any_of(text.begin(), text.end(), [](char c) { return is_control(c) && c != ' '; })) {
    problem = "it has control characters";
    return std::nullopt;
  }
  if (text == "<>") {
    pattern.kind = Kind::address;
    pattern.key = "<>";
    return pattern;
  }
  if (text == "*") {
    pattern.key = "*";
    return pattern;
  }
  if (text.find('@') != std::string_view::npos) {
    if (!take_address(text, pattern, problem)) return std::nullopt;
    return pattern;
  }
  if (looks_like_network(text)) {
    const auto network = mail_names::parse_network(text, problem);
    if (!network) return std::nullopt;
    pattern.kind = Kind::network;
    pattern.network = *network;
    return pattern;
  }
  if (!take_domain(text, pattern, problem)) return std::nullopt;
  return pattern;
}

std::optional<uint16_t> find_name(const Image& image, const std::string& name) {
  if (name.empty()) return std::nullopt;
  if (const auto value = image.find(name)) return value;
  if (const auto value = find_below(image, name)) return value;
  return image.find("*");
}

std::optional<uint16_t> find_address(const Image& image, const std::string& local,
                                     const std::string& domain, bool null) {
  if (null) {
    if (const auto value = image.find("<>")) return value;
    return image.find("*");
  }
  const std::string at = local + "@";
  if (!domain.empty()) {
    if (const auto value = image.find(at + domain)) return value;
    if (const auto value = image.find(domain)) return value;
    if (const auto value = find_below(image, domain)) return value;
  }
  if (const auto value = image.find(at)) return value;
  return image.find("*");
}

}  // namespace lsmtpd::access
