// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/text.hpp"
#include "config/config.hpp"

namespace lsmtpd::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> shown(const Loaded& loaded) {
  std::vector<std::string> lines;
  for (const Diagnostic& one : loaded.diagnostics) lines.push_back(format(one, loaded.config.file));
  return lines;
}

constexpr auto design_example = R"([server]
hostname = "mx.example.com"
workers  = 2
user     = "mail"
plugin_path = ["/opt/plugins"]

[[listener]]
name     = "mx"
address  = "[::1]:2525"
protocol = "lmtp"
bare_lf  = "normalize"
chain    = "default"
greet_delay = "2s"

[limits]
message_size         = "20MiB"
recipients           = 500
connections          = 200
connections_per_peer = 10
peer_prefix_v4 = 24
peer_prefix_v6 = 56
exempt = ["192.0.2.0/24", "2001:db8::1"]
commands             = 50
errors               = 5
memory               = 33554432
spill                = "2GiB"
spill_directory      = "/var/spill"
unread_replies       = "32KiB"
data_rate            = 0

[timeouts]
command   = "300s"
data_idle = "3m"
session   = 0
chain     = "40s"
drain     = "5s"

[log]
level  = "debug"
format = "json"
file   = "/var/log/lsmtpd.log"

[plugin.size]
use        = "filter_size"
deadline   = "500ms"
on_timeout = "continue"
on_error   = "reject"
options    = { max = "10MiB" }

[plugin.broker]
use      = "output_amqp"
fallback = "spool"
[plugin.broker.options]
urls = ["amqps://broker-a:5671", "amqps://broker-b:5671"]
password = "${LSMTPD_TEST_SECRET}"
headers = { a = 1, b = { c = true, d = 0.5 } }

[plugin.spool]
use = "./plugins/spool.so"

[chain.default]
steps = ["size", "broker"]
)";

class ExampleTest : public testing::Test {
 protected:
  ExampleTest() {
    setenv("LSMTPD_TEST_SECRET", "s3cret", 1);
    loaded_ = load_text(design_example, "lsmtpd.toml");
  }
  const Config& config() const { return loaded_.config; }

  Loaded loaded_;
};

TEST_F(ExampleTest, HasNothingWrong) {
  EXPECT_THAT(shown(loaded_), IsEmpty());
}

TEST_F(ExampleTest, GivesTheServerAndItsListener) {
  EXPECT_EQ(config().server.hostname, "mx.example.com");
  EXPECT_EQ(config().server.workers, 2u);
  EXPECT_EQ(config().server.user, "mail");
  EXPECT_THAT(config().server.plugin_path, ElementsAre("/opt/plugins"));
  ASSERT_EQ(config().listeners.size(), 1u);
  const Listener& listener = config().listeners[0];
  EXPECT_EQ(listener.name, "mx");
  EXPECT_EQ(listener.host, "::1");
  EXPECT_EQ(listener.port, 2525);
  EXPECT_EQ(listener.protocol, Protocol::lmtp);
  EXPECT_EQ(listener.bare_lf, BareLf::normalize);
  EXPECT_EQ(listener.chain, "default");
  EXPECT_EQ(listener.greet_delay, 2000u);
  EXPECT_EQ(listener.position.line, 7u);
}

TEST_F(ExampleTest, GivesLimitsInBytesAndTimeoutsInMilliseconds) {
  const Limits& limits = config().limits;
  EXPECT_EQ(limits.message_size, 20u << 20);
  EXPECT_EQ(limits.recipients, 500u);
  EXPECT_EQ(limits.connections, 200u);
  EXPECT_EQ(limits.connections_per_peer, 10u);
  EXPECT_EQ(limits.peer_prefix_v4, 24u);
  EXPECT_EQ(limits.peer_prefix_v6, 56u);
  ASSERT_EQ(limits.exempt.size(), 2u);
  EXPECT_EQ(format_network(limits.exempt[1]), "2001:db8::1/128");
  EXPECT_EQ(limits.commands, 50u);
  EXPECT_EQ(limits.errors, 5u);
  EXPECT_EQ(limits.memory, 32u << 20);
  EXPECT_EQ(limits.spill, 2ull << 30);
  EXPECT_EQ(limits.spill_directory, "/var/spill");
  EXPECT_EQ(limits.unread_replies, 32u << 10);
  EXPECT_EQ(limits.data_rate, 0u);
  const Timeouts& timeouts = config().timeouts;
  EXPECT_EQ(timeouts.command, 300'000u);
  EXPECT_EQ(timeouts.data_idle, 180'000u);
  EXPECT_EQ(timeouts.session, 0u);
  EXPECT_EQ(timeouts.chain, 40'000u);
  EXPECT_EQ(timeouts.drain, 5'000u);
  EXPECT_EQ(config().log.level, "debug");
  EXPECT_EQ(config().log.format, "json");
  EXPECT_EQ(config().log.file, "/var/log/lsmtpd.log");
}

TEST_F(ExampleTest, GivesPluginsAndChainsInTheOrderOfTheFile) {
  ASSERT_EQ(config().plugins.size(), 3u);
  const Plugin& size = config().plugins[0];
  EXPECT_EQ(size.name, "size");
  EXPECT_EQ(size.use, "filter_size");
  EXPECT_EQ(size.deadline, 500u);
  EXPECT_EQ(size.on_timeout, OnFailure::proceed);
  EXPECT_EQ(size.on_error, OnFailure::reject);
  EXPECT_EQ(config().plugins[1].name, "broker");
  EXPECT_EQ(config().plugins[1].fallback, "spool");
  EXPECT_EQ(config().plugins[2].use, "./plugins/spool.so");
  ASSERT_NE(config().chain("default"), nullptr);
  EXPECT_THAT(config().chain("default")->steps, ElementsAre("size", "broker"));
  EXPECT_EQ(config().plugin("size"), &size);
  EXPECT_EQ(config().plugin("nope"), nullptr);
}

TEST_F(ExampleTest, GivesOptionsAsTheyStandWithTheirPositions) {
  const auto& options = config().plugin("broker")->options;
  const auto& urls = std::get<OptionValue::List>(options.at("urls").value.value);
  ASSERT_EQ(urls.size(), 2u);
  EXPECT_EQ(std::get<std::string>(urls[1].value), "amqps://broker-b:5671");
  EXPECT_EQ(urls[1].position.line, 54u);
  EXPECT_EQ(urls[1].position.column, 34u);
  EXPECT_EQ(options.at("urls").key_position.line, 54u);
  EXPECT_EQ(options.at("urls").key_position.column, 1u);
  EXPECT_EQ(std::get<std::string>(options.at("password").value.value), "s3cret");
  const auto& headers = std::get<OptionValue::Map>(options.at("headers").value.value);
  EXPECT_EQ(std::get<int64_t>(headers.at("a").value), 1);
  const auto& inner = std::get<OptionValue::Map>(headers.at("b").value);
  EXPECT_EQ(std::get<bool>(inner.at("c").value), true);
  EXPECT_EQ(std::get<double>(inner.at("d").value), 0.5);
}

TEST(Load, TheLeastFileGetsTheDefaults) {
  const Loaded loaded = load_text(
      "listener = [{ address = '*:25' }]\nplugin.a.use = 'x'\nchain.default.steps = ['a']", "f");
  EXPECT_THAT(shown(loaded), IsEmpty());
  const Config& config = loaded.config;
  EXPECT_FALSE(config.server.hostname.empty());
  ASSERT_EQ(config.listeners.size(), 1u);
  EXPECT_EQ(config.listeners[0].name, "listener-1");
  EXPECT_EQ(config.listeners[0].chain, "default");
  EXPECT_EQ(config.limits.message_size, 10u << 20);
  EXPECT_EQ(config.timeouts.chain, 30'000u);
  EXPECT_EQ(config.plugins.at(0).deadline, 10'000u);
}

TEST(Load, AFileThatCannotBeReadIsAnError) {
  EXPECT_THAT(
      shown(load_file("/nonexistent/lsmtpd.toml")),
      ElementsAre("/nonexistent/lsmtpd.toml: error: cannot open: No such file or directory"));
  EXPECT_THAT(shown(load_file("/")), ElementsAre("/: error: is a directory"));
}

TEST(Load, AFileOfUnreasonableSizeIsAnError) {
  const auto path = std::filesystem::temp_directory_path() / "lsmtpd-config-large.toml";
  std::ofstream(path) << std::string((1u << 20) + 1, '#');
  EXPECT_THAT(shown(load_file(path)), ElementsAre(HasSubstr("is larger than 1MiB")));
  std::filesystem::remove(path);
}

TEST(Load, DamagedFilesGiveDiagnosticsAndNothingElse) {
  std::mt19937 random(3);  // NOLINT: the same damage in every run
  const std::string sound = design_example;
  for (int round = 0; round < 3000; ++round) {
    std::string text = sound;
    for (size_t i = 1 + random() % 4; i > 0; --i) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, random() % 20);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 20));
          break;
      }
    }
    const Loaded loaded = load_text(text, "f");
    for (const Diagnostic& one : loaded.diagnostics) {
      const std::string line = format(one, "f");
      EXPECT_TRUE(is_utf8(line) && line.find('\n') == std::string::npos) << line;
    }
    if (loaded.ok()) {
      const std::string printed = print(loaded.config, {});
      EXPECT_EQ(print(load_text(printed, "f").config, {}), printed);
    }
  }
}

TEST(Load, TheFileInEtcWorksAsItIs) {
  const Loaded loaded = load_file(LSMTPD_SOURCE_DIR "/etc/lsmtpd.toml");
  EXPECT_THAT(shown(loaded), IsEmpty());
  ASSERT_EQ(loaded.config.listeners.size(), 1u);
  EXPECT_EQ(loaded.config.listeners[0].host, "127.0.0.1");
  EXPECT_EQ(loaded.config.listeners[0].port, 2525);
  EXPECT_THAT(loaded.config.chain("default")->steps, ElementsAre("size", "spool"));
}

// Lines that are commented out are meant to be used: they must be valid too.
TEST(Load, TheFileInEtcWorksWithTheBrokerItDescribes) {
  std::ifstream file(LSMTPD_SOURCE_DIR "/etc/lsmtpd.toml");
  std::string text;
  for (std::string line; std::getline(file, line);) {
    const bool setting = line.starts_with("#[") || (line.starts_with("#") && line.size() > 1 &&
                                                    line[1] != ' ' && line[1] != '#');
    if (line == "steps = [\"size\", \"spool\"]") line = "steps = [\"size\", \"broker\"]";
    text += (setting ? line.substr(1) : line) + "\n";
  }
  const Loaded loaded = load_text(text, "etc");
  EXPECT_THAT(shown(loaded), IsEmpty());
  EXPECT_THAT(loaded.config.chain("default")->steps, ElementsAre("size", "broker"));
  EXPECT_EQ(loaded.config.plugin("broker")->fallback, "spool");
}

}  // namespace
}  // namespace lsmtpd::config
