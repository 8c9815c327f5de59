// SPDX-License-Identifier: Apache-2.0
#include "amqp_connection.hpp"

#include <proton/logger.h>
#include <proton/sasl.h>
#include <proton/ssl.h>
#include <unistd.h>

#include <proton/connection_options.hpp>
#include <proton/duration.hpp>
#include <proton/error_condition.hpp>
#include <proton/sender.hpp>
#include <proton/session.hpp>
#include <proton/symbol.hpp>
#include <proton/tracker.hpp>
#include <proton/value.hpp>
#include <random>

#include "reach.hpp"

namespace lsmtpd::amqp {

namespace {

constexpr std::chrono::milliseconds kShutPatience{1000};
// Sessions that we ended and the broker did not: the engine keeps them, some 2 KiB each.
constexpr std::size_t kUnended = 1000;

std::uint64_t dice() {
  static thread_local std::minstd_rand engine{std::random_device{}()};
  return engine();
}

pn_ssl_verify_mode_t verify_mode(Verify verify) {
  if (verify == Verify::none) return PN_SSL_ANONYMOUS_PEER;
  return verify == Verify::certificate ? PN_SSL_VERIFY_PEER : PN_SSL_VERIFY_PEER_NAME;
}

}  // namespace

std::string_view to_string(Step step) {
  switch (step) {
    case Step::resolve:
      return "resolve";
    case Step::connect:
      return "connect";
    case Step::tls:
      return "tls";
    case Step::sasl:
      return "sasl";
    case Step::open:
      return "open";
    case Step::attach:
      break;
  }
  return "attach";
}

Connection::Connection(sdk::LaneHost host, const Options& options, std::string container_id,
                       Owner& owner)
    : host_(host),
      options_(options),
      container_id_(std::move(container_id)),
      owner_(owner),
      failover_(options.urls.size(), static_cast<std::uint64_t>(options.reconnect_first.count()),
                static_cast<std::uint64_t>(options.reconnect_last.count())),
      connector_(host) {}

void Connection::start(bool retry, std::size_t index) {
  retry_ = retry;
  index_ = index;
  attempt();
}

void Connection::attempt() {
  error_.clear();
  product_ = {};
  begun_ = false;
  proved_ = false;
  reported_ = Step::resolve;
  timer_ = host_.timer(options_.connect_timeout, [this] { expired(); });
  connector_.start(
      url(), [this](const std::string& text) { owner_.step_done(Step::resolve, text); },
      [this](const Connector::Result& result) {
        if (result.fd < 0)
          return failed(result.resolved ? Step::connect : Step::resolve, result.text);
        owner_.step_done(Step::connect, result.text);
        reported_ = Step::connect;
        connected(result.fd);
      });
}

void Connection::connected(int fd) {
  transport_ = std::make_unique<Transport>(host_, fd, static_cast<Transport::Owner&>(*this));
  proton::connection_options options(*this);
  options.container_id(container_id_)
      .max_frame_size(options_.max_frame_size)
      .idle_timeout(proton::duration(static_cast<std::uint64_t>(options_.idle_timeout.count())))
      .sasl_enabled(true)
      .sasl_allow_insecure_mechs(true)
      .sasl_allowed_mechs(options_.mechanisms)
      .virtual_host(url().host);
  if (!options_.username.empty()) options.user(options_.username).password(options_.password);
  auto& driver = transport_->driver();
  driver.configure(options);
  // It would write to standard error, with what the broker said as it was said; what matters comes
  // as an event too. (Its masks do not hold all of it back.)
  pn_logger_set_log_sink(
      pn_transport_logger(reach(driver.transport())),
      [](intptr_t, pn_log_subsystem_t, pn_log_level_t, const char*) {}, 0);
  std::string error;
  if (url().tls && !configure_tls(reach(driver.transport()), &error))
    return failed(Step::tls, error);
  // Only now: TLS and SASL have taken their name from the first.
  proton::connection_options hostname;
  if (!options_.virtual_host.empty()) hostname.virtual_host(options_.virtual_host);
  driver.connection().open(hostname);
  if (!transport_->start()) failed(Step::connect, "the socket could not be watched");
}

bool Connection::configure_tls(pn_transport_t* transport, std::string* error) {
  const TlsOptions& tls = options_.tls;
  pn_ssl_domain_t* domain = pn_ssl_domain(PN_SSL_MODE_CLIENT);
  const auto good = [&](int result, const char* what) {
    if (result != 0 && error->empty()) *error = what;
    return result == 0;
  };
  const char* password = tls.key_password.empty() ? nullptr : tls.key_password.c_str();
  if (domain == nullptr) {
    *error = "no memory";
  } else if ((tls.ca.empty() || good(pn_ssl_domain_set_trusted_ca_db(domain, tls.ca.c_str()),
                                     "`tls_ca` cannot be read")) &&
             (tls.certificate.empty() ||
              good(pn_ssl_domain_set_credentials(domain, tls.certificate.c_str(), tls.key.c_str(),
                                                 password),
                   "`tls_certificate` or `tls_key` cannot be used")) &&
             good(pn_ssl_domain_set_peer_authentication(domain, verify_mode(tls.verify), nullptr),
                  "no trusted certificates: set `tls_ca`") &&
             good(pn_ssl_domain_set_protocols(domain, tls.protocols.c_str()),
                  "`tls_min_version` is not supported")) {
    pn_ssl_t* ssl = pn_ssl(transport);
    const std::string& name = tls.name.empty() ? url().host : tls.name;
    good(pn_ssl_init(ssl, domain, nullptr), "TLS cannot be set up");
    good(pn_ssl_set_peer_hostname(ssl, name.c_str()), "the broker's name cannot be set");
  }
  if (domain != nullptr) pn_ssl_domain_free(domain);
  return error->empty();
}

// How far the present attempt has come.
Step Connection::step() const {
  if (!transport_) return connector_.resolving() ? Step::resolve : Step::connect;
  pn_transport_t* transport = reach(transport_->driver().transport());
  char name[64];
  const bool broken = error_.find("SSL") != std::string::npos;
  if (url().tls && (broken || !pn_ssl_get_protocol_name(pn_ssl(transport), name, sizeof name)))
    return Step::tls;
  return pn_sasl_outcome(pn_sasl(transport)) == PN_SASL_OK ? Step::open : Step::sasl;
}

// The steps inside the engine are noticed when a later one is.
void Connection::report_before(Step step) {
  if (!transport_) return;
  pn_transport_t* transport = reach(transport_->driver().transport());
  if (reported_ < Step::tls && step > Step::tls && url().tls) {
    char protocol[64] = "";
    char cipher[128] = "";
    pn_ssl_get_protocol_name(pn_ssl(transport), protocol, sizeof protocol);
    pn_ssl_get_cipher_name(pn_ssl(transport), cipher, sizeof cipher);
    owner_.step_done(Step::tls, std::string(protocol) + " " + cipher);
  }
  if (reported_ < Step::sasl && step > Step::sasl) {
    const char* mechanism = pn_sasl_get_mech(pn_sasl(transport));
    owner_.step_done(Step::sasl, mechanism == nullptr ? "" : mechanism);
  }
  if (step > reported_) reported_ = step;
}

void Connection::expired() {
  const Step at = step();
  failed(at, "no answer within " + std::to_string(options_.connect_timeout.count()) + " ms");
}

void Connection::failed(Step step, std::string_view why) {
  const std::string text(why);  // it may belong to what goes now
  connector_.cancel();
  report_before(step);
  drop();
  if (shut_) return std::exchange(shut_, nullptr)();
  if (!retry_) return owner_.attempt_failed(step, text);
  const std::uint64_t pause = failover_.failed(dice());
  again(pause);
  owner_.attempt_failed(step, text);
}

// The socket closes now; the engine goes when no callback of it can be under way.
void Connection::drop() {
  timer_.cancel();
  open_ = false;
  ending_ = 0;
  unended_ = 0;
  if (!transport_) return;
  transport_->stop();
  host_.defer([old = std::move(transport_)] { (void)old; });
}

void Connection::again(std::uint64_t ms) {
  timer_ = host_.timer(std::chrono::milliseconds(ms), [this] { attempt(); });
}

void Connection::replace(std::string_view why) {
  if (open_) lost(why);
}

void Connection::lost(std::string_view why) {
  const std::string text(why);
  drop();
  again(proved_ ? 0 : failover_.failed(dice()));
  owner_.connection_lost(text);
}

void Connection::shut(std::function<void()> done) {
  connector_.cancel();
  retry_ = false;
  if (!open_) {
    drop();
    return done();
  }
  shut_ = std::move(done);
  timer_ = host_.timer(kShutPatience, [this] { failed(Step::open, "closed"); });
  connection().close();
  transport_->wake();
}

std::size_t Connection::sessions() const {
  if (!transport_) return 0;
  return std::size_t{pn_transport_remote_channel_max(reach(transport_->driver().transport()))} + 1;
}

void Connection::end_session(pn_link_t* link, pn_session_t* session) {
  pn_link_close(link);
  pn_session_close(session);
  ++ending_;
  wake();
  if (++unended_ > kUnended) replace("the broker does not answer the end of sessions");
}

std::string Connection::explain(const std::string& error) const {
  if (transport_->greeting().starts_with(std::string_view("AMQP\0\0\x09\x01", 8)) ||
      error.find("\\x00\\x00\\x09\\x01") != std::string::npos) {
    return "the peer speaks AMQP 0-9-1 only: enable AMQP 1.0 there (RabbitMQ 3: rabbitmq-plugins "
           "enable "
           "rabbitmq_amqp1_0), or use another output";
  }
  return error.empty() ? "the broker closed the connection" : error;
}

void Connection::transport_ended() {
  const std::string why = explain(error_);
  if (!open_ || shut_) return failed(step(), why);
  // Brokers refuse an Open by answering it and closing at once.
  if (!retry_) return failed(begun_ ? Step::attach : Step::open, why);
  lost(why);
}

}  // namespace lsmtpd::amqp
