// SPDX-License-Identifier: Apache-2.0
#include "condition.hpp"

#include <algorithm>

#include "pattern.hpp"

namespace lsmtpd::access {
namespace {

std::string_view view(lsmtpd_str text) {
  return text.size == 0 ? std::string_view()
                        : std::string_view(text.data, static_cast<size_t>(text.size));
}

Match matched(bool yes) {
  return yes ? Match::yes : Match::no;
}

std::optional<uint16_t> find(const Image& image, Condition::Subject subject, const Facts& facts) {
  using Subject = Condition::Subject;
  switch (subject) {
    case Subject::client:
      return facts.client() ? image.find(*facts.client()) : std::nullopt;
    case Subject::client_name:
      return find_name(image, facts.client_name());
    case Subject::helo:
      return find_name(image, facts.helo());
    case Subject::sender:
    case Subject::recipient: {
      const mail_names::Address& address =
          subject == Subject::sender ? facts.sender() : facts.recipient();
      return find_address(image, address.local, address.domain, address.null);
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

Facts::Facts(const lsmtpd_envelope& envelope, uint32_t phase, std::optional<uint64_t> recipient)
    : envelope_(envelope), phase_(phase), recipient_(recipient) {}

const std::optional<mail_names::Ip>& Facts::client() const {
  if (!client_) client_ = mail_names::parse_ip(view(envelope_.peer_address));
  return *client_;
}

const std::string& Facts::client_name() const {
  if (!client_name_) client_name_ = mail_names::normal_domain(view(envelope_.peer_name));
  return *client_name_;
}

const std::string& Facts::helo() const {
  if (!helo_) helo_ = mail_names::normal_domain(view(envelope_.helo));
  return *helo_;
}

const mail_names::Address& Facts::sender() const {
  if (!sender_address_) sender_address_ = mail_names::normal_address(view(envelope_.reverse_path));
  return *sender_address_;
}

const mail_names::Address& Facts::recipient() const {
  if (!recipient_address_)
    recipient_address_ =
        mail_names::normal_address(view(lsmtpd_recipient_at(&envelope_, *recipient_)->address));
  return *recipient_address_;
}

Match Condition::match_lists(const Facts& facts, const Tables& tables,
                             const Verdict*& verdict) const {
  if (entries && find(entries->image(), subject, facts)) return Match::yes;
  if (!file) return Match::no;
  const Table& table = *tables[*file];
  const auto number = find(table.image(), subject, facts);
  if (!number) return Match::no;
  const Verdict* own = table.verdict(*number);
  if (own == nullptr) return Match::yes;
  // An entry that says "continue" is an exception from its list.
  if (own->action == Verdict::Action::proceed) return Match::no;
  verdict = own;
  return Match::yes;
}

Match Condition::match_session(const Facts& facts) const {
  const lsmtpd_envelope& envelope = facts.envelope();
  const auto is_one_of = [&](std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (subject == Subject::listener) return matched(is_one_of(view(envelope.listener)));
  if (subject == Subject::tls) {
    // A client may still say STARTTLS or AUTH, until MAIL.
    if (envelope.tls == nullptr && !facts.knows_sender()) return Match::unknown;
    if (state == State::none) return matched(envelope.tls == nullptr);
    return matched(envelope.tls != nullptr &&
                   (state == State::any || envelope.tls->client_verified != 0));
  }
  if (envelope.auth == nullptr && !facts.knows_sender()) return Match::unknown;
  if (subject == Subject::user)
    return matched(envelope.auth != nullptr && is_one_of(view(envelope.auth->user)));
  return matched((envelope.auth != nullptr) == (state == State::any));
}

Match Condition::match(const Facts& facts, const Tables& tables, const Verdict*& verdict) const {
  switch (subject) {
    case Subject::client:
    case Subject::client_name:
      return match_lists(facts, tables, verdict);
    case Subject::helo:
      return facts.knows_helo() ? match_lists(facts, tables, verdict) : Match::unknown;
    case Subject::sender:
      return facts.knows_sender() ? match_lists(facts, tables, verdict) : Match::unknown;
    case Subject::recipient:
      return facts.knows_recipient() ? match_lists(facts, tables, verdict) : Match::unknown;
    default:
      return match_session(facts);
  }
}

}  // namespace lsmtpd::access
