// SPDX-License-Identifier: Apache-2.0
#include "mail_json/head.hpp"

#include <algorithm>

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
    address.assign(1, '<').append(view(envelope.recipients[i].address)).push_back('>');
    text.string(address);
  }
  text.close(']');
}

void add_recipient_parameters(Text& text, const lsmtpd_envelope& envelope) {
  const lsmtpd_recipient* end = envelope.recipients + envelope.recipient_count;
  const bool any = std::any_of(envelope.recipients, end,
                               [](const auto& one) { return one.parameters.size > 0; });
  if (!any) return;
  text.key("recipient_parameters").open('[');
  for (const lsmtpd_recipient* one = envelope.recipients; one != end; ++one) {
    text.string(view(one->parameters));
  }
  text.close(']');
}

void add_extra(Text& text, const lsmtpd_envelope& envelope) {
  add_if(text, "peer_address", envelope.peer_address);
  if (envelope.peer_port != 0) text.key("peer_port").number(envelope.peer_port);
  add_if(text, "protocol", envelope.protocol);
  add_if(text, "listener", envelope.listener);
  add_if(text, "tls", envelope.tls);
  add_if(text, "auth_user", envelope.auth_user);
  add_if(text, "mail_parameters", envelope.parameters);
  add_recipient_parameters(text, envelope);
}

void add_bookkeeping(Text& text, const lsmtpd_envelope& envelope, const Bookkeeping& book,
                     bool extra) {
  text.key("lsmtpd").open('{');
  text.key("format").number(kFormat);
  text.key("copy_id").string(book.copy_id);
  if (!book.target.empty()) text.key("target").string(book.target);
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
  if (options.extra) add_extra(text, envelope);
  if (options.bookkeeping != nullptr) {
    add_bookkeeping(text, envelope, *options.bookkeeping, options.extra);
  }
  return text.take();
}

}  // namespace lsmtpd::mail_json
