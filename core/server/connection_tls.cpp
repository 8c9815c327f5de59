// SPDX-License-Identifier: Apache-2.0
// Connection: TLS, from the first octet (RFC 8314) or after STARTTLS (RFC 3207).
#include "log/log.hpp"
#include "server/connection.hpp"

namespace lsmtpd::server {

namespace {

message::Tls tls_of(io::TlsStream::Facts facts) {
  return {.version = std::move(facts.version),
          .cipher = std::move(facts.cipher),
          .server_name = std::move(facts.server_name),
          .client_subject = std::move(facts.client_subject),
          .client_sha256 = std::move(facts.client_sha256),
          .by = {},
          .client_verified = facts.client_verified};
}

}  // namespace

// False: there is no room for another session, which the log says once for many clients.
bool Connection::reserve_tls() {
  auto& room = service_->tls->room;
  tls_ = std::make_unique<TlsAccount>(room, service_->tls->handshakes, peer_);
  if (tls_->begin_handshake(service_->loop.now_ms(), service_->timeouts.tls,
                            [this] { give_up_handshake(); }))
    return true;
  tls_.reset();
  service_->metrics.count_handshake(Handshake::no_room);
  if (const auto held_back = room.refusals.admit(service_->loop.now_ms())) {
    const auto& reply = smtp::replies::kNoTlsNow;
    log_line(log::Level::warn, "refused",
             {{"at", "tls"},
              {"peer", remote_.text()},
              {"listener", service_->listener.name},
              {"code", code_of(reply)},
              {"why", reason_of(reply)},
              {"held_back", *held_back}});
  }
  return false;
}

// The connection begins with a handshake.
void Connection::begin_with_tls() {
  if (reserve_tls()) {
    begin_handshake();
  } else {
    close();
  }
}

// STARTTLS. False: the connection closes.
bool Connection::start_tls() {
  if (!reserve_tls()) {
    const auto& reply = smtp::replies::kNoTlsNow;
    service_->metrics.count_refusal(RefusedAt::command, code_of(reply), Reason::tls);
    session_.refuse(make(reply));
    return true;
  }
  session_.proceed();
  send_replies();
  if (half_closed_) {  // there will be no handshake
    close_when_sent(false);
    return false;
  }
  begin_handshake();
  return true;
}

// From here on the stream below hands its octets to TLS; what came before is not used.
void Connection::begin_handshake() {
  advance(Event::handshake_begun);
  timers_.expect_handshake(deadlines());
  handshake_at_ms_ = service_->loop.now_ms();
  stream_ = std::make_unique<io::TlsStream>(
      service_->loop, service_->tls->turns, std::move(stream_),
      io::TlsStream::Settings{
          .context = service_->tls->certificates.current(),
          .client_certificate = service_->listener.client_certificate,
          .hold = [this](uint64_t octets) { return tls_->resize(octets); },
          .done = [this](Result<io::TlsStream::Facts> facts) { handshaken(std::move(facts)); }});
  stream_->set_handler(*this);
}

// For a newcomer, where there is no room for both.
void Connection::give_up_handshake() {
  tls_failed("it gave its place to a newcomer: limits.tls_memory");
  close();
  tls_->end_handshake(false);
}

void Connection::handshaken(Result<io::TlsStream::Facts> facts) {
  tls_->end_handshake(facts.has_value());
  if (!facts) {
    tls_failed(facts.error().message);
    close_when_sent(true);  // for the alert
    return;
  }
  advance(Event::handshake_done);
  timers_.forget_idle();
  service_->metrics.count_handshake(facts->version == "TLSv1.2" ? Handshake::ok_1_2
                                                                : Handshake::ok_1_3);
  service_->metrics.tls_sessions.add(1);
  in_tls_ = true;
  const auto tls = std::make_shared<const message::Tls>(tls_of(std::move(*facts)));
  log_line(log::Level::info, "tls",
           {{"peer", remote_.text()},
            {"listener", service_->listener.name},
            {"version", tls->version},
            {"cipher", tls->cipher},
            {"server_name", tls->server_name},
            {"client_subject", tls->client_subject},
            {"client_sha256", tls->client_sha256},
            {"client_verified", tls->client_verified},
            {"ms", service_->loop.now_ms() - handshake_at_ms_}});
  if (trace_) trace_->event(tls->version + " with " + tls->cipher);
  session_.begin_tls(tls);
  resume();
}

void Connection::tls_failed(std::string_view why) {
  service_->metrics.count_handshake(Handshake::failed);
  if (trace_) trace_->event("TLS could not begin: " + std::string(why));
  const auto held_back = peer_->refusals.admit(service_->loop.now_ms());
  if (!held_back) return;
  log_line(log::Level::info, "tls_failed",
           {{"peer", remote_.text()},
            {"listener", service_->listener.name},
            {"why", why},
            {"held_back", *held_back}});
}

}  // namespace lsmtpd::server
