// SPDX-License-Identifier: Apache-2.0
// Common to all lanes of an instance.
#pragma once

#include "answer.hpp"
#include "bounded_cache/bounded_cache.hpp"
#include "http/breaker.hpp"
#include "http_settings.hpp"
#include "log_lines/outage_lines.hpp"

namespace filter_http {

struct Shared {
  Shared(sdk::Host host, Settings read)
      : settings(std::move(read)),
        cache(host, settings.cache_size),
        breaker(settings.breaker_failures, static_cast<uint64_t>(settings.breaker_pause.count())) {}

  const Settings settings;
  lsmtpd::bounded_cache::BoundedCache<Answer> cache;  // of RCPT
  lsmtpd::http::Breaker breaker;
  lsmtpd::log_lines::OutageLines outage;  // answers that do not count
};

}  // namespace filter_http
