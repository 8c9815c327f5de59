// SPDX-License-Identifier: Apache-2.0
#include "pipeline/route_table.hpp"

#include <algorithm>

namespace lsmtpd::pipeline {
namespace {

bool has_blank_or_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet <= ' ' || octet == 0x7f;
  });
}

// Labels of a domain, or an address literal.
Status check_domain(std::string_view domain) {
  if (domain.empty()) return fail("has no domain");
  if (domain.front() == '[') return {};
  if (domain.find('*') != std::string_view::npos)
    return fail("has a * inside the domain; it may stand for the labels in front: *@*.example.org");
  if (domain.front() == '.' || domain.back() == '.' || domain.find("..") != std::string_view::npos)
    return fail("has an empty label in its domain");
  return {};
}

// The pattern for people: the key with its "*".
std::string pattern_of(std::string_view key) {
  std::string pattern;
  if (key.starts_with('@')) pattern = key.starts_with("@.") ? "*@*" : "*@";
  pattern += key.substr(key.starts_with('@') ? 1 : 0);
  if (key.ends_with('@')) pattern += '*';
  return pattern;
}

}  // namespace

Result<std::string> RouteTable::key_of(std::string_view pattern) const {
  if (pattern.empty()) return fail("is empty");
  if (has_blank_or_control(pattern)) return fail("has a blank or a control character");
  const size_t at = pattern.rfind('@');
  if (at == std::string_view::npos) {
    if (smtp::is_postmaster(pattern)) return std::string("postmaster");
    return fail("has no @");
  }
  const std::string_view local = pattern.substr(0, at);
  std::string_view domain = pattern.substr(at + 1);
  if (local.empty()) return fail("has no local part; *@ matches each");
  if (local == "*" && domain == "*")
    return fail("matches everything; recipients that no route matches take the chain's own steps");
  const bool any_local = local == "*";
  if (!any_local && local.find('*') != std::string_view::npos && local.front() != '"')
    return fail("has a * inside the local part; it stands for a whole one");
  if (domain == "*") return smtp::normal_local(local, rules_.local_case) + "@";
  const bool below = domain.starts_with("*.");
  if (below) {
    if (!any_local) return fail("has a * on one side only: write *@*.DOMAIN or LOCAL@DOMAIN");
    domain.remove_prefix(2);
  }
  if (auto status = check_domain(domain); !status) return tl::unexpected(status.error());
  if (any_local) return (below ? "@." : "@") + smtp::normal_domain(domain);
  return smtp::normal_local(local, rules_.local_case) + "@" + smtp::normal_domain(domain);
}

Status RouteTable::add(std::string_view pattern, uint32_t number) {
  auto key = key_of(pattern);
  if (!key) return tl::unexpected(key.error());
  subdomains_ = subdomains_ || key->starts_with("@.");
  routes_.try_emplace(std::move(*key), number);
  return {};
}

std::optional<uint32_t> RouteTable::owner(std::string_view pattern) const {
  const auto key = key_of(pattern);
  if (!key) return std::nullopt;
  const auto found = routes_.find(*key);
  return found == routes_.end() ? std::nullopt : std::optional(found->second);
}

void RouteTable::try_key(const std::string& key, Best& best) const {
  const auto found = routes_.find(key);
  if (found != routes_.end() && found->second < best.number) best = {found->second, key};
}

void RouteTable::try_local(std::string_view local, std::string_view domain, Best& best) const {
  std::string key(local);
  if (domain.empty()) {
    try_key(key, best);
    try_key(key + "@", best);
    return;
  }
  key += '@';
  try_key(key, best);
  try_key(key.append(domain), best);
}

RouteTable::Best RouteTable::best(std::string_view address) const {
  const auto mailbox = smtp::normal_mailbox(address, rules_.local_case);
  Best found;
  try_local(mailbox.local, mailbox.domain, found);
  const size_t extension = mailbox.local.find_first_of(rules_.delimiters);
  const bool quoted = mailbox.local.starts_with('"');
  if (extension != std::string::npos && extension > 0 && !quoted)
    try_local(std::string_view(mailbox.local).substr(0, extension), mailbox.domain, found);
  if (mailbox.domain.empty()) return found;
  try_key("@" + mailbox.domain, found);
  if (!subdomains_ || mailbox.domain.front() == '[') return found;
  for (size_t dot = mailbox.domain.find('.'); dot != std::string::npos;
       dot = mailbox.domain.find('.', dot + 1))
    try_key("@" + mailbox.domain.substr(dot), found);
  return found;
}

std::optional<uint32_t> RouteTable::unmatched(std::string_view address) const {
  if (rules_.reject_unmatched && !smtp::is_postmaster(address)) return std::nullopt;
  return 0;
}

std::optional<uint32_t> RouteTable::find(std::string_view address) const {
  const Best found = best(address);
  return found.key.empty() ? unmatched(address) : found.number;
}

std::optional<RouteTable::Match> RouteTable::explain(std::string_view address) const {
  const Best found = best(address);
  if (!found.key.empty()) return Match{found.number, pattern_of(found.key)};
  const auto own = unmatched(address);
  if (!own) return std::nullopt;
  return Match{*own, {}};
}

}  // namespace lsmtpd::pipeline
