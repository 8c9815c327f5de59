// SPDX-License-Identifier: Apache-2.0
#include "amqp091_lane.hpp"

#include <algorithm>

namespace lsmtpd::amqp091 {

namespace {

std::string connection_name(const sdk::Host& host) {
  return "lsmtpd " + std::string(host.hostname()) + " " + std::string(host.name()) + " " +
         std::to_string(host.worker());
}

// All outlets of this lane are channels.
template <class Entry>
Channel& channel_in(const Entry& entry) {
  return static_cast<Channel&>(*entry.second);
}

}  // namespace

Lane::Lane(sdk::LaneHost host, Shared& shared)
    : BrokerLane(host, shared, shared.options, shared.options.target, connection_),
      options_(shared.options),
      alarm_(shared.alarm),
      connection_(host, options_, shared.dialing, connection_name(host),
                  static_cast<BrokerConnection::Owner&>(*this),
                  static_cast<Connection::Events&>(*this)) {}

// Where the exchange is fixed. The routing key is empty where it is not.
std::optional<Target> Lane::only_target() const {
  if (!options_.target.exchange.is_fixed()) return std::nullopt;
  Target target;
  target.by_exchange = true;
  target.exchange = options_.target.exchange.expand(lsmtpd_envelope{}, {});
  if (options_.target.routing_key.is_fixed())
    target.routing_key = options_.target.routing_key.expand(lsmtpd_envelope{}, {});
  return target;
}

std::unique_ptr<Outlet> Lane::make_outlet(const Target& target, const std::string& key) {
  // Only where all go to one queue can that be looked at before.
  const bool queue = target.exchange.empty() && options_.target.is_fixed();
  auto channel = std::make_unique<Channel>(
      host(), options_, key, queue ? target.routing_key : std::string(), connection_,
      static_cast<Outlet::Owner&>(*this), static_cast<Channel::Numbers&>(*this));
  channel->open();
  return channel;
}

std::optional<Outcome> Lane::impossible(const Target& target) const {
  const std::size_t longest = std::max(target.routing_key.size(), target.exchange.size());
  if (longest <= kLongestShortString) return std::nullopt;
  return key_too_long(longest);
}

std::string Lane::withheld() const {
  return blocked_.empty() ? blocked_ : "the broker takes nothing: " + blocked_;
}

std::uint64_t Lane::size_limit() const {
  return content_limit(options_.format, options_.max_message);
}

void Lane::decide(sdk::Call call, const lsmtpd_session_event& event) {
  const lsmtpd_envelope& envelope = *event.envelope;
  if (event.phase != LSMTPD_PHASE_RCPT || envelope.recipient_count == 0) return call.proceed();
  const lsmtpd_str address = lsmtpd_recipient_at(&envelope, envelope.recipient_count - 1)->address;
  const auto outcome = impossible(
      target_for(options_.target, envelope, std::string_view(address.data, address.size)));
  if (!outcome) return call.proceed();
  answer(&call, *outcome);
}

std::unique_ptr<BrokerConnection> Lane::make_trial(BrokerConnection::Owner& owner) {
  return std::make_unique<Connection>(host(), options_, dialing(),
                                      connection_name(host()) + " trial", owner, unheard_);
}

void Lane::connection_gone() {
  blocked_.clear();
  closing_.clear();
}

// A channel that is ready shows that the broker is a good one, or its refusal.
void Lane::good() {
  connection_.proved();
  reached();
}

void Lane::connection_open() {
  closing_.clear();
  if (!probing() && outlets().empty()) good();
  BrokerLane::connection_open();
}

// An alarm of memory or disk: the broker reads nothing more from those who publish.
void Lane::connection_blocked(std::string_view why) {
  blocked_ = why.empty() ? std::string("connection.blocked") : std::string(why);
  if (const auto left_out = alarm_.failed(host().now_ms()))
    host().warn(
        "the broker takes nothing for now",
        {{"url", to_string(connection_.url())}, {"why", blocked_}, {"left_out", *left_out}});
  fail_queued(withheld());
}

void Lane::connection_unblocked() {
  if (blocked_.empty()) return;
  blocked_.clear();
  if (alarm_.answered())
    host().info("the broker takes messages again", {{"url", to_string(connection_.url())}});
  connection_.wake();
}

std::uint16_t Lane::free_number() const {
  const std::uint16_t most = connection_.tuned().channel_max;
  for (std::uint16_t number = 1; number != 0 && (most == 0 || number <= most); ++number) {
    if (!closing_.contains(number) && channel_of(number) == nullptr) return number;
  }
  return 0;
}

Channel* Lane::channel_of(std::uint16_t number) const {
  const auto found = std::find_if(outlets().begin(), outlets().end(), [number](const auto& entry) {
    return channel_in(entry).number() == number;
  });
  return found == outlets().end() ? nullptr : &channel_in(*found);
}

void Lane::channel_method(std::uint16_t number, Method method, Reader payload) {
  if (closing_.contains(number)) {
    // The broker's own close crossed ours.
    if (method == Method::channel_close)
      put_plain(&connection_.out(), number, Method::channel_close_ok);
    if (method == Method::channel_close_ok) closing_.erase(number);
    return connection_.wake();
  }
  Channel* channel = channel_of(number);
  if (channel == nullptr) return give_up("the broker sent a method on a channel that is not open");
  channel->method(method, payload);
}

void Lane::channel_header(std::uint16_t number, Reader payload) {
  Channel* channel = channel_of(number);
  if (channel == nullptr) return give_up("the broker sent a message that it was not asked for");
  channel->header(payload);
}

void Lane::channel_ready(Channel& channel) {
  if (!probing()) good();
  host().info("ready to publish", {{"target", channel.name()}, {"promises", channel.promises()}});
  if (probing()) probe_passed(channel, channel.promises());
}

void Lane::outlet_refused(Outlet& outlet, std::string_view why) {
  if (!probing()) good();
  BrokerLane::outlet_refused(outlet, why);
}

}  // namespace lsmtpd::amqp091
