// SPDX-License-Identifier: Apache-2.0
// One client, HELO name and sender on the way to their verdict.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <array>
#include <string>
#include <vector>

#include "dnsbl_settings.hpp"

namespace filter_dnsbl {

struct Decision {
  sdk::Call call;
  sdk::Annotations notes;
  sdk::Timer deadline;
  uint64_t ends_ms = 0;
  std::string peer;                    // as the client is logged
  std::array<std::string, 3> subject;  // by By: to show; empty: not asked about
  size_t waiting = 0;                  // lists that have not answered
  bool failed = false;                 // one of them could not
  std::vector<size_t> listed_by;       // indices of lists
  int64_t score = 0;

  void add(size_t index, const List& list) {
    listed_by.push_back(index);
    score += list.allow ? -list.weight : list.weight;
  }
};

}  // namespace filter_dnsbl
