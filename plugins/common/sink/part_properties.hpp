// SPDX-License-Identifier: Apache-2.0
// The envelope of one copy of a message, with its own recipients, and the properties that are sent
// beside it. Views of the part's message, which outlives them. Pure.
#pragma once

#include <lsmtpd/message.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "job.hpp"
#include "mail_properties.hpp"

namespace lsmtpd::sink {

class PartProperties {
 public:
  // `property_limit`, `body_has_recipients`: as MailProperties has them.
  PartProperties(const Part& part, std::size_t property_limit, bool body_has_recipients);
  PartProperties(const PartProperties&) = delete;
  PartProperties& operator=(const PartProperties&) = delete;

  const lsmtpd_envelope& envelope() const { return envelope_; }
  void visit(PropertyVisitor* visitor) const { visit_properties(mail_, visitor); }

 private:
  lsmtpd_envelope envelope_;
  std::vector<lsmtpd_recipient> recipients_;
  MailProperties mail_;
};

// A client's value for a protocol of lines: bytes that are not printable ASCII, and "%", are
// percent-encoded.
std::string percent_encoded(std::string_view value);

}  // namespace lsmtpd::sink
