// SPDX-License-Identifier: Apache-2.0
#include "evaluation.hpp"

namespace lsmtpd::access {
namespace {

// All conditions of a rule.
Match match(const Rule& rule, const Tables& tables, const Facts& facts, const Verdict*& verdict) {
  bool unknown = false;
  for (const Condition& condition : rule.conditions) {
    const Match result = condition.match(facts, tables, verdict);
    if (result == Match::no) return Match::no;
    unknown = unknown || result == Match::unknown;
  }
  return unknown ? Match::unknown : Match::yes;
}

}  // namespace

Decision first_match(const std::vector<Rule>& rules, const Tables& tables, const Facts& facts) {
  for (size_t i = 0; i < rules.size(); ++i) {
    const Verdict* verdict = &rules[i].verdict;
    const Match result = match(rules[i], tables, facts, verdict);
    if (result == Match::unknown) return {};
    if (result == Match::yes) return {verdict, i};
  }
  return {};
}

}  // namespace lsmtpd::access
