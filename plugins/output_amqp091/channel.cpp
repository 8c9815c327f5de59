// SPDX-License-Identifier: Apache-2.0
// Channel, first part: its life from open to close.
#include "channel.hpp"

#include <algorithm>

namespace lsmtpd::amqp091 {

namespace {

// A channel that was ready for longer than this, in milliseconds, is opened again soon when the
// broker closes it.
constexpr std::uint64_t kSettledIn = 5000;

}  // namespace

Channel::Channel(sdk::LaneHost host, const Options& options, std::string exchange,
                 std::string queue, Connection& connection, Outlet::Owner& lane, Numbers& numbers)
    : Outlet(std::move(host), lane),
      options_(options),
      exchange_(std::move(exchange)),
      queue_(std::move(queue)),
      connection_(connection),
      numbers_(numbers),
      pauses_(static_cast<std::uint64_t>(options.reconnect_first.count()),
              static_cast<std::uint64_t>(options.reconnect_last.count())) {}

std::string Channel::name() const {
  if (!exchange_.empty()) return "exchange " + exchange_;
  return queue_.empty() ? "the default exchange" : "queue " + queue_;
}

std::string Channel::promises() const {
  return check_ ? check_->promises() : std::string();
}

void Channel::open() {
  if (!connection_.is_open() || (phase_ != Phase::idle && phase_ != Phase::paused)) return;
  if (!check_) check_.emplace(options_, exchange_, queue_, connection_.server());
  number_ = numbers_.free_number();
  if (number_ == 0) return pause("the broker allows no more channels: see `channels`");
  phase_ = Phase::opening;
  flowing_ = true;
  first_tag_ = 1;
  timer_ = host_.timer(options_.connect_timeout, [this] { deadline(); });
  put_channel_open(&connection_.out(), number_);
  connection_.wake();
}

void Channel::deadline() {
  pause("no answer within " + std::to_string(options_.connect_timeout.count()) + " ms");
  lane_.give_up("no answer to the opening of a channel");
}

void Channel::ask() {
  std::string* out = &connection_.out();
  switch (check_->question()) {
    case TargetCheck::Question::exchange:
      put_exchange_passive(out, number_, exchange_);
      break;
    case TargetCheck::Question::queue_passive:
      put_queue_declare(out, number_, queue_, {});
      break;
    case TargetCheck::Question::queue_type:
      put_queue_declare(out, number_, queue_, check_->declared_type());
      break;
    case TargetCheck::Question::none:
      return select();
  }
  phase_ = Phase::asking;
  connection_.wake();
}

void Channel::select() {
  if (!check_->refusal().empty()) {
    const std::string why = check_->refusal();
    leave_number("refused");
    return pause(why);
  }
  phase_ = Phase::selecting;
  put_confirm_select(&connection_.out(), number_);
  connection_.wake();
}

void Channel::begin_ready() {
  timer_.cancel();
  phase_ = Phase::ready;
  ready_at_ = host_.now_ms();
  refusal_.clear();
  where_ = to_string(connection_.url()) + ", " + name();
  if (!check_->warning().empty())
    host_.warn("the target may lose mail", {{"target", name()}, {"why", check_->warning()}});
  numbers_.channel_ready(*this);
  connection_.wake();
}

void Channel::method(Method method, Reader payload) {
  switch (method) {
    case Method::channel_open_ok:
      if (phase_ == Phase::opening) return ask();
      break;
    case Method::exchange_declare_ok:
    case Method::queue_declare_ok:
      if (phase_ != Phase::asking) break;
      check_->answered();
      return ask();
    case Method::confirm_select_ok:
      if (phase_ == Phase::selecting) return begin_ready();
      break;
    case Method::basic_ack:
    case Method::basic_nack:
      if (phase_ == Phase::ready) return settle(read_confirm(payload), method == Method::basic_ack);
      break;
    case Method::basic_return:
      if (phase_ != Phase::ready) break;
      returned_ = read_returned(payload);
      return;
    case Method::channel_flow:
      flowing_ = payload.octet() != 0;
      put_flow_ok(&connection_.out(), number_, flowing_);
      return connection_.wake();
    case Method::channel_close:
      put_plain(&connection_.out(), number_, Method::channel_close_ok);
      connection_.wake();
      return closed(read_closing(payload));
    default:
      break;
  }
  lane_.give_up("the broker sent a method out of turn on a channel");
}

// The broker ended the channel, as it does where it refuses what was asked.
void Channel::closed(const Closing& closing) {
  const bool asked = phase_ == Phase::asking;
  if (asked && check_->closed(closing)) {
    phase_ = Phase::idle;
    return open();
  }
  const std::string why = closing.printed();
  check_.reset();
  lose_unconfirmed(why);
  pause(why);
}

// Refused until it is opened again.
void Channel::pause(std::string_view why) {
  const bool settled = ready_at_ != 0 && host_.now_ms() - ready_at_ > kSettledIn;
  ready_at_ = 0;
  if (settled) pauses_.succeeded();
  phase_ = Phase::paused;
  number_ = 0;
  check_.reset();
  refusal_ = std::string(why);
  const auto rest = std::max<std::uint64_t>(pauses_.failed(0), 1);
  timer_ = host_.timer(std::chrono::milliseconds(rest), [this] {
    phase_ = Phase::idle;
    lane_.outlet_rested(*this);
  });
  fail_queued(not_sent(name() + ": " + refusal_));
  lane_.outlet_refused(*this, refusal_);
}

void Channel::connection_lost(std::string_view why) {
  timer_.cancel();
  phase_ = Phase::idle;
  number_ = 0;
  check_.reset();
  refusal_.clear();
  lose_unconfirmed(why);
}

void Channel::release() {
  timer_.cancel();
  if (number_ != 0 && connection_.is_open()) leave_number("no longer used");
}

void Channel::leave_number(std::string_view why) {
  put_close(&connection_.out(), number_, why);
  connection_.wake();
  numbers_.number_closing(std::exchange(number_, 0));
}

}  // namespace lsmtpd::amqp091
