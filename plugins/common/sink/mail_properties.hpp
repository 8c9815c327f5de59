// SPDX-License-Identifier: Apache-2.0
// The properties that a broker shows its consumers beside a mail: the same names in AMQP 1.0's
// application properties and in AMQP 0-9-1's headers. Pure.
#pragma once

#include <lsmtpd/message.h>

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace lsmtpd::sink {

// Views live during the call only.
struct MailProperties {
  const lsmtpd_envelope* envelope = nullptr;  // with the recipients of this copy
  // An smtp_rcpt_to above this is left out where the body has the recipients, else it ends at the
  // last whole address within it; annotations end where they would pass it together.
  std::size_t property_limit = 64 * 1024;
  bool body_has_recipients = false;
  std::string_view claim;  // where the body is stored apart; empty: it is not
  std::vector<std::pair<std::string_view, std::string_view>> annotations;
};

class PropertyVisitor {
 public:
  virtual ~PropertyVisitor() = default;
  // UTF-8: a client's text that is none gets U+FFFD.
  virtual void text(std::string_view key, std::string_view value) = 0;
  virtual void number(std::string_view key, std::int32_t value) = 0;
};

void visit_properties(const MailProperties& properties, PropertyVisitor* visitor);

}  // namespace lsmtpd::sink
