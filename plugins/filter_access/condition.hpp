// SPDX-License-Identifier: Apache-2.0
// One condition of a rule, and the facts of a session that it is compared with.
#pragma once

#include <lsmtpd/message.h>
#include <lsmtpd/session.h>
#include <mail_names/ip.hpp>
#include <mail_names/mail_names.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "table_set.hpp"

namespace lsmtpd::access {

// The facts of an event, brought into the form of look-ups when they are first asked for.
class Facts {
 public:
  // `recipient`: number of the recipient in question; nothing: not known yet.
  Facts(const lsmtpd_envelope& envelope, uint32_t phase, std::optional<uint64_t> recipient);

  const lsmtpd_envelope& envelope() const { return envelope_; }
  bool knows_helo() const { return phase_ >= LSMTPD_PHASE_HELO; }
  bool knows_sender() const { return phase_ >= LSMTPD_PHASE_MAIL; }
  bool knows_recipient() const { return recipient_.has_value(); }

  const std::optional<mail_names::Ip>& client() const;
  const std::string& client_name() const;
  const std::string& helo() const;
  const mail_names::Address& sender() const;
  const mail_names::Address& recipient() const;

 private:
  const lsmtpd_envelope& envelope_;
  uint32_t phase_;
  std::optional<uint64_t> recipient_;
  mutable std::optional<std::optional<mail_names::Ip>> client_;
  mutable std::optional<std::string> client_name_, helo_;
  mutable std::optional<mail_names::Address> sender_address_, recipient_address_;
};

enum class Match { no, yes, unknown };  // unknown: a later phase will tell

struct Condition {
  enum class Subject { client, client_name, helo, sender, recipient, user, listener, tls, auth };
  enum class State { none, any, verified };

  Subject subject = Subject::client;
  // client to recipient: the entries of the option, and the number of the file in the TableSet.
  std::shared_ptr<const Table> entries;
  std::optional<size_t> file;
  std::vector<std::string> words;  // user, listener
  State state = State::any;        // tls, auth

  // `verdict` becomes that of the entry, where the entry has one of its own.
  Match match(const Facts& facts, const Tables& tables, const Verdict*& verdict) const;

 private:
  Match match_lists(const Facts& facts, const Tables& tables, const Verdict*& verdict) const;
  Match match_session(const Facts& facts) const;
};

}  // namespace lsmtpd::access
