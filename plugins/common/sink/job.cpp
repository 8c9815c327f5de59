// SPDX-License-Identifier: Apache-2.0
#include "job.hpp"

#include <algorithm>

namespace lsmtpd::sink {

namespace {

int rank(const Part& part) {
  return part.outcome.kind == Kind::tempfail ? 2 : part.outcome.kind == Kind::rejected ? 1 : 0;
}

}  // namespace

const Outcome& verdict_of(const Job& job) {
  const auto worst =
      std::max_element(job.parts.begin(), job.parts.end(),
                       [](const Part& a, const Part& b) { return rank(a) < rank(b); });
  return worst->outcome;
}

void answer(Job& job) {
  const bool differ = std::any_of(job.parts.begin(), job.parts.end(), [&](const Part& part) {
    return part.outcome.kind != job.parts[0].outcome.kind;
  });
  if (!differ) return answer(&job.call, verdict_of(job));
  std::vector<lsmtpd_verdict> verdicts(
      static_cast<std::size_t>(job.message.envelope().recipient_count));
  for (const Part& part : job.parts)
    for (const std::uint32_t place : part.recipients) verdicts[place] = to_verdict(part.outcome);
  job.call.recipients(verdicts);
}

}  // namespace lsmtpd::sink
