// SPDX-License-Identifier: Apache-2.0
// Mailboxes in the form in which they are compared (RFC 5321 2.4, RFC 6531 3.2).
//
// A domain is in lower case, and an internationalised one is its A-labels (RFC 5890), so that both
// spellings are equal. Quotes around a local part that needs none are dropped
// ("\"joe\"@example.org" is joe@example.org).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lsmtpd::smtp {

enum class LocalCase : uint8_t {
  ignored,  // ASCII letters of a local part are in lower case
  kept,     // but of postmaster (RFC 5321 4.5.1)
};

struct Mailbox {
  std::string local;
  std::string domain;  // empty: there is no @, as in "postmaster"
};

// Of a path without brackets. Anything may come: what is no mailbox gives some text.
Mailbox normal_mailbox(std::string_view address, LocalCase local_case);
std::string normal_domain(std::string_view domain);
std::string normal_local(std::string_view local, LocalCase local_case);

// "postmaster", alone or at any domain, in any case (RFC 5321 4.5.1).
bool is_postmaster(std::string_view address);

}  // namespace lsmtpd::smtp
