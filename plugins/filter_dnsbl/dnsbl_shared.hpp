// SPDX-License-Identifier: Apache-2.0
// Common to all lanes of an instance.
#pragma once

#include <deque>

#include "answer_cache.hpp"
#include "dnsbl_settings.hpp"
#include "list_state.hpp"

namespace filter_dnsbl {

struct Shared {
  Shared(sdk::Host host, Settings read)
      : settings(std::move(read)),
        cache(host, settings.cache_size),
        states(settings.lists.size()) {}

  const Settings settings;
  AnswerCache cache;
  std::deque<ListState> states;  // of settings.lists
};

// The IPv4 addresses of an answer.
std::vector<Code> codes_of(const lsmtpd_dns_answer& answer);
// NOERROR or NXDOMAIN: the list said something.
bool is_answer(const lsmtpd_dns_answer& answer);
// For the log: "timeout", "SERVFAIL", ...
std::string failure_text(const lsmtpd_dns_answer& answer);

}  // namespace filter_dnsbl
