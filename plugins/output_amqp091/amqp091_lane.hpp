// SPDX-License-Identifier: Apache-2.0
// One worker's part of the plugin (sink/broker_lane.hpp): its outlets are channels, one for each
// exchange; a broker with an alarm takes nothing. [loop]
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <optional>
#include <set>
#include <sink/broker_lane.hpp>
#include <string>

#include "amqp091_connection.hpp"
#include "channel.hpp"

namespace lsmtpd::amqp091 {

class Lane : public BrokerLane,
             public sdk::SessionFilter,
             private Connection::Events,
             private Channel::Numbers {
 public:
  Lane(sdk::LaneHost host, Shared& shared);

  // Of a delivery; decide() answers at once.
  void cancel(lsmtpd_call call) override { BrokerLane::cancel(call); }
  // At RCPT, where the routing key depends on the recipient: one that is too long for AMQP 0-9-1.
  void decide(sdk::Call call, const lsmtpd_session_event& event) override;

 private:
  // BrokerLane
  std::optional<Target> only_target() const override;
  std::string key_of(const Target& target) const override { return target.exchange; }
  std::unique_ptr<Outlet> make_outlet(const Target& target, const std::string& key) override;
  OutletLimit outlet_limit() const override { return {options_.channels, "channels"}; }
  std::optional<Outcome> impossible(const Target& target) const override;
  std::string withheld() const override;
  std::uint64_t size_limit() const override;
  std::string product() const override { return connection_.product(); }
  std::unique_ptr<BrokerConnection> make_trial(BrokerConnection::Owner& owner) override;
  void connection_gone() override;
  void connection_open() override;
  bool refill() override { return blocked_.empty() && BrokerLane::refill(); }
  void outlet_refused(Outlet& outlet, std::string_view why) override;
  // Connection::Events
  void connection_blocked(std::string_view why) override;
  void connection_unblocked() override;
  void channel_method(std::uint16_t channel, Method method, Reader payload) override;
  void channel_header(std::uint16_t channel, Reader payload) override;
  // Channel::Numbers
  std::uint16_t free_number() const override;
  void number_closing(std::uint16_t number) override { closing_.insert(number); }
  void channel_ready(Channel& channel) override;

  Channel* channel_of(std::uint16_t number) const;
  void good();

  const Options& options_;
  log_lines::OutageLines& alarm_;
  Connection connection_;
  Connection::Events unheard_;       // of trials
  std::set<std::uint16_t> closing_;  // numbers whose close the broker has not answered
  std::string blocked_;              // why the broker takes nothing; empty: it does
};

}  // namespace lsmtpd::amqp091
