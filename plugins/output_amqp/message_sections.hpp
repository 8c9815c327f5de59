// SPDX-License-Identifier: Apache-2.0
// Writes the bytes of AMQP 1.0's types that a mail needs (part 1, type encodings), and with them
// everything of a message that stands before its body: header, message-annotations, properties,
// application-properties and the head of the data section.
//
// Pure. The body's length must be known beforehand: the head of the data section says it.
#pragma once

#include <lsmtpd/message.h>

#include <cstdint>
#include <sink/mail_properties.hpp>
#include <string>
#include <string_view>

#include "message_fields.hpp"

namespace lsmtpd::amqp {

// Types, appended to a string. Strings must be UTF-8 already.
void put_string(std::string* out, std::string_view text);
void put_symbol(std::string* out, std::string_view text);
void put_int(std::string* out, std::int32_t value);
void put_timestamp(std::string* out, std::int64_t milliseconds);

// The facts that the sections have of one copy. Views live during the call only.
struct Copy : sink::MailProperties {
  std::string_view message_id;
  std::string_view copy_id;  // _AMQ_DUPL_ID
  std::string_view address;
  std::string_view content_type;
  FieldValues fields;
};

// A whole message without content for an AMQP 1.0 management node: `operation` on `path`, answered
// on the link that is paired with the sender's.
std::string make_request(std::string_view id, std::string_view operation, std::string_view path);

// Everything before the `body` bytes of the data section. Client text that is no UTF-8 gets U+FFFD.
// An smtp_rcpt_to above `property_limit` is left out where the body has the recipients, else it
// ends at the last whole address within it; annotations end where they would pass it together.
std::string make_sections(const Copy& copy, std::uint64_t body);

// The most that make_sections() can give for a message of the default limits; for the announced
// size.
inline constexpr std::uint64_t kSectionsLimit = 168 * 1024;

}  // namespace lsmtpd::amqp
