// SPDX-License-Identifier: Apache-2.0
#include "nats_connection.hpp"

#include <utility>

namespace lsmtpd::nats {

namespace {

// Octets on their way to the socket; the rest waits in the outlet.
constexpr std::size_t kWindow = 256 * 1024;
// A connection with its thread, buffers and, in TLS, its session.
constexpr std::uint64_t kOwn = 128 * 1024;

// "127.0.0.1 port 4222" as a URL.
std::string url_of(const Address& address, bool tls) {
  std::string text = address.text();
  const auto gap = text.find(" port ");
  const std::string host = text.substr(0, gap);
  const std::string port = text.substr(gap + 6);
  const bool brackets = host.find(':') != std::string::npos;
  return std::string(tls ? "tls://" : "nats://") + (brackets ? "[" + host + "]" : host) + ":" +
         port;
}

}  // namespace

Connection::Connection(const sdk::LaneHost& host, const Options& options, Dialing& dialing,
                       std::string name, BrokerConnection::Owner& lane, Events& events)
    : BrokerConnection(host, options, dialing, lane),
      host_(host),
      options_(options),
      name_(std::move(name)),
      password_(options.password_file, options.password),
      token_(options.token_file, ""),
      events_(events) {}

bool Connection::dial(const Address& address, std::chrono::milliseconds share) {
  Courier::Settings settings;
  settings.url = url_of(address, url().tls);
  settings.host = url().host;
  settings.tls = url().tls;
  settings.tls_options = options_.tls;
  settings.name = name_;
  settings.username = options_.username;
  if (!options_.username.empty()) settings.password = password_.renew(host_);
  if (!options_.token_file.empty()) settings.token = token_.renew(host_);
  settings.credentials_file = options_.credentials_file;
  settings.inbox = options_.inbox_prefix + "." + random_tag();
  settings.timeout = share;
  courier_ =
      std::make_unique<Courier>(host_, std::move(settings), static_cast<Courier::Owner&>(*this));
  if (courier_->start()) return true;
  courier_.reset();
  host_.defer([this] {
    if (!courier_ && !shut_) dialer_.failed(Step::connect, "a thread could not be started");
  });
  return true;
}

void Connection::drop(Step) {
  open_ = false;
  buffers_.clear();
  provided_ = 0;
  if (!courier_) return;
  courier_->stop();
  last_given_ = courier_->last_given();
  ending_.push_back(std::move(courier_));
}

void Connection::courier_open(Courier& courier) {
  if (!is_present(courier)) return;
  lane_.step_done(Step::connect, dialer_.address());
  if (url().tls) lane_.step_done(Step::tls, server().tls);
  lane_.step_done(Step::sasl, options_.credentials_file.empty() && options_.username.empty() &&
                                      options_.token_file.empty()
                                  ? "no login"
                                  : "logged in");
  if (!server().headers)
    return end(Step::open, "the server knows no headers: NATS 2.2 or later is needed");
  lane_.step_done(Step::open, "server " + server().id + ", max_payload " +
                                  std::to_string(server().max_payload));
  if (!provide_for(0)) return end(Step::open, "no memory left in the budget");
  dialer_.opened();
  open_ = true;
  lane_.connection_open();
}

bool Connection::provide_for(std::uint64_t bytes) {
  // Its buffer grows by a tenth more than it needs, and does not shrink.
  const std::uint64_t needed = kOwn + (kWindow + bytes) / 8 * 9;
  if (needed <= provided_) return true;
  sdk::Reservation more = host_.reserve(needed - provided_);
  if (!more) return false;
  buffers_.push_back(std::move(more));
  provided_ = needed;
  return true;
}

void Connection::courier_answers(Courier& courier, std::vector<Answer> answers) {
  for (const Answer& answer : answers) {
    if (!is_present(courier) || !open_) return;
    events_.answered(answer);
  }
}

void Connection::courier_denied(Courier& courier, const std::string& why) {
  if (is_present(courier) && open_) events_.denied(why);
}

void Connection::courier_has_room(Courier& courier) {
  if (is_present(courier)) wake();
}

void Connection::courier_failed(Courier& courier, Step step, const std::string& why) {
  if (is_present(courier)) end(step, why);
}

// May be the last that this lane does.
void Connection::courier_ended(Courier& courier) {
  courier.join();
  if (is_present(courier)) {
    last_given_ = courier.last_given();
    courier_.reset();
  } else {
    ending_.remove_if([&](const auto& each) { return each.get() == &courier; });
  }
  if (shut_ && ending_.empty()) std::exchange(shut_, nullptr)();
}

void Connection::end(Step step, std::string_view why) {
  if (!open_ || !dialer_.retries()) return dialer_.failed(step, why);
  drop(step);
  dialer_.lost();
  lane_.connection_lost(why);
}

void Connection::replace(std::string_view why) {
  if (open_) end(Step::attach, why);
}

void Connection::shut(std::function<void()> done) {
  dialer_.stop();
  drop(Step::open);
  if (ending_.empty()) return done();
  shut_ = std::move(done);
}

// Once in a turn, at its end.
void Connection::wake() {
  if (std::exchange(woken_, true)) return;
  host_.defer([this] {
    woken_ = false;
    if (open_) (void)lane_.refill();
  });
}

bool Connection::has_room() {
  if (courier_->unsent() < kWindow) return true;
  courier_->wants_room();
  // It may have sent all in between.
  return courier_->unsent() < kWindow;
}

void Connection::publish(Publication publication) {
  courier_->publish(std::move(publication));
}

}  // namespace lsmtpd::nats
