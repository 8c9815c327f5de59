// SPDX-License-Identifier: Apache-2.0
#include "mail_properties.hpp"

#include <algorithm>
#include <cctype>
#include <mail_json/head.hpp>
#include <mail_json/utf8.hpp>
#include <string>

namespace lsmtpd::sink {

namespace {

std::string_view view(lsmtpd_str text) {
  return {text.data, text.size};
}

std::string clean(std::string_view text) {
  return mail_json::utf8_lossy(text);
}

// `whole`: whether none is missing.
std::string joined_recipients(const lsmtpd_envelope& envelope, std::size_t limit, bool* whole) {
  std::string out;
  *whole = true;
  for (std::uint64_t i = 0; i < envelope.recipient_count; ++i) {
    const auto address = view(lsmtpd_recipient_at(&envelope, i)->address);
    *whole = out.size() + 1 + address.size() <= limit;
    if (!*whole) break;
    if (i != 0) out += ',';
    out += address;
  }
  return out;
}

// Protocol and cipher; empty: clear text.
std::string tls_text(const lsmtpd_envelope& envelope) {
  if (envelope.tls == nullptr) return {};
  std::string text(view(envelope.tls->version));
  if (envelope.tls->cipher.size != 0) text.append(" ").append(view(envelope.tls->cipher));
  return text;
}

// JMS selectors know letters, digits and "_" in names. Consumers know the traceparent by its own.
std::string property_name(std::string_view key) {
  if (key == mail_json::kTraceparent) return std::string(key);
  std::string name = "annotation_" + std::string(key);
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0 && c != '_'; },
      '_');
  return name;
}

}  // namespace

void visit_properties(const MailProperties& properties, PropertyVisitor* visitor) {
  const lsmtpd_envelope& envelope = *properties.envelope;
  visitor->text("smtp_mail_from", clean(view(envelope.reverse_path)));
  bool whole = true;
  const std::string recipients = joined_recipients(envelope, properties.property_limit, &whole);
  if (whole || !properties.body_has_recipients) visitor->text("smtp_rcpt_to", clean(recipients));
  visitor->number("smtp_rcpt_count", static_cast<std::int32_t>(envelope.recipient_count));
  visitor->text("smtp_helo", clean(view(envelope.helo)));
  visitor->text("smtp_client_ip", clean(view(envelope.peer_address)));
  visitor->text("smtp_tls", clean(tls_text(envelope)));
  visitor->text("smtp_auth_user", clean(view(lsmtpd_auth_user(&envelope))));
  if (!properties.claim.empty()) visitor->text("claim_check", clean(properties.claim));
  std::size_t room = properties.property_limit;
  for (const auto& [key, value] : properties.annotations) {
    if (key.size() + value.size() > room) break;
    room -= key.size() + value.size();
    visitor->text(property_name(key), clean(value));
  }
}

}  // namespace lsmtpd::sink
