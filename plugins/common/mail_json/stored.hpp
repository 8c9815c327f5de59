// SPDX-License-Identifier: Apache-2.0
// The data of a message in LSMTPD's JSON except its content, as owned values, and the names of the
// keys. The six keys of LSMTPD's own are never removed and keep its meaning:
//   timestamp, message_id, client_address (the HELO argument), recipients (with angle brackets),
//   sender (without), email_content.
// Keys of ours, left out where empty:
//   peer_address, peer_port, protocol, listener, auth_user   the client's connection
//   tls                    {version, cipher, server_name, client_subject, client_sha256, by}; older
//                          files have a string: protocol and cipher
//   mail_parameters                                               ESMTP parameters of MAIL
//   recipient_parameters   an array beside recipients, "" where a recipient had none
//   email_content_base64   the exact bytes, where JSON cannot carry them in email_content
//   lsmtpd                 data of the spool itself: Bookkeeping; and "envelope", with the
//                          keys of ours above, where they are not wanted at the top
#pragma once

#include <lsmtpd/message.h>

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace lsmtpd::mail_json {

// The error says what is wrong with the file, for the log.
template <class T>
using Result = tl::expected<T, std::string>;

inline constexpr std::uint32_t kFormat = 1;  // version of the object under "lsmtpd"

struct Bookkeeping {
  std::string copy_id;
  std::string target;  // the output whose fallback stored it; empty: stored as an output
  std::string reason;  // why that output's last attempt failed; empty: not known
  std::uint32_t attempts = 0;
  bool in_doubt = false;      // it was sent, and its outcome is unknown
  std::int64_t first_ns = 0;  // when it was first stored; 0: not known
  std::vector<std::pair<std::string, std::string>> annotations;
};

struct StoredRecipient {
  std::string address;  // without brackets
  std::string parameters;
  std::uint32_t number = 0;  // among all that it was first delivered to
};

struct StoredTls {
  std::string version, cipher, server_name, client_subject, client_sha256, by;
  bool any() const {
    return !(version + cipher + server_name + client_subject + client_sha256 + by).empty();
  }
};

struct StoredMail {
  std::string id;
  std::int64_t time_ns = 0;
  std::string sender;
  std::vector<StoredRecipient> recipients;
  std::uint32_t recipient_total = 0;  // how many there were at first; 0: these are all
  std::string helo;
  std::string mail_parameters;
  std::string peer_address;
  std::uint32_t peer_port = 0;
  std::string protocol;
  std::string listener;
  StoredTls tls;
  std::string auth_user;
  bool has_bookkeeping = false;  // false: LSMTPD's own, or written for others only
  Bookkeeping bookkeeping;
};

// A StoredMail as the ABI wants it. The mail must outlive the view, unchanged.
class EnvelopeView {
 public:
  explicit EnvelopeView(const StoredMail& mail);
  EnvelopeView(const EnvelopeView&) = delete;
  EnvelopeView& operator=(const EnvelopeView&) = delete;
  const lsmtpd_envelope& get() const { return envelope_; }

 private:
  std::vector<lsmtpd_recipient> recipients_;
  lsmtpd_tls tls_{};
  lsmtpd_auth auth_{};
  lsmtpd_envelope envelope_{};
};

// Reads the object that the scanner left of a file: all members but the content.
Result<StoredMail> parse_stored(const std::string& json);

}  // namespace lsmtpd::mail_json
