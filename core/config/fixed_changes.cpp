// SPDX-License-Identifier: Apache-2.0
#include "config/keys.hpp"

namespace lsmtpd::config {
namespace {

template <class Part>
void compare(const Part& now, const Part& next, Section section,
             std::vector<FixedChange>& changes) {
  for (const Key& key : keys_of(section)) {
    if (key.fixed && key.get(&now) != key.get(&next))
      changes.push_back({key, next.given[key.name]});
  }
}

}  // namespace

std::vector<FixedChange> fixed_changes(const Config& now, const Config& next) {
  std::vector<FixedChange> changes;
  compare(now.server, next.server, Section::server, changes);
  compare(now.limits, next.limits, Section::limits, changes);
  compare(now.timeouts, next.timeouts, Section::timeouts, changes);
  compare(now.log, next.log, Section::log, changes);
  compare(now.tls, next.tls, Section::tls, changes);
  compare(now.admin, next.admin, Section::admin, changes);
  return changes;
}

}  // namespace lsmtpd::config
