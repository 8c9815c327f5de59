// SPDX-License-Identifier: Apache-2.0
// The options of filter_dnsbl, as values.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <chrono>
#include <string>
#include <vector>

#include "codes.hpp"
#include "mail_names/ip.hpp"
#include "reply_text.hpp"

namespace filter_dnsbl {

namespace sdk = lsmtpd::sdk;

enum class By { address, helo, sender };

struct List {
  std::string zone;  // with its key, where it has one
  std::string name;  // for the log, replies and annotations
  bool secret = false;
  By by = By::address;
  bool allow = false;
  CodeSet codes;
  int64_t weight = 1;
  bool tested = true;  // by the points of RFC 5782 5

  // `text` without what must not be seen of the zone.
  std::string hidden(std::string text) const;
};

struct Settings {
  std::vector<List> lists;
  int64_t reject_at = 1, tempfail_at = 0;
  bool at_mail = false;  // else at RCPT
  std::vector<lsmtpd::mail_names::Network> exempt;
  bool skip_private = true, dry_run = false, tempfail_on_error = false;
  std::chrono::milliseconds timeout{0};
  uint64_t cache_size = 0;
  ReplyText reply;
  bool is_right = true;  // no mistake was reported
};

// The settings; every mistake goes into `report`. Zone files are read with `read_files` only.
Settings read_settings(const sdk::Config& config, const sdk::Report& report, bool read_files);

}  // namespace filter_dnsbl
