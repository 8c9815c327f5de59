// SPDX-License-Identifier: Apache-2.0
// The host's part of a `[plugin.NAME]` table: all of it but the plugin's own options.
#pragma once

#include <cstdint>
#include <string>

namespace lsmtpd::plugin {

// Takes the place of an answer that did not come.
enum class OnFailure : uint8_t { tempfail, reject, proceed };

struct Settings {
  std::string name;          // NAME
  std::string use;           // the shared object, as configured; for error texts
  uint64_t deadline_ms = 0;  // for one answer; 0: none
  OnFailure on_timeout = OnFailure::tempfail;
  OnFailure on_error = OnFailure::tempfail;  // the plugin threw, or is stuck
  std::string fallback;  // NAME of the instance that stores what this output cannot; empty: none

  bool operator==(const Settings&) const = default;
};

}  // namespace lsmtpd::plugin
