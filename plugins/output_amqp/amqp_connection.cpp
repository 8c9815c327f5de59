// SPDX-License-Identifier: Apache-2.0
#include "amqp_connection.hpp"

#include <proton/logger.h>
#include <proton/sasl.h>
#include <unistd.h>

#include <algorithm>
#include <proton/connection_options.hpp>
#include <proton/duration.hpp>
#include <proton/error_condition.hpp>
#include <proton/sender.hpp>
#include <proton/session.hpp>
#include <proton/symbol.hpp>
#include <proton/tracker.hpp>
#include <proton/value.hpp>
#include <sstream>

#include "reach.hpp"

namespace lsmtpd::amqp {

namespace {

constexpr std::chrono::milliseconds kShutPatience{1000};
// Sessions that we ended and the broker did not: the engine keeps them, some 2 KiB each.
constexpr std::size_t kUnended = 1000;
// Whether two lists, separated by spaces, share a word.
bool in_common(const std::string& one, const std::string& other) {
  std::istringstream words(one);
  const std::string list = " " + other + " ";
  for (std::string word; words >> word;) {
    if (list.find(" " + word + " ") != std::string::npos) return true;
  }
  return false;
}

}  // namespace

Connection::Connection(sdk::LaneHost host, const Options& options, Dialing& dialing,
                       std::string container_id, BrokerConnection::Owner& lane, Events& events)
    : BrokerConnection(host, options, dialing, lane),
      host_(host),
      options_(options),
      container_id_(std::move(container_id)),
      password_(options.password_file, options.password),
      events_(events) {}

void Connection::connected(int fd) {
  error_.clear();
  product_ = {};
  begun_ = false;
  reported_ = Step::connect;
  // As certificates are.
  const std::string& password = password_.renew(host_);
  std::unique_ptr<Tls> tls;
  if (url().tls) {
    auto made = Tls::make(options_.tls, url().host);
    if (!made) {
      ::close(fd);
      return failed(Step::tls, made.error());
    }
    tls = *std::move(made);
  }
  transport_ =
      std::make_unique<Transport>(host_, fd, std::move(tls), static_cast<Transport::Owner&>(*this));
  proton::connection_options options(*this);
  options.container_id(container_id_)
      .max_frame_size(options_.max_frame_size)
      .idle_timeout(proton::duration(static_cast<std::uint64_t>(options_.idle_timeout.count())))
      .sasl_enabled(true)
      .sasl_allow_insecure_mechs(true)
      .sasl_allowed_mechs(options_.mechanisms)
      .virtual_host(url().host);
  if (!options_.username.empty()) options.user(options_.username).password(password);
  auto& driver = transport_->driver();
  driver.configure(options);
  // It would write to standard error, with what the broker said as it was said; what matters comes
  // as an event too. (Its masks do not hold all of it back.)
  pn_logger_set_log_sink(
      pn_transport_logger(reach(driver.transport())),
      [](intptr_t, pn_log_subsystem_t, pn_log_level_t, const char*) {}, 0);
  // Only now: SASL has taken its name from the first.
  proton::connection_options hostname;
  if (!options_.virtual_host.empty()) hostname.virtual_host(options_.virtual_host);
  driver.connection().open(hostname);
  if (!transport_->start()) failed(Step::connect, "the socket could not be watched");
}

// How far the present attempt has come.
Step Connection::step() const {
  if (!transport_) return Step::connect;
  pn_transport_t* transport = reach(transport_->driver().transport());
  const Tls* tls = transport_->tls();
  if (tls != nullptr && (!tls->established() || !tls->error().empty())) return Step::tls;
  return pn_sasl_outcome(pn_sasl(transport)) == PN_SASL_OK ? Step::open : Step::sasl;
}

// The steps inside the engine are noticed when a later one is.
void Connection::report_before(Step step) {
  if (!transport_) return;
  pn_transport_t* transport = reach(transport_->driver().transport());
  if (reported_ < Step::tls && step > Step::tls && transport_->tls() != nullptr) {
    lane_.step_done(Step::tls, transport_->tls()->description());
  }
  if (reported_ < Step::sasl && step > Step::sasl) {
    const char* mechanism = pn_sasl_get_mech(pn_sasl(transport));
    lane_.step_done(Step::sasl, mechanism == nullptr ? "" : mechanism);
  }
  if (step > reported_) reported_ = step;
}

void Connection::failed(Step step, std::string_view why) {
  if (shut_) {
    drop(step);
    return std::exchange(shut_, nullptr)();
  }
  dialer_.failed(step, why);
}

// The socket closes now; the engine goes when no callback of it can be under way.
void Connection::drop(Step step) {
  timer_.cancel();
  report_before(step);
  open_ = false;
  ending_ = 0;
  unended_ = 0;
  begun_sessions_.clear();
  if (!transport_) return;
  transport_->stop();
  host_.defer([old = std::move(transport_)] { (void)old; });
}

void Connection::replace(std::string_view why) {
  if (open_) lost(why);
}

void Connection::lost(std::string_view why) {
  // Later: the lane may be the caller, and `shut_` would destroy it while its function runs.
  if (shut_) {
    timer_ = host_.timer({}, [this] { failed(Step::open, "closed"); });
    return;
  }
  const std::string text(why);
  drop(Step::open);
  dialer_.lost();
  lane_.connection_lost(text);
}

void Connection::shut(std::function<void()> done) {
  dialer_.stop();
  if (!open_) {
    drop(Step::connect);
    return done();
  }
  const bool under_way = shut_ != nullptr;
  shut_ = std::move(done);
  if (under_way) return;
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
  if (transport_->said().greeting().starts_with(std::string_view("AMQP\0\0\x09\x01", 8)) ||
      error.find("\\x00\\x00\\x09\\x01") != std::string::npos) {
    return "the peer speaks AMQP 0-9-1 only: enable AMQP 1.0 there (RabbitMQ 3: rabbitmq-plugins "
           "enable "
           "rabbitmq_amqp1_0), or use another output";
  }
  const std::string& offered = transport_->said().mechanisms();
  if (step() == Step::sasl && !offered.empty() && !in_common(offered, options_.mechanisms))
    return "no common SASL mechanism: the broker offers " + offered +
           "; allowed here: " + options_.mechanisms;
  return error.empty() ? "the broker closed the connection" : error;
}

void Connection::transport_ended() {
  const std::string why = explain(error_);
  // With TLS 1.3 a broker looks at the client's certificate after the handshake; some only close.
  const Tls* tls = transport_->tls();
  if (tls != nullptr && tls->established() && transport_->said().greeting().empty() && !shut_) {
    return failed(Step::tls, why + "; right after the handshake: " +
                                 (options_.tls.certificate.empty()
                                      ? "it may want a client certificate, see `tls_certificate`"
                                      : "it may refuse the client certificate"));
  }
  if (!open_ || shut_) return failed(step(), why);
  // Brokers refuse an Open by answering it and closing at once.
  if (!dialer_.retries()) return failed(begun_ ? Step::attach : Step::open, why);
  lost(why);
}

}  // namespace lsmtpd::amqp
