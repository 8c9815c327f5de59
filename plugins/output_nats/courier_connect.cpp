// SPDX-License-Identifier: Apache-2.0
// Courier, third part: how it connects and logs in.
#include <algorithm>
#include <memory>

#include "courier.hpp"

namespace lsmtpd::nats {

namespace {

struct DestroyOptions {
  void operator()(natsOptions* options) const { natsOptions_Destroy(options); }
};
using OptionsPointer = std::unique_ptr<natsOptions, DestroyOptions>;

OptionsPointer make_options() {
  natsOptions* options = nullptr;
  (void)natsOptions_Create(&options);
  return OptionsPointer(options);
}

// Runs one after the other, up to the first that fails.
class Chain {
 public:
  explicit Chain(natsOptions* options) : options_(options) {}
  template <class... Arguments, class... Given>
  Chain& operator()(natsStatus (*set)(natsOptions*, Arguments...), Given... given) {
    if (status == NATS_OK) status = set(options_, given...);
    return *this;
  }
  natsStatus status = NATS_OK;

 private:
  natsOptions* options_;
};

bool is_of_login(natsStatus status) {
  return status == NATS_CONNECTION_AUTH_FAILED || status == NATS_NOT_PERMITTED ||
         status == NATS_ILLEGAL_STATE || status == NATS_NOT_FOUND;
}

}  // namespace

// The library writes "(conn.c:1234): text".
std::string Courier::error_text(natsStatus status) {
  natsStatus of_last = NATS_OK;
  const char* said = nats_GetLastError(&of_last);
  std::string_view text = said == nullptr || of_last != status ? "" : said;
  const auto place = text.find("): ");
  if (text.starts_with('(') && place != text.npos) text.remove_prefix(place + 3);
  return text.empty() ? natsStatus_GetText(status) : std::string(text);
}

natsStatus Courier::set_up(natsOptions* options) {
  Chain set(options);
  set(natsOptions_SetURL, settings_.url.c_str())(natsOptions_SetName, settings_.name.c_str())(
      natsOptions_SetTimeout, settings_.timeout.count())(natsOptions_SetAllowReconnect, false)(
      natsOptions_SetIgnoreDiscoveredServers, true)(natsOptions_SetNoEcho, true);
  // A message is written when the socket takes it: no thread of the library that flushes. Its PINGs
  // come from a thread that closes the connection under this one: the questions about the stream
  // show whether the server is there.
  set(natsOptions_SetSendAsap, true)(natsOptions_SetPingInterval, std::int64_t{0})(
      natsOptions_SetEventLoop, static_cast<void*>(this), &Courier::attach, &Courier::want_read,
      &Courier::want_write, &Courier::detach);
  set(natsOptions_SetErrorHandler, &Courier::on_error, static_cast<void*>(this))(
      natsOptions_SetClosedCB, &Courier::on_closed, static_cast<void*>(this));
  return set.status == NATS_OK ? log_in(options) : set.status;
}

natsStatus Courier::log_in(natsOptions* options) {
  if (!settings_.credentials_file.empty())
    return natsOptions_SetUserCredentialsFromFiles(options, settings_.credentials_file.c_str(),
                                                   nullptr);
  if (!settings_.token.empty()) return natsOptions_SetToken(options, settings_.token.c_str());
  if (settings_.username.empty()) return NATS_OK;
  return natsOptions_SetUserInfo(options, settings_.username.c_str(), settings_.password.c_str());
}

// False: it has said so. A server that requires TLS would get it, though the URL has none, and no
// time limit either.
bool Courier::set_up_tls(natsOptions* options) {
  const bool checks = settings_.tls_options.verify != sink::Verify::none;
  // This makes the context.
  const auto make = [&] { return natsOptions_SkipServerVerification(options, !checks) == NATS_OK; };
  auto tls = settings_.tls
                 ? sink::LibraryTls::make(settings_.tls_options, settings_.host, make)
                 : sink::LibraryTls::refuse("the server requires TLS: use tls:// in `urls`", make);
  if (!tls) {
    end(sink::Step::tls, tls.error());
    return false;
  }
  if (settings_.tls) {
    if (const natsStatus status = natsOptions_SetSecure(options, true); status != NATS_OK) {
      fail(status);
      return false;
    }
  }
  const std::lock_guard lock(mutex_);
  tls_ = *std::move(tls);
  if (stopping_) tls_->interrupt();
  return true;
}

bool Courier::connect() {
  const OptionsPointer options = make_options();
  if (!options) {
    end(sink::Step::connect, "libnats cannot be used");
    return false;
  }
  if (const natsStatus status = set_up(options.get()); status != NATS_OK) {
    fail(status);
    return false;
  }
  if (!set_up_tls(options.get())) return false;
  const natsStatus status = natsConnection_Connect(&connection_, options.get());
  tls_->over();
  if (status != NATS_OK) {
    connection_ = nullptr;
    fail(status);
    return false;
  }
  connected_ = true;
  return subscribe();
}

void Courier::fail(natsStatus status) {
  const std::string why = error_text(status);
  if (tls_ && !tls_->refusal().empty()) return end(sink::Step::tls, tls_->refusal());
  if (status == NATS_SSL_ERROR || status == NATS_SECURE_CONNECTION_WANTED ||
      status == NATS_SECURE_CONNECTION_REQUIRED)
    return end(sink::Step::tls, why);
  if (is_of_login(status)) return end(sink::Step::sasl, why);
  const bool spoken = status == NATS_PROTOCOL_ERROR || status == NATS_ERR;
  end(spoken ? sink::Step::open : sink::Step::connect, why);
}

bool Courier::subscribe() {
  const std::string inbox = settings_.inbox + ".*";
  natsStatus status =
      natsConnection_Subscribe(&answers_, connection_, inbox.c_str(), &Courier::on_answer, this);
  if (status == NATS_OK)
    status = natsSubscription_SetOnCompleteCB(answers_, &Courier::on_answers_over, this);
  answers_end_ = status == NATS_OK;
  // There are no more than messages in flight.
  if (status == NATS_OK) status = natsSubscription_SetPendingLimits(answers_, -1, -1);
  if (status != NATS_OK) {
    fail(status);
    return false;
  }
  learn();
  const std::lock_guard lock(mutex_);
  open_news_ = true;
  tell();
  return true;
}

void Courier::learn() {
  char id[128] = "";
  (void)natsConnection_GetConnectedServerId(connection_, id, sizeof id);
  server_.id = id;
  server_.max_payload = static_cast<std::uint64_t>(
      std::max<std::int64_t>(natsConnection_GetMaxPayload(connection_), 0));
  server_.headers = natsConnection_HasHeaderSupport(connection_) == NATS_OK;
  if (settings_.tls) server_.tls = tls_->description();
}

}  // namespace lsmtpd::nats
