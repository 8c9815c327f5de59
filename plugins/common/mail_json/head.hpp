// The envelope's part of the JSON object: everything before the content, made with cJSON.
#pragma once

#include <lsmtpd/message.h>

#include <string>

#include "mail_json/stored.hpp"

namespace lsmtpd::mail_json {

struct WriterOptions {
  bool extra = true;                         // keys of ours at the top level
  const Bookkeeping* bookkeeping = nullptr;  // written under "lsmtpd"; null: no such key
};

// `{"timestamp":...,"sender":"..."` with neither closing brace nor comma; empty when out of memory.
// Strings that are not UTF-8, or hold NUL, get U+FFFD there: cJSON's are C strings.
std::string make_head(const lsmtpd_envelope& envelope, const WriterOptions& options);

}  // namespace lsmtpd::mail_json
