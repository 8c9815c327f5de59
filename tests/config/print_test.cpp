// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <limits>

#include "key_values.hpp"

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
  uint64_t number = 65537;
  for (const Section section : {Section::server, Section::tls, Section::limits, Section::timeouts,
                                Section::log, Section::admin}) {
    for (const Key& key : keys_of(section))
      key.set(part(config, section), other_value(key, number++));
  }
  config.server.hostname = "mx.example.com";
  config.server.workers = 3;
  config.server.plugin_path = {"/a", "/b \"c\""};
  config.log.file = "/var/log/${x}";
  config.admin.mode = "0600";
  config.admin.http = "[::1]:9925";
  config.limits.memory = 1048577;
  config.limits.connections_per_peer = 103;
  config.listeners.resize(2);
  for (const Key& key : keys_of(Section::listener))
    key.set(&config.listeners[0], other_value(key, number++));
  config.listeners[0].greet_delay = 1500;
  config.listeners[0].name = "one";
  config.listeners[0].auth_plugin = "other";
  config.listeners[0].chain = config.listeners[1].chain = "main";
  config.listeners[1].name = "two";
  config.listeners[1].host = "*";
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
  Chain& chain = config.chains.emplace_back();
  for (const Key& key : keys_of(Section::chain)) key.set(&chain, other_value(key, number++));
  chain.name = "main";
  chain.steps = {"filter"};
  Route& route = chain.routes.emplace_back();
  for (const Key& key : keys_of(Section::route)) key.set(&route, other_value(key, number++));
  route.steps = {"filter"};
  return config;
}

TEST(Print, LoadsAgainToTheSameValues) {
  const std::string printed = print(unusual());
  const Loaded again = load_text(printed, "x");
  for (const Diagnostic& one : again.diagnostics) ADD_FAILURE() << format(one, "x") << printed;
  EXPECT_EQ(print(again.config), printed);
}

// The same text twice would also come of values that are lost twice.
TEST(Print, LosesNoValueOnTheWay) {
  const Config before = unusual();
  const Config after = load_text(print(before), "x").config;
  for (const Key& key : all_keys()) {
    if (key.type == Type::options) continue;
    const Value value = key.get(part(before, key.section));
    EXPECT_EQ(toml_text(key, value), toml_text(key, key.get(part(after, key.section)))) << key.name;
    EXPECT_NE(toml_text(key, value), default_text(key)) << key.name << " cannot be seen to be lost";
  }
}

TEST(Print, LosesNoOptionOnTheWay) {
  const Config config = load_text(print(unusual()), "x").config;
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
  const std::string printed = print(config, {{"filter.password", "filter.tokens"}, {}});
  EXPECT_THAT(printed, Not(HasSubstr("hunter2")));
  EXPECT_THAT(printed, HasSubstr("password = \"***\"\n"));
  EXPECT_THAT(printed, HasSubstr("not named as one"));
  EXPECT_THAT(load_text(printed, "x").diagnostics, IsEmpty());
}

TEST(Print, ShowsAlsoKeysThatAreNotSet) {
  Config config = unusual();
  config.plugins[1].fallback.clear();
  Printing how;
  how.unset = {"other.tls_ca", "others.tls_ca"};
  const std::string printed = print(config, how);
  EXPECT_THAT(printed,
              HasSubstr("fallback = \"\"\n\n[plugin.other.options]\n# tls_ca is not set\n"));
  EXPECT_THAT(load_text(printed, "x").diagnostics, IsEmpty());
}

TEST(Print, OnlyChangedLeavesOutWhatHasItsDefault) {
  Config config;
  config.file = "x";
  config.server.hostname = machine_name();
  config.limits.memory = 64u << 20;
  config.timeouts.command = 300'000;  // the default, in whatever unit
  config.listeners.resize(2);
  config.listeners[0].name = "listener-1";
  config.listeners[0].host = "*";
  config.listeners[1].name = "listener-1";
  config.listeners[1].host = "*";
  config.chains.emplace_back().name = "default";
  config.chains[0].steps = {"out"};
  Printing how;
  how.unset = {"out.key"};
  how.only_changed = true;
  EXPECT_EQ(print(config, how),
            "# changes from the defaults in the configuration of x\n"
            "\n[[listener]]\naddress = \"*:0\"\n"
            "\n[[listener]]\nname = \"listener-1\"\naddress = \"*:0\"\n"
            "\n[limits]\nmemory = \"64MiB\"\n"
            "\n[chain.default]\nsteps = [\"out\"]\n");
}

TEST(Print, SaysWhereTheConfigurationCameFrom) {
  Config config = unusual();
  config.file = "/etc/a\nb";
  EXPECT_THAT(print(config), HasSubstr("# the effective configuration of /etc/a\\x0ab\n"));
}

}  // namespace
}  // namespace lsmtpd::config
