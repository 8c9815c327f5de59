// SPDX-License-Identifier: Apache-2.0
// The first rule that matches.
//
// Rules are looked at in their order at each phase, with the facts that are known. One that may
// still match, once more is known, ends the search until then: a later rule must not overtake it.
// So the result is the same as if all facts had been known at once.
#pragma once

#include <cstddef>
#include <vector>

#include "condition.hpp"
#include "rules.hpp"

namespace lsmtpd::access {

struct Decision {
  const Verdict* verdict = nullptr;  // null: no rule matches, or it is not certain yet
  size_t rule = 0;                   // its number, from 0
};

Decision first_match(const std::vector<Rule>& rules, const Tables& tables, const Facts& facts);

}  // namespace lsmtpd::access
