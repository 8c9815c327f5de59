// SPDX-License-Identifier: Apache-2.0
// One worker's part of the plugin (broker_lane.hpp): its outlets are links, each with a session of
// its own, and the types of queues are asked from the broker's management. [loop]
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <optional>
#include <string>

#include <sink/broker_lane.hpp>
#include "amqp_connection.hpp"
#include "link.hpp"
#include "management.hpp"
#include "shared.hpp"

namespace lsmtpd::amqp {

class Lane : public BrokerLane, private Connection::Events, private Link::Sessions {
 public:
  Lane(sdk::LaneHost host, Shared& shared);

 private:
  // BrokerLane
  std::optional<Target> only_target() const override;
  std::string key_of(const Target& target) const override {
    return options_.anonymous_terminus ? "anonymous" : target.key();
  }
  std::unique_ptr<Outlet> make_outlet(const Target& target, const std::string& key) override;
  OutletLimit outlet_limit() const override;
  std::uint64_t size_limit() const override;
  std::string product() const override;
  std::unique_ptr<BrokerConnection> make_trial(BrokerConnection::Owner& owner) override;
  void connection_gone() override;
  void connection_open() override;
  bool refill() override;
  // Connection::Events
  void sender_open(pn_link_t* link) override;
  void link_closed(pn_link_t* link, std::string_view why) override;
  bool message_arrived(pn_link_t* link, const proton::message& message) override;
  void session_closed(pn_session_t* session, std::string_view why) override;
  void delivery_updated(pn_delivery_t* delivery) override;
  // Link::Sessions
  bool has_session() const override;
  void ask_queue(Link& link, const std::string& path) override;
  bool asks() const override { return management_.has_session(); }
  void link_attached(Link& link) override;
  void attach_unanswered() override;

  template <class Raw>
  Link* link_of(const Raw* raw) const;
  void probe_attached();

  const Options& options_;
  std::string own_name_;  // no other lane or process has it
  std::string container_id_;
  Connection connection_;
  Connection::Events unheard_;  // of trials
  Management management_;
  sdk::Timer reached_timer_;
  sdk::Timer probe_timer_;
  sdk::Gauge credit_;
};

}  // namespace lsmtpd::amqp
