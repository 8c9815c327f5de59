// SPDX-License-Identifier: Apache-2.0
// The envelope: everything that SMTP says of a message beside its content (RFC 5321 2.3.1), and
// where it came from. Values are as the client gave them, checked for syntax only; the writer of a
// log line, file or message escapes them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lsmtpd::message {

struct Recipient {
  std::string address;  // forward-path without brackets; a source route is dropped
  std::string
      parameters;       // ESMTP parameters as given: "NOTIFY=NEVER ORCPT=rfc822;a@b"; may be empty
  uint32_t number = 0;  // among Envelope::recipient_total, where that is not 0
};

// The cost of a recipient for the memory budget: its strings, and its entry in two vectors (the
// core's and the one that plugins see), of which the core's may be half empty.
inline uint64_t memory_of(const Recipient& recipient) {
  constexpr uint64_t kEntry = 2 * sizeof(Recipient) + 32;
  return kEntry + recipient.address.capacity() + recipient.parameters.capacity();
}

// The TLS session that a message came through.
struct Tls {
  std::string version;         // "TLSv1.3"
  std::string cipher;          // "TLS_AES_256_GCM_SHA384"
  std::string server_name;     // SNI; may be empty
  std::string client_subject;  // of the client's certificate; empty: it has none
  std::string client_sha256;   // its fingerprint, in hexadecimal digits
  std::string by;              // "proxy", or empty: ended here
  bool client_verified = false;
};

struct Auth {
  std::string user;
  std::string mechanism;
};

struct Envelope {
  std::string id;  // UUID, given when MAIL is accepted; shown in the 250, the log and every output
  int64_t time_ns = 0;       // when MAIL was accepted: nanoseconds since the epoch, UTC
  std::string reverse_path;  // without brackets; empty: the null sender (bounces)
  std::string parameters;    // ESMTP parameters of MAIL as given: "BODY=8BITMIME SIZE=100"
  std::vector<Recipient> recipients;
  // How many recipients the message had before some of them were settled, with numbers in
  // `recipients`; 0: these are all, and each one's number is its place.
  uint32_t recipient_total = 0;

  uint64_t session = 0;      // the number that session filters know it by; 0: not known
  std::string helo;          // argument of HELO, EHLO or LHLO; empty where there was none
  std::string protocol;      // RFC 3848: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA, LMTP, UTF8SMTP, ...
  std::string listener;      // [[listener]] name
  std::string peer_address;  // "192.0.2.1" or "2001:db8::1"
  uint16_t peer_port = 0;
  std::string peer_name;      // confirmed by a look-up both ways; empty: none
  std::string local_address;  // ours, that the peer connected to
  uint16_t local_port = 0;
  std::string proxy_address;         // of the trusted proxy in front; empty: none
  std::shared_ptr<const Tls> tls;    // null: clear text
  std::shared_ptr<const Auth> auth;  // null: not authenticated
};

inline uint64_t memory_of(const Envelope& envelope) {
  uint64_t all = sizeof(Envelope) + envelope.reverse_path.capacity() +
                 envelope.parameters.capacity() + envelope.helo.capacity();
  for (const Recipient& each : envelope.recipients) all += memory_of(each);
  return all;
}

// The part of the session: all but id, time, reverse-path, parameters and recipients.
inline Envelope of_session(const Envelope& all) {
  return {.id = {},
          .time_ns = 0,
          .reverse_path = {},
          .parameters = {},
          .recipients = {},
          .recipient_total = 0,
          .session = all.session,
          .helo = all.helo,
          .protocol = all.protocol,
          .listener = all.listener,
          .peer_address = all.peer_address,
          .peer_port = all.peer_port,
          .peer_name = all.peer_name,
          .local_address = all.local_address,
          .local_port = all.local_port,
          .proxy_address = all.proxy_address,
          .tls = all.tls,
          .auth = all.auth};
}

// All but the recipients.
inline Envelope without_recipients(const Envelope& all) {
  Envelope rest = of_session(all);
  rest.id = all.id;
  rest.time_ns = all.time_ns;
  rest.reverse_path = all.reverse_path;
  rest.parameters = all.parameters;
  rest.recipient_total = all.recipient_total;
  return rest;
}

}  // namespace lsmtpd::message
