// SPDX-License-Identifier: Apache-2.0
// output_amqp's connection below a lane of the test's own, which does what no broker makes the
// plugin's lane do.
#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "amqp_connection.hpp"
#include "amqp_option_table.hpp"
#include "rig.hpp"

namespace lsmtpd::amqp::test {
namespace {

class BareLane : public sdk::Lane,
                 public sdk::Output,
                 private BrokerConnection::Owner,
                 private Connection::Events {
 public:
  static inline BareLane* present = nullptr;

  BareLane(sdk::LaneHost host, const Options& options, Dialing& dialing)
      : sdk::Lane(host),
        connection(host, options, dialing, "bare", static_cast<BrokerConnection::Owner&>(*this),
                   static_cast<Connection::Events&>(*this)) {
    present = this;
    connection.start();
  }

  void deliver(sdk::Call call, sdk::Message, sdk::Delivery) override { call.tempfail(); }
  void close(sdk::Closed closed) override {
    closed_.emplace(std::move(closed));
    connection.shut([this] { (*closed_)(); });
  }

  Connection connection;

 private:
  void step_done(Step, std::string_view) override {}
  void attempt_failed(Step, std::string_view) override {}
  void connection_open() override {}
  void connection_lost(std::string_view) override {}
  bool refill() override { return false; }
  void sender_open(pn_link_t*) override {}
  void link_closed(pn_link_t*, std::string_view) override {}
  bool message_arrived(pn_link_t*, const proton::message&) override { return false; }
  void session_closed(pn_session_t*, std::string_view) override {}
  void delivery_updated(pn_delivery_t*) override {}

  std::optional<sdk::Closed> closed_;
};

class Instance : public sdk::Instance {
 public:
  using sdk::Instance::Instance;

  static constexpr auto& options = kOptions;

  bool start(sdk::Report& report) override { return parse_options(config(), report, &options_); }
  std::unique_ptr<BareLane> open_lane(sdk::LaneHost host) {
    return std::make_unique<BareLane>(std::move(host), options_, dialing_);
  }

 private:
  Options options_;
  Dialing dialing_;
};

TEST(Connection, ThatIsGivenUpWhileItIsBeingShutEndsAtOnce) {
  Script script;
  script.ignores_close = true;
  Peer peer(script);
  Rig rig;
  rig.option("urls", peer.url()).option("address", "mail");
  ASSERT_EQ(rig.start(), 0);
  ASSERT_TRUE(rig.until([] { return BareLane::present->connection.is_open(); }));
  rig.close();
  BareLane::present->connection.replace("the lane wants another");
  EXPECT_TRUE(rig.until([&] { return rig.raw()->lane->closed != 0; })) << "no time has passed";
  EXPECT_EQ(peer.connections(), 1U);
}

}  // namespace
}  // namespace lsmtpd::amqp::test

LSMTPD_PLUGIN(lsmtpd::amqp::test::Instance, "bare", "1.0.0", "lsmtpd", "a connection and no more");
