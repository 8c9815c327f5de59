// SPDX-License-Identifier: Apache-2.0
// One worker's part of the plugin (sink/broker_lane.hpp): its one outlet is the stream. [loop]
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <optional>
#include <sink/broker_lane.hpp>
#include <string>

#include "nats_connection.hpp"
#include "stream_outlet.hpp"

namespace lsmtpd::nats {

class Lane : public BrokerLane,
             public sdk::SessionFilter,
             private Connection::Events,
             private StreamOutlet::Events {
 public:
  Lane(sdk::LaneHost host, Shared& shared);

  // Of a delivery; decide() answers at once.
  void cancel(lsmtpd_call call) override { BrokerLane::cancel(call); }
  // At RCPT, where the subject depends on the recipient: one that no subject can have.
  void decide(sdk::Call call, const lsmtpd_session_event& event) override;

 private:
  // BrokerLane
  std::optional<Target> only_target() const override;
  std::string key_of(const Target& target) const override { return target.exchange; }
  std::unique_ptr<Outlet> make_outlet(const Target& target, const std::string& key) override;
  OutletLimit outlet_limit() const override { return {1, "stream"}; }
  std::optional<Outcome> impossible(const Target& target) const override;
  std::uint64_t size_limit() const override;
  std::string product() const override { return "NATS server " + connection_.server().id; }
  std::unique_ptr<BrokerConnection> make_trial(BrokerConnection::Owner& owner) override;
  void connection_gone() override {}
  void outlet_refused(Outlet& outlet, std::string_view why) override;
  // Connection::Events
  void answered(const Answer& answer) override;
  void denied(const std::string& why) override;
  // StreamOutlet::Events
  void stream_ready(StreamOutlet& outlet) override;

  StreamOutlet* stream() const { return static_cast<StreamOutlet*>(only()); }
  void good();

  const Options& options_;
  Connection connection_;
  Connection::Events unheard_;  // of trials
};

}  // namespace lsmtpd::nats
