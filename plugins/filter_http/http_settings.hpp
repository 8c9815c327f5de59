// SPDX-License-Identifier: Apache-2.0
// The options of filter_http, as values.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <chrono>
#include <string>

#include "http/exchange.hpp"

namespace filter_http {

namespace sdk = lsmtpd::sdk;

enum class OnError { tempfail, reject, proceed };
enum class CacheBy { recipient, sender_recipient, peer_sender_recipient };

struct Settings {
  std::string url, token;
  lsmtpd::http::Peer peer;
  uint32_t phases = 0;      // of a session filter: LSMTPD_PHASE_...
  bool at_message = false;  // asked at the end of a message
  uint64_t max_body = 0, max_answer = 0;
  std::chrono::milliseconds timeout{0};
  uint32_t max_questions = 0;  // of a worker
  OnError on_error = OnError::tempfail;
  std::chrono::milliseconds cache_ok{0}, cache_no{0}, breaker_pause{0};
  uint64_t cache_size = 0;
  CacheBy cache_by = CacheBy::recipient;
  uint32_t breaker_failures = 0;
  bool dry_run = false;
  bool is_right = true;  // no mistake was reported
};

// The settings; every mistake goes into `report`, those of files too.
Settings read_settings(const sdk::Config& config, const sdk::Report& report);

}  // namespace filter_http
