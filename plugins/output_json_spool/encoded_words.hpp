// SPDX-License-Identifier: Apache-2.0
// Header text with the encoded words of RFC 2047 ("=?UTF-8?Q?caf=C3=A9?=") decoded. Pure.
#pragma once

#include <string>
#include <string_view>

namespace lsmtpd::json_spool {

// Words of UTF-8, US-ASCII, ISO-8859-1, ISO-8859-15 and Windows-1252 become UTF-8. Others, and what
// is no word, stay as they are: no conversion of the system's is asked, whose code would read
// octets of strangers. The result may have any octets in it, control characters too.
std::string decode_words(std::string_view text);

}  // namespace lsmtpd::json_spool
