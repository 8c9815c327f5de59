// SPDX-License-Identifier: Apache-2.0
#include "dialer.hpp"

#include <algorithm>
#include <random>

namespace lsmtpd::sink {

namespace {

// A connection that was good for longer than this is tried again at once when it is lost.
constexpr std::uint64_t kSettledIn = 5000;

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

Dialer::Dialer(sdk::LaneHost host, const ClientOptions& options, AddressBook& book, Owner& owner)
    : host_(host),
      options_(options),
      book_(book),
      owner_(owner),
      failover_(options.urls.size(), static_cast<std::uint64_t>(options.reconnect_first.count()),
                static_cast<std::uint64_t>(options.reconnect_last.count())),
      connector_(host) {}

void Dialer::start(bool retry, std::size_t index) {
  retry_ = retry;
  index_ = index;
  attempt();
}

void Dialer::attempt() {
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

void Dialer::found(const AddressBook::Answer& answer) {
  resolving_ = false;
  if (!answer.error.empty()) return failed(Step::resolve, answer.error);
  addresses_ = answer.addresses;
  std::string list;
  for (const Address& each : addresses_) list.append(list.empty() ? "" : ", ").append(each.text());
  owner_.step_done(Step::resolve, list);
  try_next();
}

void Dialer::try_next() {
  proved_ = false;
  const std::uint64_t now = host_.now_ms();
  const std::uint64_t left = deadline_ > now ? deadline_ - now : 1;
  share_ =
      std::chrono::milliseconds(std::max<std::uint64_t>(1, left / (addresses_.size() - next_)));
  timer_ = host_.timer(share_, [this] { expired(); });
  const Address& address_now = addresses_[next_++];
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
  if (next_ > 0) book_.failed(addresses_[next_ - 1]);
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
  if (!proved_ && next_ > 0) book_.failed(addresses_[next_ - 1]);
  again(pause_after_loss());
}

// A good connection that is lost is tried again at once, but not where that repeats itself.
std::uint64_t Dialer::pause_after_loss() {
  if (!proved_) return failover_.failed(dice());
  short_lives_ = host_.now_ms() - proved_at_ < kSettledIn ? short_lives_ + 1 : 0;
  if (short_lives_ < 2) return 0;
  const auto first = static_cast<std::uint64_t>(options_.reconnect_first.count());
  const auto last = static_cast<std::uint64_t>(options_.reconnect_last.count());
  return std::min(last, first << std::min<std::size_t>(short_lives_ - 2, 32));
}

void Dialer::proved() {
  if (!proved_) proved_at_ = host_.now_ms();
  proved_ = true;
  failover_.succeeded();
  if (next_ > 0) book_.works(addresses_[next_ - 1]);
}

}  // namespace lsmtpd::sink
