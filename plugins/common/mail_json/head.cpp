// SPDX-License-Identifier: Apache-2.0
#include "mail_json/head.hpp"

#include "mail_json/content.hpp"
#include "mail_json/json_text.hpp"
#include "mail_json/timestamp.hpp"

namespace lsmtpd::mail_json {
namespace {

void add_if(Text& text, std::string_view key, lsmtpd_str value) {
  if (value.size > 0) text.key(key).string(view(value));
}

void add_recipients(Text& text, const lsmtpd_envelope& envelope) {
  text.key("recipients").open('[');
  std::string address;
  for (std::uint64_t i = 0; i < envelope.recipient_count; ++i) {
    address.assign(1, '<').append(view(lsmtpd_recipient_at(&envelope, i)->address)).push_back('>');
    text.string(address);
  }
  text.close(']');
}

void add_recipient_parameters(Text& text, const lsmtpd_envelope& envelope) {
  bool any = false;
  for (std::uint64_t i = 0; i < envelope.recipient_count; ++i)
    any = any || lsmtpd_recipient_at(&envelope, i)->parameters.size > 0;
  if (!any) return;
  text.key("recipient_parameters").open('[');
  for (std::uint64_t i = 0; i < envelope.recipient_count; ++i)
    text.string(view(lsmtpd_recipient_at(&envelope, i)->parameters));
  text.close(']');
}

void add_tls(Text& text, const lsmtpd_tls& tls) {
  text.key("tls").open('{');
  add_if(text, "version", tls.version);
  add_if(text, "cipher", tls.cipher);
  add_if(text, "server_name", tls.server_name);
  add_if(text, "client_subject", tls.client_subject);
  add_if(text, "client_sha256", tls.client_sha256);
  add_if(text, "by", tls.by);
  text.close('}');
}

// Only where some of the recipients are gone.
void add_recipient_numbers(Text& text, const lsmtpd_envelope& envelope) {
  if (envelope.recipient_total <= envelope.recipient_count) return;
  text.key("recipient_total").number(envelope.recipient_total);
  text.key("recipient_numbers").open('[');
  for (std::uint64_t i = 0; i < envelope.recipient_count; ++i)
    text.number(lsmtpd_recipient_at(&envelope, i)->number);
  text.close(']');
}

void add_extra(Text& text, const lsmtpd_envelope& envelope) {
  add_if(text, "peer_address", envelope.peer_address);
  if (envelope.peer_port != 0) text.key("peer_port").number(envelope.peer_port);
  add_if(text, "protocol", envelope.protocol);
  add_if(text, "listener", envelope.listener);
  if (envelope.tls != nullptr) add_tls(text, *envelope.tls);
  add_if(text, "auth_user", lsmtpd_auth_user(&envelope));
  add_if(text, "mail_parameters", envelope.parameters);
  add_recipient_parameters(text, envelope);
}

void add_bookkeeping(Text& text, const lsmtpd_envelope& envelope, const Bookkeeping& book,
                     bool extra) {
  text.key("lsmtpd").open('{');
  text.key("format").number(kFormat);
  text.key("copy_id").string(book.copy_id);
  if (!book.target.empty()) text.key("target").string(book.target);
  if (!book.reason.empty()) text.key("reason").string(book.reason);
  if (book.attempts != 0) text.key("attempts").number(book.attempts);
  if (book.first_ns != 0) text.key("first").string(format_timestamp(book.first_ns));
  if (book.in_doubt) text.key("in_doubt").boolean(true);
  add_recipient_numbers(text, envelope);
  if (!book.annotations.empty()) {
    text.key("annotations").open('{');
    for (const auto& [key, value] : book.annotations) text.key(key).string(value);
    text.close('}');
  }
  if (!extra) {
    text.key("envelope").open('{');
    add_extra(text, envelope);
    text.close('}');
  }
  text.close('}');
}

}  // namespace

std::string make_head(const lsmtpd_envelope& envelope, const WriterOptions& options) {
  Text text;
  text.open('{');
  text.key("timestamp").string(format_timestamp(envelope.time_ns));
  text.key("message_id").string(view(envelope.id));
  text.key("client_address").string(view(envelope.helo));
  add_recipients(text, envelope);
  text.key("sender").string(view(envelope.reverse_path));
  if (options.extra) {
    add_extra(text, envelope);
    add_if(text, kTraceparent, str(options.traceparent));
  }
  if (options.bookkeeping != nullptr) {
    add_bookkeeping(text, envelope, *options.bookkeeping, options.extra);
  }
  return text.take();
}

}  // namespace lsmtpd::mail_json
