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
#include <random>
#include <sstream>

#include "reach.hpp"

namespace lsmtpd::amqp {

namespace {

constexpr std::chrono::milliseconds kShutPatience{1000};
// Sessions that we ended and the broker did not: the engine keeps them, some 2 KiB each.
constexpr std::size_t kUnended = 1000;
// A connection that was good for longer than this is tried again at once when it is lost.
constexpr std::uint64_t kSettledIn = 5000;

std::uint64_t dice() {
  static thread_local std::minstd_rand engine{std::random_device{}()};
  return engine();
}

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

Connection::Connection(sdk::LaneHost host, const Options& options, AddressBook& book,
                       std::string container_id, Owner& owner)
    : host_(host),
      options_(options),
      book_(book),
      container_id_(std::move(container_id)),
      password_(options.password),
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
  tried_ = current();
  addresses_.clear();
  next_ = 0;
  passed_over_.clear();
  resolving_ = true;
  share_ = options_.connect_timeout;
  deadline_ = host_.now_ms() + static_cast<std::uint64_t>(share_.count());
  timer_ = host_.timer(share_, [this] { expired(); });
  book_.find(host_, url(), [this, attempt = ++attempt_](const AddressBook::Answer& answer) {
    if (attempt == attempt_ && resolving_) found(answer);
  });
}

void Connection::found(const AddressBook::Answer& answer) {
  resolving_ = false;
  if (!answer.error.empty()) return failed(Step::resolve, answer.error);
  addresses_ = answer.addresses;
  std::string list;
  for (const Address& each : addresses_) list.append(list.empty() ? "" : ", ").append(each.text());
  owner_.step_done(Step::resolve, list);
  try_next();
}

void Connection::try_next() {
  error_.clear();
  product_ = {};
  begun_ = false;
  proved_ = false;
  reported_ = Step::resolve;
  const std::uint64_t now = host_.now_ms();
  const std::uint64_t left = deadline_ > now ? deadline_ - now : 1;
  share_ =
      std::chrono::milliseconds(std::max<std::uint64_t>(1, left / (addresses_.size() - next_)));
  timer_ = host_.timer(share_, [this] { expired(); });
  connector_.start(addresses_[next_++], [this](const Connector::Result& result) {
    if (result.fd < 0) return failed(Step::connect, result.error);
    owner_.step_done(Step::connect, address());
    reported_ = Step::connect;
    connected(result.fd);
  });
}

// As certificates are. A file that is being replaced, or is gone for a moment, leaves the old one.
void Connection::renew_password() {
  if (options_.password_file.empty()) return;
  auto password = read_password_file(options_.password_file);
  const bool good = password && !password->empty();
  if (good) {
    password_ = *std::move(password);
  } else if (!password_kept_) {
    host_.warn("the password file gives no password; the one read before is used",
               {{"why", password ? options_.password_file + " is empty" : password.error()}});
  }
  password_kept_ = !good;
}

void Connection::connected(int fd) {
  renew_password();
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
  if (!options_.username.empty()) options.user(options_.username).password(password_);
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
  if (!transport_) return resolving_ ? Step::resolve : Step::connect;
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
    owner_.step_done(Step::tls, transport_->tls()->description());
  }
  if (reported_ < Step::sasl && step > Step::sasl) {
    const char* mechanism = pn_sasl_get_mech(pn_sasl(transport));
    owner_.step_done(Step::sasl, mechanism == nullptr ? "" : mechanism);
  }
  if (step > reported_) reported_ = step;
}

void Connection::expired() {
  const Step at = step();
  failed(at, "no answer within " + std::to_string(share_.count()) + " ms");
}

void Connection::failed(Step step, std::string_view why) {
  const std::string tried = address();
  const std::string text = tried + (tried.empty() ? "" : ": ") + std::string(why);
  connector_.cancel();
  resolving_ = false;
  report_before(step);
  drop();
  if (shut_) return std::exchange(shut_, nullptr)();
  if (next_ > 0) book_.failed(addresses_[next_ - 1]);
  passed_over_.append(passed_over_.empty() ? "" : "; ").append(text);
  if (next_ < addresses_.size()) return try_next();
  const std::string all = passed_over_;
  if (retry_) again(failover_.failed(dice()));
  owner_.attempt_failed(step, all);
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
  if (!proved_ && next_ > 0) book_.failed(addresses_[next_ - 1]);
  drop();
  again(pause_after_loss());
  owner_.connection_lost(text);
}

// A good connection that is lost is tried again at once, but not where that repeats itself.
std::uint64_t Connection::pause_after_loss() {
  if (!proved_) return failover_.failed(dice());
  short_lives_ = host_.now_ms() - proved_at_ < kSettledIn ? short_lives_ + 1 : 0;
  if (short_lives_ < 2) return 0;
  const auto first = static_cast<std::uint64_t>(options_.reconnect_first.count());
  const auto last = static_cast<std::uint64_t>(options_.reconnect_last.count());
  return std::min(last, first << std::min<std::size_t>(short_lives_ - 2, 32));
}

void Connection::proved() {
  if (!proved_) proved_at_ = host_.now_ms();
  proved_ = true;
  failover_.succeeded();
  if (next_ > 0) book_.works(addresses_[next_ - 1]);
}

void Connection::shut(std::function<void()> done) {
  connector_.cancel();
  resolving_ = false;
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
  if (!retry_) return failed(begun_ ? Step::attach : Step::open, why);
  lost(why);
}

}  // namespace lsmtpd::amqp
