// SPDX-License-Identifier: Apache-2.0
// Every limit of the configuration reaches the layer that holds it.
#include "app/layer_settings.hpp"

#include <gtest/gtest.h>

namespace lsmtpd::app {
namespace {

config::Config some_config() {
  config::Config config;
  config.server.hostname = "mx.example.com";
  config.limits.message_size = 11;
  config.limits.recipients = 12;
  config.limits.commands = 13;
  config.limits.errors = 14;
  config.limits.unread_replies = 15;
  config.limits.data_rate = 16;
  config.timeouts.command = 21;
  config.timeouts.data_idle = 22;
  config.timeouts.session = 23;
  config.timeouts.chain = 24;
  config::Listener listener;
  listener.name = "local";
  listener.chain = "archive";
  listener.protocol = config::Protocol::lmtp;
  listener.bare_lf = config::BareLf::normalize;
  listener.greet_delay = 31;
  config.listeners.push_back(listener);
  config::Chain chain;
  chain.name = "archive";
  chain.steps = {"size", "spool"};
  config.chains.push_back(chain);
  return config;
}

TEST(LayerSettings, TheServerGetsItsLimitsAndTimeouts) {
  const auto settings = server_settings(some_config());
  EXPECT_EQ(settings.limits.message_size, 11u);
  EXPECT_EQ(settings.limits.unread_replies, 15u);
  EXPECT_EQ(settings.limits.data_rate, 16u);
  EXPECT_GT(settings.limits.turn_ns, 0u);
  EXPECT_EQ(settings.timeouts.command, 21u);
  EXPECT_EQ(settings.timeouts.data_idle, 22u);
  EXPECT_EQ(settings.timeouts.session, 23u);
}

TEST(LayerSettings, ListenersThatTakeAFreePortEachAreTwo) {
  auto config = some_config();
  config.listeners.push_back(config.listeners.front());
  config.listeners.back().name = "other";
  const auto settings = server_settings(config);
  EXPECT_NE(settings.listeners[0].address, settings.listeners[1].address);
  config.listeners[0].host = config.listeners[1].host = "unix:/run/lmtp";
  EXPECT_EQ(server_settings(config).listeners[1].address, "unix:/run/lmtp");
}

TEST(LayerSettings, PeersAreNetworks) {
  auto config = some_config();
  config.limits.connections = 41;
  config.limits.connections_per_peer = 42;
  config.limits.peer_prefix_v4 = 24;
  config.limits.peer_prefix_v6 = 56;
  config.limits.exempt = {*parse_network("192.0.2.0/24")};
  const auto limits = peer_limits(config);
  EXPECT_EQ(limits.connections, 41u);
  EXPECT_EQ(limits.connections_per_peer, 42u);
  EXPECT_EQ(limits.prefix_v4, 24u);
  EXPECT_EQ(limits.prefix_v6, 56u);
  EXPECT_EQ(limits.exempt, config.limits.exempt);
}

TEST(LayerSettings, AListenerGetsItsSession) {
  const auto settings = server_settings(some_config());
  ASSERT_EQ(settings.listeners.size(), 1u);
  const auto& listener = settings.listeners[0];
  EXPECT_EQ(listener.name, "local");
  EXPECT_EQ(listener.chain, "archive");
  EXPECT_EQ(listener.greet_delay, 31u);
  EXPECT_EQ(listener.smtp.hostname, "mx.example.com");
  EXPECT_TRUE(listener.smtp.lmtp);
  EXPECT_TRUE(listener.smtp.normalize_bare_lf);
  EXPECT_EQ(listener.smtp.recipients, 12u);
  EXPECT_EQ(listener.smtp.commands, 13u);
  EXPECT_EQ(listener.smtp.errors, 14u);
  EXPECT_GE(listener.smtp.received_headers, 100u) << "RFC 5321 6.3";
}

TEST(LayerSettings, AChainGetsItsStepsAndDeadline) {
  const auto settings = server_settings(some_config());
  ASSERT_EQ(settings.chains.size(), 1u);
  EXPECT_EQ(settings.chains[0].name, "archive");
  EXPECT_EQ(settings.chains[0].steps, (std::vector<std::string>{"size", "spool"}));
  EXPECT_EQ(settings.chains[0].deadline, 24u);
}

}  // namespace
}  // namespace lsmtpd::app
