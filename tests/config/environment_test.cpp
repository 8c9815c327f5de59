// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <stdlib.h>

#include "config/config.hpp"

namespace lsmtpd::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* all_variables[] = {
    "SERVER_NAME",      "BIND_ADDRESS",     "BIND_PORT",     "MAX_EMAIL_SIZE_BYTES",
    "MAX_TIMEOUT_SECS", "TEMP_EMAIL_DIR",   "AMQP_HOST",     "AMQP_PORT",
    "AMQP_USERNAME",    "AMQP_PASSWORD",    "AMQP_VHOST",    "AMQP_EXCHANGE",
    "AMQP_ROUTING_KEY", "AMQP_BUFFER_SIZE", "AMQP_PROTOCOL", "RUST_LOG"};

using Variables = std::map<std::string, std::string>;

Loaded load(const Variables& variables) {
  for (const char* name : all_variables) unsetenv(name);
  for (const auto& [name, value] : variables) setenv(name.c_str(), value.c_str(), 1);
  return from_environment("/etc/lsmtpd/lsmtpd.toml");
}

std::vector<std::string> shown(const Variables& variables) {
  const Loaded loaded = load(variables);
  std::vector<std::string> lines;
  for (const Diagnostic& one : loaded.diagnostics) lines.push_back(format(one, loaded.config.file));
  return lines;
}

std::string text_option(const Config& config, const char* plugin, const char* key) {
  const Plugin* found = config.plugin(plugin);
  if (!found || !found->options.contains(key)) return "(none)";
  return std::get<std::string>(found->options.at(key).value.value);
}

int64_t number_option(const Config& config, const char* plugin, const char* key) {
  return std::get<int64_t>(config.plugin(plugin)->options.at(key).value.value);
}

std::string url(const Config& config) {
  const auto& value = config.plugin("broker")->options.at("urls").value.value;
  return std::get<std::string>(std::get<OptionValue::List>(value).at(0).value);
}

TEST(Environment, WithoutABrokerMailGoesToTheSpool) {
  const Loaded loaded = load({{"SERVER_NAME", "mx.example.com"},
                              {"BIND_ADDRESS", "127.0.0.1"},
                              {"BIND_PORT", "2525"},
                              {"MAX_EMAIL_SIZE_BYTES", "52428800"},
                              {"MAX_TIMEOUT_SECS", "90"},
                              {"TEMP_EMAIL_DIR", "/var/lib/lsmtpd"}});
  ASSERT_TRUE(loaded.ok());
  const Config& config = loaded.config;
  EXPECT_EQ(config.file, "environment");
  EXPECT_EQ(config.server.hostname, "mx.example.com");
  ASSERT_EQ(config.listeners.size(), 1u);
  EXPECT_EQ(config.listeners[0].host, "127.0.0.1");
  EXPECT_EQ(config.listeners[0].port, 2525);
  EXPECT_EQ(config.limits.message_size, 52428800u);
  EXPECT_EQ(config.timeouts.session, 90'000u);
  EXPECT_EQ(config.plugin("size")->use, "filter_size");
  EXPECT_EQ(text_option(config, "size", "max"), "50MiB");
  EXPECT_EQ(config.plugin("spool")->use, "output_json_spool");
  EXPECT_EQ(text_option(config, "spool", "directory"), "/var/lib/lsmtpd");
  EXPECT_EQ(config.plugin("broker"), nullptr);
  EXPECT_THAT(config.chain("default")->steps, ElementsAre("size", "spool"));
}

TEST(Environment, WithABrokerTheSpoolIsItsFallback) {
  const Loaded loaded = load({{"AMQP_HOST", "rabbit.example.com"},
                              {"AMQP_USERNAME", "user"},
                              {"AMQP_PASSWORD", "secret"},
                              {"AMQP_VHOST", "mail"},
                              {"AMQP_EXCHANGE", "incoming"},
                              {"AMQP_ROUTING_KEY", "mail.events"},
                              {"AMQP_BUFFER_SIZE", "500"}});
  ASSERT_TRUE(loaded.ok());
  const Config& config = loaded.config;
  EXPECT_THAT(config.chain("default")->steps, ElementsAre("size", "broker"));
  EXPECT_EQ(config.plugin("broker")->use, "output_amqp091");
  EXPECT_EQ(config.plugin("broker")->fallback, "spool");
  EXPECT_EQ(url(config), "amqp://rabbit.example.com:5672");
  EXPECT_EQ(text_option(config, "broker", "username"), "user");
  EXPECT_EQ(text_option(config, "broker", "password"), "secret");
  EXPECT_EQ(text_option(config, "broker", "vhost"), "mail");
  EXPECT_EQ(text_option(config, "broker", "exchange"), "incoming");
  EXPECT_EQ(text_option(config, "broker", "routing_key"), "mail.events");
  EXPECT_EQ(number_option(config, "broker", "in_flight"), 500);
  const auto& options = config.plugin("broker")->options;
  EXPECT_TRUE(options.contains("allow_unsynced_target")) << "LSMTPD's queues are classic";
  EXPECT_FALSE(options.contains("allow_lossy_target"));
  EXPECT_EQ(text_option(config, "spool", "directory"), "/var/spool/lsmtpd");
}

TEST(Environment, AmqpProtocolChoosesTheOutput) {
  const auto plugin = [](const char* protocol) {
    return load({{"AMQP_HOST", "h"}, {"AMQP_ROUTING_KEY", "q"}, {"AMQP_PROTOCOL", protocol}})
        .config.plugin("broker")
        ->use;
  };
  EXPECT_EQ(plugin(""), "output_amqp091");
  EXPECT_EQ(plugin("0-9-1"), "output_amqp091");
  EXPECT_EQ(plugin("1.0"), "output_amqp");
  EXPECT_THAT(shown({{"AMQP_HOST", "h"}, {"AMQP_ROUTING_KEY", "q"}, {"AMQP_PROTOCOL", "1"}}),
              ElementsAre("environment: error: AMQP_PROTOCOL is \"1\"; allowed: 0-9-1, 1.0"));
}

TEST(Environment, AnEmptyExchangeMeansTheQueueNamedByTheKey) {
  const Loaded loaded =
      load({{"AMQP_HOST", "h"}, {"AMQP_EXCHANGE", ""}, {"AMQP_ROUTING_KEY", "q"}});
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(text_option(loaded.config, "broker", "exchange"), "(none)");
  EXPECT_EQ(text_option(loaded.config, "broker", "routing_key"), "q");
  EXPECT_FALSE(loaded.config.plugin("broker")->options.contains("username"));
  EXPECT_FALSE(loaded.config.plugin("broker")->options.contains("in_flight"));
}

TEST(Environment, TheBufferSizeOfItsPackageDoesNotThrottle) {
  const auto in_flight = [](const char* size) {
    Loaded loaded =
        load({{"AMQP_HOST", "h"}, {"AMQP_ROUTING_KEY", "q"}, {"AMQP_BUFFER_SIZE", size}});
    return number_option(loaded.config, "broker", "in_flight");
  };
  EXPECT_EQ(in_flight("10"), 100);
  EXPECT_EQ(in_flight("200"), 200);
  EXPECT_EQ(in_flight("4000000"), 100'000);  // the most that the plugin takes
}

TEST(Environment, BracesInNamesAreNoPlaceholders) {
  const Loaded loaded =
      load({{"AMQP_HOST", "h"}, {"AMQP_EXCHANGE", "{x}"}, {"AMQP_ROUTING_KEY", "{id}"}});
  EXPECT_EQ(text_option(loaded.config, "broker", "exchange"), "{{x}}");
  EXPECT_EQ(text_option(loaded.config, "broker", "routing_key"), "{{id}}");
}

TEST(Environment, UserPasswordAndVhostMayBePercentEncoded) {
  struct Case {
    const char* given;
    const char* meant;
  };
  for (const Case& c : {Case{"p%40ss", "p@ss"},
                        {"%2f", "/"},
                        {"%2F", "/"},
                        {"p@ss", "p@ss"},
                        {"100%", "100%"},
                        {"50%zz", "50%zz"},
                        {"a%4", "a%4"},
                        {"%41 and 5%", "%41 and 5%"},  // one invalid escape: nothing is decoded
                        {"%ff", "%ff"},                // would not be UTF-8
                        {"%00", "%00"},
                        {"${HOME}", "${HOME}"}}) {
    const Loaded loaded =
        load({{"AMQP_HOST", "h"}, {"AMQP_ROUTING_KEY", "q"}, {"AMQP_PASSWORD", c.given}});
    EXPECT_EQ(text_option(loaded.config, "broker", "password"), c.meant) << c.given;
  }
}

TEST(Environment, TheBrokersAddressTakesEachForm) {
  const auto url_for = [](const char* host, const char* port) {
    return url(load({{"AMQP_HOST", host}, {"AMQP_PORT", port}, {"AMQP_ROUTING_KEY", "q"}}).config);
  };
  EXPECT_EQ(url_for("h", "5673"), "amqp://h:5673");
  EXPECT_EQ(url_for("::1", ""), "amqp://[::1]:5672");
  EXPECT_EQ(url_for("[::1]", ""), "amqp://[::1]:5672");
  EXPECT_EQ(url_for("h", "5671"), "amqps://h:5671");
}

TEST(Environment, ListensWhereLsmtpdDid) {
  const Loaded bare = load({{"SERVER_NAME", "mx"}});
  EXPECT_EQ(bare.config.listeners.at(0).host, "0.0.0.0");
  EXPECT_EQ(bare.config.listeners.at(0).port, 25);
  EXPECT_EQ(load({{"BIND_ADDRESS", "::"}}).config.listeners.at(0).host, "::");
  EXPECT_EQ(load({{"BIND_ADDRESS", "[::1]"}}).config.listeners.at(0).host, "::1");
}

TEST(Environment, RustLogGivesTheLevel) {
  struct Case {
    const char* given;
    const char* level;
  };
  for (const Case& c : {Case{"debug", "debug"},
                        {"TRACE", "trace"},
                        {"lsmtpd=debug", "debug"},
                        {"lsmtpd=TRACE", "trace"},
                        {"warn,foo=trace", "warn"},
                        {"warn,lsmtpd=error", "error"},
                        {"lsmtpd=error, warn", "error"},
                        {"foo=trace", "info"},
                        {"lsmtpd", "trace"},
                        {"off", "off"},
                        {"warn/regex=debug", "warn"},
                        {",,=,", "info"},
                        {"", "info"}}) {
    EXPECT_EQ(load({{"SERVER_NAME", "mx"}, {"RUST_LOG", c.given}}).config.log.level, c.level)
        << c.given;
  }
}

TEST(Environment, SaysWhichVariableIsWrong) {
  EXPECT_THAT(
      shown({{"SERVER_NAME", "a b"},
             {"BIND_ADDRESS", "a/b"},
             {"BIND_PORT", "smtp"},
             {"MAX_EMAIL_SIZE_BYTES", "10MB"},
             {"MAX_TIMEOUT_SECS", "-1"},
             {"TEMP_EMAIL_DIR", "\xff"},
             {"AMQP_HOST", "h/x"},
             {"AMQP_PORT", "65536"},
             {"AMQP_PASSWORD", "\xff"},
             {"AMQP_BUFFER_SIZE", "0"}}),
      ElementsAre(
          "environment: error: SERVER_NAME is \"a b\", which is neither a domain nor an address "
          "literal",
          "environment: error: MAX_TIMEOUT_SECS is \"-1\"; allowed: 0 to 2592000",
          "environment: error: BIND_PORT is \"smtp\"; allowed: 0 to 65535",
          "environment: error: BIND_ADDRESS is \"a/b\": \"a/b\" is not a host",
          "environment: error: MAX_EMAIL_SIZE_BYTES is \"10MB\"; allowed: 1 to "
          "9223372036854775807",
          "environment: error: AMQP_PORT is \"65536\"; allowed: 1 to 65535",
          "environment: error: AMQP_HOST is \"h/x\", which is not a host",
          "environment: error: AMQP_PASSWORD is not valid UTF-8",
          "environment: error: AMQP_ROUTING_KEY must be set with AMQP_HOST: it names the queue (or "
          "set AMQP_EXCHANGE)",
          "environment: error: AMQP_BUFFER_SIZE is \"0\"; allowed: 1 to 4294967295",
          "environment: error: TEMP_EMAIL_DIR is not valid UTF-8"));
}

TEST(Environment, APasswordInTheBrokersNameIsNotShown) {
  for (const char* host : {"user:hunter2@h", "amqp://user:hunter2@h", "hunter2@"}) {
    EXPECT_THAT(shown({{"AMQP_HOST", host}, {"AMQP_ROUTING_KEY", "q"}}),
                ElementsAre("environment: error: AMQP_HOST is not a host: it holds an @ (put user "
                            "and password into AMQP_USERNAME and AMQP_PASSWORD)"));
  }
}

TEST(Environment, WithNothingSetSaysHowToBegin) {
  EXPECT_THAT(shown({{"RUST_LOG", "info"}, {"AMQP_HOST", ""}}),
              ElementsAre("environment: error: there is no configuration file, and none of "
                          "LSMTPD's variables is set (write /etc/lsmtpd/lsmtpd.toml, or name a "
                          "file with --config)"));
}

TEST(Environment, PrintedEnvironmentLoadsAsAFile) {
  const Loaded loaded = load({{"SERVER_NAME", "mx"},
                              {"AMQP_HOST", "::1"},
                              {"AMQP_PASSWORD", "a$${b}\"\\"},
                              {"AMQP_ROUTING_KEY", "q"}});
  const std::string printed = print(loaded.config, {});
  const Loaded again = load_text(printed, "environment");
  EXPECT_THAT(again.diagnostics, IsEmpty());
  EXPECT_EQ(print(again.config, {}), printed);
  EXPECT_EQ(text_option(again.config, "broker", "password"), "a$${b}\"\\");
}

}  // namespace
}  // namespace lsmtpd::config
