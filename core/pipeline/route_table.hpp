// SPDX-License-Identifier: Apache-2.0
// The patterns of a chain's routes: which route a recipient takes.
//
// A look-up takes the same time for ten patterns as for a million: one probe of a hash table for
// each form of pattern that can match, and one for each label of the domain. Where several patterns
// match, the first route of the chain wins, whatever their form. Const once it is filled, and then
// shared by all workers. [any]
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.hpp"
#include "smtp/mailbox.hpp"

namespace lsmtpd::pipeline {

class RouteTable {
 public:
  struct Rules {
    smtp::LocalCase local_case = smtp::LocalCase::ignored;
    // Each of these characters begins an extension of a local part, which patterns need not have
    // ("+": joe+lists@example.org matches joe@example.org too). Empty: there are none.
    std::string delimiters = {};
    bool reject_unmatched = false;  // else they take the chain's own outputs
  };

  explicit RouteTable(Rules rules) : rules_(std::move(rules)) {}

  // `pattern` leads to the route `number`, which counts from 1. Routes are added in order.
  //     joe@example.org      that mailbox
  //     *@example.org        each mailbox of the domain
  //     *@*.example.org      each mailbox of the domains below it
  //     abuse@*              that local part at each domain
  //     postmaster           the one recipient without a domain
  // An error reads on after the pattern: "has no @".
  Status add(std::string_view pattern, uint32_t number);
  // The route that an earlier add() gave to the same pattern; nothing: it is new, or no pattern.
  std::optional<uint32_t> owner(std::string_view pattern) const;

  struct Match {
    uint32_t number = 0;  // of the route; 0: the chain's own outputs
    std::string pattern;  // in its normal form; empty: no route has one
  };
  // Nothing: the recipient is refused, 550 5.1.1. Postmaster never is (RFC 5321 4.5.1).
  std::optional<uint32_t> find(std::string_view address) const;
  // The same, with the pattern that decides. For people: it takes longer.
  std::optional<Match> explain(std::string_view address) const;

  size_t size() const { return routes_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };
  struct Best {
    uint32_t number = UINT32_MAX;
    std::string key;
  };

  Best best(std::string_view address) const;
  void try_key(const std::string& key, Best& best) const;
  void try_local(std::string_view local, std::string_view domain, Best& best) const;
  std::optional<uint32_t> unmatched(std::string_view address) const;
  Result<std::string> key_of(std::string_view pattern) const;

  const Rules rules_;
  // By normal form without "*": "joe@example.org", "@example.org", "@.example.org", "abuse@",
  // "postmaster".
  std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>> routes_;
  bool subdomains_ = false;  // some pattern has "*."
};

}  // namespace lsmtpd::pipeline
