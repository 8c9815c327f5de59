// SPDX-License-Identifier: Apache-2.0
#include "request.hpp"

#include <algorithm>
#include <string_view>

namespace lsmtpd::policy {
namespace {

std::string_view view(lsmtpd_str text) {
  return text.size == 0 ? std::string_view()
                        : std::string_view(text.data, static_cast<size_t>(text.size));
}

class Text {
 public:
  void add(std::string_view name, std::string_view value) {
    out_ += name;
    out_ += '=';
    const size_t begin = out_.size();
    out_ += value;
    std::replace_if(
        out_.begin() + static_cast<std::ptrdiff_t>(begin), out_.end(),
        [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    out_ += '\n';
  }
  void add(std::string_view name, uint64_t value) { add(name, std::to_string(value)); }
  std::string take() { return std::move(out_) + "\n"; }

 private:
  std::string out_;
};

std::string_view protocol_name(std::string_view protocol) {
  if (protocol.substr(0, 4) == "LMTP" || protocol.substr(0, 8) == "UTF8LMTP") return "LMTP";
  return protocol == "SMTP" || protocol.empty() ? "SMTP" : "ESMTP";
}

std::string_view state_name(const Question& question) {
  switch (question.phase) {
    case LSMTPD_PHASE_CONNECT:
      return "CONNECT";
    case LSMTPD_PHASE_HELO:
      return view(question.envelope->protocol) == "SMTP" ? "HELO" : "EHLO";
    case LSMTPD_PHASE_MAIL:
      return "MAIL";
    case LSMTPD_PHASE_RCPT:
      return "RCPT";
    case LSMTPD_PHASE_DATA:
      return "DATA";
    default:
      return "END-OF-MESSAGE";
  }
}

std::string_view or_unknown(lsmtpd_str name) {
  return name.size == 0 ? "unknown" : view(name);
}

// "AB:CD:..." of hexadecimal digits, as Postfix prints it.
std::string fingerprint(std::string_view digits) {
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && i % 2 == 0) out += ':';
    const char c = digits[i];
    out += c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return out;
}

// Bits of the session's key, from the name of the cipher.
uint64_t key_size(std::string_view cipher) {
  const auto has = [&](std::string_view part) { return cipher.find(part) != cipher.npos; };
  if (has("256") && (has("AES256") || has("AES_256") || has("ARIA256") || has("CAMELLIA256")))
    return 256;
  if (has("CHACHA20")) return 256;
  return has("AES") || has("ARIA") || has("CAMELLIA") ? 128 : 0;
}

void add_recipients(Text& text, const Question& question) {
  const lsmtpd_envelope& envelope = *question.envelope;
  const uint64_t count = envelope.recipient_count;
  // Postfix names the one recipient; at DATA and later only where there is one.
  const bool one = question.phase == LSMTPD_PHASE_RCPT ? count > 0 : count == 1;
  const bool counted = question.phase == LSMTPD_PHASE_DATA || question.phase == kEndOfMessage;
  text.add("recipient",
           one ? view(lsmtpd_recipient_at(&envelope, count - 1)->address) : std::string_view());
  text.add("recipient_count", counted ? count : 0);
}

void add_security(Text& text, const lsmtpd_envelope& envelope) {
  const lsmtpd_auth* auth = envelope.auth;
  text.add("sasl_method", auth == nullptr ? std::string_view() : view(auth->mechanism));
  text.add("sasl_username", auth == nullptr ? std::string_view() : view(auth->user));
  text.add("sasl_sender", "");
  const lsmtpd_tls* tls = envelope.tls;
  const bool verified = tls != nullptr && tls->client_verified != 0;
  text.add("ccert_subject", verified ? view(tls->client_subject) : std::string_view());
  text.add("ccert_issuer", "");
  text.add("ccert_fingerprint",
           tls == nullptr ? std::string() : fingerprint(view(tls->client_sha256)));
  text.add("ccert_pubkey_fingerprint", "");
  text.add("encryption_protocol", tls == nullptr ? std::string_view() : view(tls->version));
  text.add("encryption_cipher", tls == nullptr ? std::string_view() : view(tls->cipher));
  text.add("encryption_keysize", tls == nullptr ? 0 : key_size(view(tls->cipher)));
}

}  // namespace

std::string request_text(const Question& question) {
  const lsmtpd_envelope& envelope = *question.envelope;
  const std::string_view id = view(envelope.id);
  Text text;
  text.add("request", "smtpd_access_policy");
  text.add("protocol_state", state_name(question));
  text.add("protocol_name", protocol_name(view(envelope.protocol)));
  text.add("client_address", view(envelope.peer_address));
  text.add("client_name", or_unknown(envelope.peer_name));
  text.add("client_port", envelope.peer_port);
  text.add("reverse_client_name", or_unknown(envelope.peer_name));
  text.add("server_address", view(envelope.local_address));
  text.add("server_port", envelope.local_port);
  text.add("helo_name", view(envelope.helo));
  text.add("sender", view(envelope.reverse_path));
  add_recipients(text, question);
  text.add("queue_id", id);
  // The same for all requests of one message, and of no other.
  text.add("instance",
           id.empty() ? std::to_string(question.worker) + "." + std::to_string(envelope.session)
                      : std::string(id));
  text.add("size", question.size);
  text.add("etrn_domain", "");
  text.add("stress", "");
  add_security(text, envelope);
  text.add("policy_context", "");
  return text.take();
}

}  // namespace lsmtpd::policy
