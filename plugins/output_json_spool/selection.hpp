// SPDX-License-Identifier: Apache-2.0
// Which messages a command is about: --from, --to and so on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store.hpp"

namespace lsmtpd::json_spool {

struct Selection {
  // Patterns of addresses: "*" stands for any characters; one without "@" is a domain; "<>" is the
  // null sender. Empty: any.
  std::string from;
  std::string to;
  std::string reason;      // a part of it
  std::string message_id;  // a part of it
  std::string output;      // the one that it waits for
  std::int64_t older_ns = 0;
  std::uint64_t limit = 0;  // 0: none

  // True if anything but the limit is set.
  bool any() const { return !(from + to + reason + message_id + output).empty() || older_ns > 0; }
  bool wants_header() const { return !message_id.empty(); }
  bool matches(const Entry& entry, std::int64_t now_ns) const;
};

// "90s", "30m", "2h", "5d".
std::optional<std::int64_t> parse_age(std::string_view text);

}  // namespace lsmtpd::json_spool
