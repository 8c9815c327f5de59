// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: the copies of messages that a storage names and loads (lsmtpd.replay/1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lsmtpd::sdk {

// A stored copy, as list() names it.
struct Copy {
  std::string copy_id;
  int64_t time_ns = 0;  // when it was stored; 0: not known
  uint64_t bytes = 0;   // 0: not known
  bool in_doubt = false;
  bool expired = false;  // it waits for longer than it should
};

// The arguments of the delivery that stored a copy, for loaded().
struct Stored {
  std::string_view target;
  std::string_view reason;
  uint32_t attempts = 0;
  bool in_doubt = false;
};

}  // namespace lsmtpd::sdk
