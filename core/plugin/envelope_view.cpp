// SPDX-License-Identifier: Apache-2.0
#include "plugin/envelope_view.hpp"

#include "plugin/verdict.hpp"

namespace lsmtpd::plugin {

EnvelopeView::EnvelopeView(const message::Envelope& e) {
  recipients_.reserve(e.recipients.size());
  uint32_t index = 0;
  for (const auto& r : e.recipients) {
    recipients_.push_back({.address = str(r.address),
                           .parameters = str(r.parameters),
                           .number = e.recipient_total == 0 ? index : r.number,
                           .reserved = 0});
    ++index;
  }
  abi_ = {.size = sizeof(lsmtpd_envelope),
          .recipient_stride = sizeof(lsmtpd_recipient),
          .id = str(e.id),
          .time_ns = e.time_ns,
          .reverse_path = str(e.reverse_path),
          .parameters = str(e.parameters),
          .recipients = recipients_.data(),
          .recipient_count = recipients_.size(),
          .recipient_total = e.recipient_total == 0 ? recipients_.size() : e.recipient_total,
          .session = e.session,
          .helo = str(e.helo),
          .protocol = str(e.protocol),
          .listener = str(e.listener),
          .peer_address = str(e.peer_address),
          .peer_name = str(e.peer_name),
          .local_address = str(e.local_address),
          .proxy_address = str(e.proxy_address),
          .peer_port = e.peer_port,
          .local_port = e.local_port,
          .tls = nullptr,
          .auth = nullptr};
  if (e.tls) {
    tls_ = {.size = sizeof(lsmtpd_tls),
            .client_verified = e.tls->client_verified,
            .version = str(e.tls->version),
            .cipher = str(e.tls->cipher),
            .server_name = str(e.tls->server_name),
            .client_subject = str(e.tls->client_subject),
            .client_sha256 = str(e.tls->client_sha256),
            .by = str(e.tls->by)};
    abi_.tls = &tls_;
  }
  if (e.auth) {
    auth_ = {.size = sizeof(lsmtpd_auth),
             .reserved = 0,
             .user = str(e.auth->user),
             .mechanism = str(e.auth->mechanism)};
    abi_.auth = &auth_;
  }
}

namespace {

std::string text(lsmtpd_str s) {
  return std::string(view(s));
}

}  // namespace

std::optional<message::Envelope> to_envelope(const lsmtpd_envelope& abi) {
  if (abi.size < sizeof(lsmtpd_envelope)) return std::nullopt;
  if (abi.recipient_count != 0 && abi.recipient_stride < sizeof(lsmtpd_recipient))
    return std::nullopt;
  message::Envelope e;
  e.id = view(abi.id);
  e.time_ns = abi.time_ns;
  e.reverse_path = view(abi.reverse_path);
  e.parameters = view(abi.parameters);
  if (abi.recipient_total > abi.recipient_count)
    e.recipient_total = static_cast<uint32_t>(abi.recipient_total);
  for (uint64_t i = 0; i < abi.recipient_count; ++i) {
    const lsmtpd_recipient& r = *lsmtpd_recipient_at(&abi, i);
    e.recipients.push_back({text(r.address), text(r.parameters), r.number});
  }
  e.session = abi.session;
  e.helo = view(abi.helo);
  e.protocol = view(abi.protocol);
  e.listener = view(abi.listener);
  e.peer_address = view(abi.peer_address);
  e.peer_name = view(abi.peer_name);
  e.local_address = view(abi.local_address);
  e.proxy_address = view(abi.proxy_address);
  e.peer_port = static_cast<uint16_t>(abi.peer_port);
  e.local_port = static_cast<uint16_t>(abi.local_port);
  if (abi.tls && abi.tls->size >= sizeof(lsmtpd_tls)) {
    e.tls = std::make_shared<message::Tls>(
        message::Tls{text(abi.tls->version), text(abi.tls->cipher), text(abi.tls->server_name),
                     text(abi.tls->client_subject), text(abi.tls->client_sha256), text(abi.tls->by),
                     abi.tls->client_verified != 0});
  }
  if (abi.auth && abi.auth->size >= sizeof(lsmtpd_auth)) {
    e.auth = std::make_shared<message::Auth>(
        message::Auth{text(abi.auth->user), text(abi.auth->mechanism)});
  }
  return e;
}

}  // namespace lsmtpd::plugin
