// SPDX-License-Identifier: Apache-2.0
// Answers of lists, kept as long as their TTL says: the codes; none: not listed.
#pragma once

#include <vector>

#include "bounded_cache/bounded_cache.hpp"
#include "codes.hpp"

namespace filter_dnsbl {

struct Answer {
  std::vector<Code> codes;
};
inline uint64_t cost_of(const Answer& answer) {
  return answer.codes.capacity() * sizeof(Code);
}
using AnswerCache = lsmtpd::bounded_cache::BoundedCache<Answer>;

}  // namespace filter_dnsbl
