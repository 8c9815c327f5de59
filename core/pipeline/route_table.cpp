// SPDX-License-Identifier: Apache-2.0
#include "pipeline/route_table.hpp"

#include "smtp/addresses.hpp"

namespace lsmtpd::pipeline {
namespace {

// Whether RCPT would take `address`: a pattern of anything else could match nothing.
Status check_address(const std::string& address) {
  smtp::Path path;
  const std::string bracketed = "<" + address + ">";
  if (smtp::parse_path(bracketed, path) == smtp::PathFault::none && path.address == address)
    return {};
  return fail("is no address that RCPT takes");
}

// The pattern for people: the key with its "*". A local part that has one itself is quoted.
std::string pattern_of(std::string_view key) {
  if (key.starts_with('@'))
    return (key.starts_with("@.") ? "*@*" : "*@") + std::string(key.substr(1));
  std::string local(key.substr(0, key.rfind('@')));
  const std::string rest(key.substr(local.size()));
  if (local.find('*') != std::string::npos && local.front() != '"') local = '"' + local + '"';
  return local + rest + (key.ends_with('@') ? "*" : "");
}

}  // namespace

Result<std::string> RouteTable::key_of(std::string_view pattern) const {
  if (pattern.empty()) return fail("is empty");
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
  const bool any_domain = domain == "*";
  const bool below = domain.starts_with("*.");
  if (below && !any_local)
    return fail("has a * on one side only: write *@*.DOMAIN or LOCAL@DOMAIN");
  if (below) domain.remove_prefix(2);
  if (!any_domain && domain.find('*') != std::string_view::npos)
    return fail("has a * inside the domain; it may stand for the labels in front: *@*.example.org");
  // With a word in the place of each "*".
  const std::string probe =
      std::string(any_local ? "x" : local) + "@" + std::string(any_domain ? "example.org" : domain);
  if (auto status = check_address(probe); !status) return tl::unexpected(status.error());
  if (any_local) return (below ? "@." : "@") + smtp::normal_domain(domain);
  return smtp::normal_local(local, rules_.local_case) + "@" +
         (any_domain ? std::string() : smtp::normal_domain(domain));
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
