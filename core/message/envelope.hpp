// SPDX-License-Identifier: Apache-2.0
// The envelope: all that SMTP says of a message beside its content (RFC 5321 2.3.1), and where it
// came from. Values are as the client gave them, checked for syntax only; whoever writes them
// anywhere escapes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lsmtpd::message {

struct Recipient {
  std::string address;  // forward-path without brackets; a source route is dropped
  std::string
      parameters;  // ESMTP parameters as given: "NOTIFY=NEVER ORCPT=rfc822;a@b"; may be empty
};

// What a recipient takes of the memory budget: its strings, and its place in two vectors (ours and
// the one that plugins see), of which ours may be half empty.
inline uint64_t memory_of(const Recipient& recipient) {
  constexpr uint64_t entry = 2 * sizeof(Recipient) + 32;
  return entry + recipient.address.capacity() + recipient.parameters.capacity();
}

struct Envelope {
  std::string id;  // UUID, given when MAIL is accepted; shown in the 250, the log and every output
  int64_t time_ns = 0;       // when MAIL was accepted: nanoseconds since the epoch, UTC
  std::string reverse_path;  // without brackets; empty: the null sender (bounces)
  std::string parameters;    // ESMTP parameters of MAIL as given: "BODY=8BITMIME SIZE=100"
  std::vector<Recipient> recipients;

  std::string helo;          // argument of HELO, EHLO or LHLO; empty where there was none
  std::string protocol;      // RFC 3848: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, LMTP, UTF8SMTP, ...
  std::string listener;      // [[listener]] name
  std::string peer_address;  // "192.0.2.1" or "2001:db8::1"
  uint16_t peer_port = 0;
  std::string tls;        // protocol and cipher; empty: clear text
  std::string auth_user;  // empty: not authenticated
};

inline uint64_t memory_of(const Envelope& envelope) {
  uint64_t all = sizeof(Envelope) + envelope.reverse_path.capacity() +
                 envelope.parameters.capacity() + envelope.helo.capacity();
  for (const Recipient& each : envelope.recipients) all += memory_of(each);
  return all;
}

}  // namespace lsmtpd::message
