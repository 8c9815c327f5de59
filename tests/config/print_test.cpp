#include <gmock/gmock.h>

#include <limits>

#include "config/config.hpp"

namespace lsmtpd::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Option option(decltype(OptionValue::value) value) {
  return {OptionValue{std::move(value), {}}, {}};
}

// Nothing in it is a default, so that a key that is not printed, or not read, is seen.
Config unusual() {
  Config config;
  config.file = "x";
  config.server = {"mx.example.com", 3, "mail", {"/a", "/b \"c\""}};
  config.listeners = {
      {"one", "::1", 2525, Protocol::lmtp, BareLf::normalize, "main", 1500, {}, {}, {}},
      {"two", "*", 0, Protocol::smtp, BareLf::reject, "main", 0, {}, {}, {}}};
  config.limits = {65537, 101, 102, 103, 31, 63, 104, 105, 1048577, 107, "/spill", 1025, 109};
  config.timeouts = {1001, 1002, 1003, 1004, 1005};
  config.log = {"trace", "json", "/var/log/${x}"};
  Plugin filter;
  filter.name = "filter";
  filter.use = "./f.so";
  filter.deadline = 999;
  filter.on_timeout = OnFailure::proceed;
  filter.on_error = OnFailure::reject;
  filter.fallback = "other";
  filter.options["text"] = option(std::string("\" \\ \n \x7f ${A} $${B} \xc3\xa4"));
  filter.options["odd key ${x}"] = option(true);
  filter.options["least"] = option(std::numeric_limits<int64_t>::min());
  filter.options["real"] = option(2.0);
  filter.options["small"] = option(1e-30);
  filter.options["infinite"] = option(-std::numeric_limits<double>::infinity());
  const OptionValue one{int64_t{1}, {}};
  filter.options["list"] = option(
      OptionValue::List{one, {OptionValue::Map{{"k k", one}}, {}}, {OptionValue::List{}, {}}});
  filter.options["map"] = option(OptionValue::Map{{"a", one}, {"b", {OptionValue::Map{}, {}}}});
  Plugin other;
  other.name = "other";
  other.use = "o";
  config.plugins = {filter, other};
  config.chains = {{"main", {"filter"}, {}, {}}};
  return config;
}

TEST(Print, LoadsAgainToTheSameValues) {
  const std::string printed = print(unusual(), {});
  const Loaded again = load_text(printed, "x");
  for (const Diagnostic& one : again.diagnostics) ADD_FAILURE() << format(one, "x") << printed;
  EXPECT_EQ(print(again.config, {}), printed);
}

// The same text twice would also come of values that are lost twice.
TEST(Print, LosesNoValueOnTheWay) {
  const Config config = load_text(print(unusual(), {}), "x").config;
  EXPECT_EQ(config.server.hostname, "mx.example.com");
  EXPECT_EQ(config.server.workers, 3u);
  EXPECT_EQ(config.server.user, "mail");
  EXPECT_THAT(config.server.plugin_path, ElementsAre("/a", "/b \"c\""));
  ASSERT_EQ(config.listeners.size(), 2u);
  EXPECT_EQ(config.listeners[0].host, "::1");
  EXPECT_EQ(config.listeners[0].protocol, Protocol::lmtp);
  EXPECT_EQ(config.listeners[0].bare_lf, BareLf::normalize);
  EXPECT_EQ(config.listeners[0].greet_delay, 1500u);
  EXPECT_EQ(config.limits.message_size, 65537u);
  EXPECT_EQ(config.limits.recipients, 101u);
  EXPECT_EQ(config.limits.connections, 102u);
  EXPECT_EQ(config.limits.connections_per_peer, 103u);
  EXPECT_EQ(config.limits.commands, 104u);
  EXPECT_EQ(config.limits.errors, 105u);
  EXPECT_EQ(config.limits.memory, 1048577u);
  EXPECT_EQ(config.limits.spill, 107u);
  EXPECT_EQ(config.limits.spill_directory, "/spill");
  EXPECT_EQ(config.limits.unread_replies, 1025u);
  EXPECT_EQ(config.limits.data_rate, 109u);
  EXPECT_EQ(config.timeouts.command, 1001u);
  EXPECT_EQ(config.timeouts.data_idle, 1002u);
  EXPECT_EQ(config.timeouts.session, 1003u);
  EXPECT_EQ(config.timeouts.chain, 1004u);
  EXPECT_EQ(config.timeouts.drain, 1005u);
  EXPECT_EQ(config.log.level, "trace");
  EXPECT_EQ(config.log.format, "json");
  EXPECT_EQ(config.log.file, "/var/log/${x}");
  EXPECT_THAT(config.chain("main")->steps, ElementsAre("filter"));
}

TEST(Print, LosesNoOptionOnTheWay) {
  const Config config = load_text(print(unusual(), {}), "x").config;
  const Plugin* filter = config.plugin("filter");
  ASSERT_NE(filter, nullptr);
  EXPECT_EQ(filter->deadline, 999u);
  EXPECT_EQ(filter->on_timeout, OnFailure::proceed);
  EXPECT_EQ(filter->on_error, OnFailure::reject);
  EXPECT_EQ(filter->fallback, "other");
  const auto value = [&](const char* key) { return filter->options.at(key).value.value; };
  EXPECT_EQ(std::get<std::string>(value("text")), "\" \\ \n \x7f ${A} $${B} \xc3\xa4");
  EXPECT_EQ(std::get<bool>(value("odd key ${x}")), true);
  EXPECT_EQ(std::get<int64_t>(value("least")), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(std::get<double>(value("real")), 2.0);
  EXPECT_EQ(std::get<double>(value("small")), 1e-30);
  EXPECT_EQ(std::get<double>(value("infinite")), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(std::get<OptionValue::List>(value("list")).size(), 3u);
  EXPECT_EQ(std::get<OptionValue::Map>(value("map")).size(), 2u);
}

TEST(Print, HidesSecrets) {
  Config config = unusual();
  config.plugins[0].options["password"] = option(std::string("hunter2"));
  config.plugins[0].options["tokens"] = option(OptionValue::List{{std::string("hunter2"), {}}});
  config.plugins[1].options["password"] = option(std::string("not named as one"));
  const std::string printed = print(config, {"filter.password", "filter.tokens"});
  EXPECT_THAT(printed, Not(HasSubstr("hunter2")));
  EXPECT_THAT(printed, HasSubstr("password = \"***\"\n"));
  EXPECT_THAT(printed, HasSubstr("not named as one"));
  EXPECT_THAT(load_text(printed, "x").diagnostics, IsEmpty());
}

TEST(Print, SaysWhereTheConfigurationCameFrom) {
  Config config = unusual();
  config.file = "/etc/a\nb";
  EXPECT_THAT(print(config, {}), HasSubstr("# the effective configuration of /etc/a\\x0ab\n"));
}

}  // namespace
}  // namespace lsmtpd::config
