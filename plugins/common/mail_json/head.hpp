// SPDX-License-Identifier: Apache-2.0
// The envelope's part of the JSON object: everything before the content.
#pragma once

#include <lsmtpd/message.h>

#include <string>

#include "mail_json/stored.hpp"

namespace lsmtpd::mail_json {

struct WriterOptions {
  bool extra = true;                         // keys of ours at the top level
  const Bookkeeping* bookkeeping = nullptr;  // written under "lsmtpd"; null: no such key
};

// `{"timestamp":...,"sender":"..."` with neither closing brace nor comma. Strings that are not
// UTF-8, or hold NUL, get U+FFFD there.
std::string make_head(const lsmtpd_envelope& envelope, const WriterOptions& options);

}  // namespace lsmtpd::mail_json
