// SPDX-License-Identifier: Apache-2.0
#include "question.hpp"

#include "mail_json/base64.hpp"
#include "mail_json/json_text.hpp"

namespace filter_http {

namespace sdk = lsmtpd::sdk;
namespace mail_json = lsmtpd::mail_json;

namespace {

std::string base64(std::string_view bytes) {
  std::string out(mail_json::base64_size(bytes.size()) + 4, '\0');
  mail_json::Base64Encoder encoder;
  const auto step = encoder.encode(bytes, out.data(), out.size());
  out.resize(step.written + encoder.finish(out.data() + step.written));
  return out;
}

void put(mail_json::Text& text, std::string_view key, lsmtpd_str value) {
  text.key(key).string(sdk::view(value));
}

void put_peer(mail_json::Text& text, const lsmtpd_envelope& envelope) {
  text.key("peer").open('{');
  put(text, "address", envelope.peer_address);
  text.key("port").number(envelope.peer_port);
  put(text, "name", envelope.peer_name);
  text.close('}');
}

void put_tls(mail_json::Text& text, const lsmtpd_tls& tls) {
  text.key("tls").open('{');
  put(text, "version", tls.version);
  put(text, "cipher", tls.cipher);
  put(text, "server_name", tls.server_name);
  put(text, "client_subject", tls.client_subject);
  text.key("client_verified").boolean(tls.client_verified != 0);
  text.close('}');
}

void put_recipients(mail_json::Text& text, const Question& question) {
  const auto& envelope = *question.envelope;
  if (question.phase == "rcpt") {  // the others were asked about before
    if (envelope.recipient_count > 0)
      put(text, "recipient", lsmtpd_recipient_at(&envelope, envelope.recipient_count - 1)->address);
    text.key("recipients_before")
        .number(envelope.recipient_count > 0 ? envelope.recipient_count - 1 : 0);
    return;
  }
  text.key("recipients").open('[');
  for (uint64_t i = 0; i < envelope.recipient_count; ++i)
    text.string(sdk::view(lsmtpd_recipient_at(&envelope, i)->address));
  text.close(']');
}

void put_message(mail_json::Text& text, const Question& question) {
  text.key("size").number(question.message->size());
  text.key("annotations").open('{');
  question.message->each_annotation(
      [&](std::string_view key, std::string_view value) { text.key(key).string(value); });
  text.close('}');
  if (question.content.empty()) return;
  text.key("content").string(base64(question.content));
  text.key("content_is_whole").boolean(question.content.size() == question.message->size());
}

}  // namespace

std::string question_text(const Question& question, std::string_view plugin,
                          std::string_view hostname) {
  const lsmtpd_envelope& envelope = *question.envelope;
  mail_json::Text text;
  text.open('{');
  text.key("phase").string(question.phase);
  text.key("plugin").string(plugin);
  text.key("hostname").string(hostname);
  put(text, "listener", envelope.listener);
  put_peer(text, envelope);
  if (question.phase != "connect") {
    put(text, "id", envelope.id);
    put(text, "helo", envelope.helo);
    put(text, "protocol", envelope.protocol);
    put(text, "user", lsmtpd_auth_user(&envelope));
    if (envelope.tls != nullptr) put_tls(text, *envelope.tls);
    put(text, "sender", envelope.reverse_path);
    put(text, "parameters", envelope.parameters);
    if (question.declared_size != 0) text.key("declared_size").number(question.declared_size);
  }
  if (question.phase == "rcpt" || question.phase == "message") put_recipients(text, question);
  if (question.message != nullptr) put_message(text, question);
  text.close('}');
  return text.take();
}

}  // namespace filter_http
