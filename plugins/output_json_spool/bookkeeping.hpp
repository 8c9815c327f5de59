// SPDX-License-Identifier: Apache-2.0
// The spool's own data about a message, as they are stored with it.
#pragma once

#include <lsmtpd/sdk/message.hpp>

#include <cstdint>
#include <mail_json/stored.hpp>
#include <string>
#include <string_view>

namespace lsmtpd::json_spool {

// Why a copy is stored.
struct Purpose {
  std::string target;  // the output it is kept for; empty: stored as an output
  std::string reason;  // why that output's last attempt failed
  std::uint32_t attempts = 0;
  bool in_doubt = false;  // it was sent, and its outcome is unknown
};

mail_json::Bookkeeping bookkeeping(const sdk::Message& message, std::string_view copy_id,
                                   const Purpose& purpose);

std::string_view traceparent_of(const mail_json::Bookkeeping& book);

}  // namespace lsmtpd::json_spool
