// SPDX-License-Identifier: Apache-2.0
// The envelope's part of the JSON object: everything before the content.
#pragma once

#include <lsmtpd/message.h>

#include <string>
#include <string_view>

#include "mail_json/stored.hpp"

namespace lsmtpd::mail_json {

// The annotation that has the W3C traceparent of a message, the key of it here, and the name of its
// property at a broker.
inline constexpr std::string_view kTraceparent = "traceparent";

struct WriterOptions {
  bool extra = true;                         // keys of ours at the top level
  const Bookkeeping* bookkeeping = nullptr;  // written under "lsmtpd"; null: no such key
  std::string_view traceparent = {};         // at the top level, with `extra`; empty: none
};

// `{"timestamp":...,"sender":"..."` with neither closing brace nor comma. Strings that are not
// UTF-8, or hold NUL, get U+FFFD there.
std::string make_head(const lsmtpd_envelope& envelope, const WriterOptions& options);

}  // namespace lsmtpd::mail_json
