// SPDX-License-Identifier: Apache-2.0
#include "dialer.hpp"

#include <algorithm>
#include <random>
#include <utility>

namespace lsmtpd::sink {

namespace {

std::uint64_t dice() {
  static thread_local std::minstd_rand engine{std::random_device{}()};
  return engine();
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
    case Step::claim_check:
      return "claim_check";
    case Step::attach:
      break;
  }
  return "attach";
}

Dialer::Dialer(sdk::LaneHost host, const ClientOptions& options, Dialing& dialing, Owner& owner)
    : host_(host),
      options_(options),
      dialing_(dialing),
      owner_(owner),
      seat_(dialing.seat_of(host.worker())),
      failover_(options.urls.size(), options.spread ? seat_.url(options.urls.size()) : 0,
                options.spread ? seat_.turn(options.urls.size()) : 0,
                static_cast<std::uint64_t>(options.reconnect_first.count()),
                static_cast<std::uint64_t>(options.reconnect_last.count())),
      connector_(host) {}

void Dialer::start(bool retry, std::size_t index) {
  retry_ = retry;
  index_ = index;
  attempt();
}

void Dialer::go_home() {
  failover_.go_home();
  attempt();
}

void Dialer::go_on() {
  failover_.go_on();
  attempt();
}

std::vector<Address> Dialer::order(const std::vector<Address>& addresses) const {
  return options_.spread ? seat_.order(addresses, options_.urls.size()) : addresses;
}

void Dialer::begin() {
  tried_ = current();
  addresses_.clear();
  next_ = 0;
  passed_over_.clear();
  share_ = options_.connect_timeout;
  deadline_ = host_.now_ms() + static_cast<std::uint64_t>(share_.count());
}

void Dialer::attempt() {
  begin();
  resolving_ = true;
  timer_ = host_.timer(share_, [this] { expired(); });
  dialing_.addresses.find(host_, url(),
                          [this, attempt = ++attempt_,
                           alive = std::weak_ptr<bool>(alive_)](const AddressBook::Answer& answer) {
                            if (!alive.expired() && attempt == attempt_ && resolving_)
                              found(answer);
                          });
}

void Dialer::try_once(std::size_t index, const Address& address) {
  retry_ = false;
  index_ = index;
  begin();
  addresses_.push_back(address);
  try_next();
}

void Dialer::found(const AddressBook::Answer& answer) {
  resolving_ = false;
  if (!answer.error.empty()) return failed(Step::resolve, answer.error);
  addresses_ = dialing_.addresses.failed_last(order(answer.addresses));
  std::string list;
  for (const Address& each : addresses_) list.append(list.empty() ? "" : ", ").append(each.text());
  owner_.step_done(Step::resolve, list);
  try_next();
}

// The wait for a turn is not the broker's time.
void Dialer::try_next() {
  proved_ = false;
  ++next_;
  const std::uint64_t wait = dialing_.gate.wait(address(), options_.connect_rate, host_.now_ms());
  if (wait == 0) return dial();
  deadline_ += wait;
  timer_ = host_.timer(std::chrono::milliseconds(wait), [this] { dial(); });
}

void Dialer::dial() {
  const Address& address_now = addresses_[next_ - 1];
  const std::uint64_t now = host_.now_ms();
  const std::uint64_t left = deadline_ > now ? deadline_ - now : 1;
  share_ =
      std::chrono::milliseconds(std::max<std::uint64_t>(1, left / (addresses_.size() - next_ + 1)));
  timer_ = host_.timer(share_, [this] { expired(); });
  if (owner_.dial(address_now, share_)) return;
  connecting_ = true;
  connector_.start(address_now, [this](const Connector::Result& result) {
    if (result.fd < 0) return failed(Step::connect, result.error);
    connecting_ = false;
    owner_.step_done(Step::connect, address());
    owner_.connected(result.fd);
  });
}

void Dialer::expired() {
  const Step at = resolving_ ? Step::resolve : connecting_ ? Step::connect : owner_.step();
  failed(at, "no answer within " + std::to_string(share_.count()) + " ms");
}

void Dialer::failed(Step step, std::string_view why) {
  const std::string tried = address();
  const std::string text = tried + (tried.empty() ? "" : ": ") + std::string(why);
  stop();
  owner_.drop(step);
  if (next_ > 0) dialing_.addresses.failed(addresses_[next_ - 1]);
  passed_over_.append(passed_over_.empty() ? "" : "; ").append(text);
  if (next_ < addresses_.size()) return try_next();
  const std::string all = passed_over_;
  if (retry_) again(failover_.failed(dice()));
  owner_.attempt_failed(step, all);
}

void Dialer::stop() {
  timer_.cancel();
  connector_.cancel();
  resolving_ = false;
  connecting_ = false;
}

void Dialer::again(std::uint64_t ms) {
  timer_ = host_.timer(std::chrono::milliseconds(ms), [this] { attempt(); });
}

void Dialer::lost() {
  if (!proved_ && next_ > 0) dialing_.addresses.failed(addresses_[next_ - 1]);
  const bool leaving = std::exchange(leaving_, false);
  if (!proved_) return again(failover_.failed(dice()));
  const std::uint64_t pause = failover_.lost(host_.now_ms(), dice());
  if (leaving) failover_.go_on();
  again(pause);
}

void Dialer::proved() {
  if (!proved_) failover_.succeeded(host_.now_ms());
  proved_ = true;
  if (next_ > 0) dialing_.addresses.works(addresses_[next_ - 1]);
}

}  // namespace lsmtpd::sink
