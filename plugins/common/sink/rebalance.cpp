// SPDX-License-Identifier: Apache-2.0
#include "rebalance.hpp"

#include <random>
#include <utility>

namespace lsmtpd::sink {

namespace {

// Brokers that refuse a connection may answer its Open, and close it.
constexpr std::chrono::milliseconds kLasting{1000};
// Checks that are left out after a broker that was good in the trial and not afterwards.
constexpr std::uint64_t kRest = 10;

std::uint64_t dice() {
  static thread_local std::minstd_rand engine{std::random_device{}()};
  return engine();
}

std::string text_of(const std::vector<Address>& addresses) {
  std::string text;
  for (const Address& each : addresses) text += each.text() + ";";
  return text;
}

}  // namespace

Rebalance::Rebalance(sdk::LaneHost host, const ClientOptions& options, Dialing& dialing,
                     const BrokerConnection& connection, Owner& lane)
    : host_(std::move(host)),
      options_(options),
      dialing_(dialing),
      connection_(connection),
      lane_(lane) {}

void Rebalance::again() {
  const auto interval = static_cast<std::uint64_t>(options_.rebalance.count());
  if (interval == 0 || stopped_ || trial_) return;
  const std::uint64_t length = std::exchange(resting_, false) ? kRest * interval : interval;
  timer_ =
      host_.timer(std::chrono::milliseconds(rebalance_pause(length, dice())), [this] { check(); });
}

void Rebalance::lost() {
  ++check_;
  addresses_.clear();
  if (!trial_) return timer_.cancel();
  end_trial(false);
  good_ = false;
}

// connected() follows where there is no connection.
void Rebalance::check() {
  if (!connection_.is_open()) return;
  const Dialer& dialer = connection_.dialer();
  if (dialer.current() != dialer.home()) {
    begin_trial();
    return trial_->try_once(dialer.home());
  }
  if (!options_.spread || is_address(dialer.home_url().host)) return again();
  dialing_.addresses.find(host_, dialer.home_url(),
                          [this, check = ++check_](const AddressBook::Answer& answer) {
                            if (check != check_ || !connection_.is_open()) return;
                            compare(connection_.dialer().order(answer.addresses));
                          });
}

void Rebalance::compare(const std::vector<Address>& addresses) {
  const std::string before = std::exchange(addresses_, text_of(addresses));
  if (addresses.empty() || addresses_ != before ||
      addresses.front().text() == connection_.dialer().address())
    return again();
  const Address home = addresses.front();
  begin_trial();
  trial_->try_once(connection_.dialer().home(), home);
}

void Rebalance::begin_trial() {
  timer_.cancel();
  trial_ = lane_.make_trial(*this);
}

void Rebalance::connection_open() {
  timer_ = host_.timer(kLasting, [this] {
    trial_->proved();
    end_trial(true);
  });
}

void Rebalance::attempt_failed(Step step, std::string_view why) {
  host_.debug("the preferred broker cannot be reached yet",
              {{"url", to_string(connection_.dialer().home_url())},
               {"step", to_string(step)},
               {"why", why}});
  end_trial(false);
}

void Rebalance::connection_lost(std::string_view) {
  end_trial(false);
}

// In turns of their own: the trial may be the caller.
void Rebalance::end_trial(bool good) {
  if (std::exchange(ending_, true)) return;
  good_ = good;
  timer_ = host_.timer({}, [this] {
    trial_->shut([this] { timer_ = host_.timer({}, [this] { trial_ended(); }); });
  });
}

void Rebalance::trial_ended() {
  trial_.reset();
  ending_ = false;
  if (stopped_) return std::exchange(stopped_, nullptr)();
  if (!connection_.is_open()) return;
  good_ ? lane_.home_is_good() : again();
}

void Rebalance::stop(std::function<void()> done) {
  ++check_;
  timer_.cancel();
  if (!trial_) return done();
  stopped_ = std::move(done);
  ending_ = false;
  end_trial(false);
}

}  // namespace lsmtpd::sink
