// SPDX-License-Identifier: Apache-2.0
// The host's copy of a plugin's answer, made safe: kinds, codes and texts that do not fit are put
// right here, so that nobody behind has to doubt them.
#pragma once

#include <string>

#include "lsmtpd/abi.h"

namespace lsmtpd::plugin {

inline std::string_view view(lsmtpd_str s) {
  return s.data ? std::string_view(s.data, s.size) : std::string_view();
}
inline lsmtpd_str str(std::string_view s) {
  return {s.data(), s.size()};
}

enum class Kind : uint8_t {
  proceed,
  accept,  // go on, and skip the filters that are left
  stored,
  reject,
  tempfail,
  discard,
  failed,  // not the plugin's answer but ours: it threw, or is stuck; on_error decides
};

struct Verdict {
  Kind kind = Kind::tempfail;
  int code = 0;          // 0: the default of the kind
  std::string enhanced;  // valid for `code`, or empty
  std::string text;    // for the client: up to 8 lines, separated by LF, each of them printable and
                       // at most 200 bytes long
  std::string detail;  // for the log
  bool in_doubt = false;           // tempfail: it was sent, and its outcome is unknown
  bool cause_passes = false;       // in doubt, and not by the message's doing
  bool unknown_user = false;       // reject, of credentials
  const char* nonsense = nullptr;  // what of the plugin's verdict cannot be meant; null: nothing

  // Why, in the plugin's words.
  const std::string& reason() const { return detail.empty() ? text : detail; }

  static Verdict from(const lsmtpd_verdict* verdict);
  static Verdict make(Kind kind, std::string detail = {}) {
    return {kind, 0, {}, {}, std::move(detail), false, false, false, nullptr};
  }
};

}  // namespace lsmtpd::plugin
