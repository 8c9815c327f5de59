// SPDX-License-Identifier: Apache-2.0
// The ESMTP parameters of MAIL and RCPT (RFC 5321 4.1.2), as one table of keyword, place and check.
#pragma once

#include <cstdint>
#include <string_view>

namespace lsmtpd::smtp {

enum class ParameterFault : uint8_t {
  none,
  syntax,   // malformed, a bad value, or given twice: 501
  unknown,  // not one that EHLO offers for this command: 555
};

struct MailParameters {
  uint64_t size = 0;      // SIZE= (RFC 1870)
  bool binary = false;    // BODY=BINARYMIME (RFC 3030)
  bool smtputf8 = false;  // SMTPUTF8 (RFC 6531)
};

// `auth`: the client may authenticate, so that AUTH= may stand there (RFC 4954 5).
ParameterFault parse_mail_parameters(std::string_view text, MailParameters& parameters,
                                     bool auth = false);

// `smtputf8`: the transaction has SMTPUTF8, so that ORCPT may hold UTF-8 (RFC 6533).
ParameterFault parse_rcpt_parameters(std::string_view text, bool smtputf8);

}  // namespace lsmtpd::smtp
