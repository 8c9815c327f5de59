// SPDX-License-Identifier: Apache-2.0
// Domains and mail addresses in the form in which filters compare them.
//
// A domain is in lower case, without a dot at its end, and an internationalised one is its A-labels
// (RFC 5890), so that both spellings are equal. A local part is compared without regard to the case
// of ASCII letters, although RFC 5321 2.4 allows a receiver to tell them apart: hardly one does,
// and a sender could pass a list by writing a letter large. Quotes around a local part that needs
// none are dropped ("\"joe\"@example.org" is joe@example.org).
#pragma once

#include <string>
#include <string_view>

namespace lsmtpd::mail_names {

std::string normal_domain(std::string_view domain);
std::string normal_local(std::string_view local);

struct Address {
  std::string local;
  std::string domain;  // empty: there is no @, as in "postmaster"
  bool null = false;   // the null sender, <>
};

// Of a path without brackets; empty: the null sender.
Address normal_address(std::string_view path);

// "joe@example.org"; "" for the null sender.
std::string joined(const Address& address);

}  // namespace lsmtpd::mail_names
