// SPDX-License-Identifier: Apache-2.0
// From a configuration to plugins: what does not fit together is said at its place.
#include "app/setup.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace lsmtpd::app {
namespace {

class SetupTest : public testing::Test {
 protected:
  SetupTest() {
    config_.file = "test.toml";
    config_.server.hostname = "mx.example.com";
    config_.server.workers = 1;
    config_.server.plugin_path = {FIXTURES};
    config_.limits.spill_directory = testing::TempDir();
  }
  config::Plugin& plugin(const std::string& name, const std::string& use,
                         const std::string& fallback = {}) {
    config::Plugin entry;
    entry.name = name;
    entry.use = use;
    entry.fallback = fallback;
    entry.given.places["use"] = {++line_, 7};
    entry.given.places["fallback"] = {line_, 12};
    config_.plugins.push_back(entry);
    return config_.plugins.back();
  }
  void chain(std::vector<std::string> steps) {
    config::Chain entry;
    entry.name = "default";
    entry.position = {100, 1};
    for (uint32_t i = 0; i < steps.size(); ++i) entry.given.items["steps"].push_back({101, i + 1});
    entry.steps = std::move(steps);
    config_.chains.push_back(entry);
  }
  // All that is wrong, "LINE:COLUMN message" each.
  std::vector<std::string> problems(bool warnings = false) {
    app::Setup setup(config_);
    std::vector<config::Diagnostic> all;
    setup.load(all);
    std::vector<std::string> texts;
    for (const auto& d : all) {
      if (d.warning == warnings) {
        texts.push_back(fmt::format("{}:{} {}", d.position.line, d.position.column, d.message));
      }
    }
    EXPECT_EQ(has_errors(all), !warnings && !texts.empty());
    return texts;
  }
  using Problems = std::vector<std::string>;
  config::Config config_;
  uint32_t line_ = 0;
};

TEST_F(SetupTest, TheUsualFileGoesBeforeLsmtpdsEnvironmentAndSaysSo) {
  const std::string file = testing::TempDir() + "usual.toml";
  std::ofstream(file) << "[server]\nhostname = \"mx.example.com\"\n";
  ::setenv("AMQP_HOST", "broker.example.com", 1);
  ::setenv("AMQP_ROUTING_KEY", "mail", 1);
  const auto warned = load_config({}, file);
  ASSERT_FALSE(warned.diagnostics.empty());
  EXPECT_TRUE(warned.diagnostics.back().warning);
  EXPECT_EQ(warned.diagnostics.back().message,
            "AMQP_HOST is set and has no effect, since this file is there");
  EXPECT_EQ(warned.config.server.hostname, "mx.example.com");
  ::unlink(file.c_str());
  const auto environment = load_config({}, file);
  EXPECT_TRUE(environment.ok());
  EXPECT_TRUE(environment.config.plugin("broker"));
  ::unsetenv("AMQP_HOST");
  ::unsetenv("AMQP_ROUTING_KEY");
}

TEST_F(SetupTest, FiltersAndThenAnOutputAreFine) {
  plugin("size", "bad_filter");
  plugin("client", "session_filter");
  plugin("out", "test_output");
  chain({"client", "size", "out"});
  EXPECT_EQ(problems(), Problems{});
  EXPECT_EQ(problems(true), Problems{});
}

TEST_F(SetupTest, AFilterBehindAnOutputIsAnErrorAtItsStep) {
  plugin("size", "bad_filter");
  plugin("out", "test_output");
  chain({"out", "size"});
  EXPECT_EQ(problems(), Problems{"101:2 chain.default: the filter size stands behind an output"});
}

TEST_F(SetupTest, AChainNeedsAnOutput) {
  plugin("size", "bad_filter");
  chain({"size"});
  EXPECT_EQ(problems(), Problems{"100:1 chain.default has no output"});
}

TEST_F(SetupTest, PluginThatIsNeitherFilterNorOutputIsRefusedInAChain) {
  plugin("odd", "extension_filter").options["use"] = {{std::string("nothing"), {}}, {}};
  plugin("out", "test_output");
  chain({"odd", "out"});
  EXPECT_EQ(problems(), Problems{"101:1 chain.default: odd is neither a filter nor an output"});
}

TEST_F(SetupTest, AFallbackMustGiveBackWhatItStores) {
  plugin("broker", "test_output", "other");
  plugin("other", "test_output");
  chain({"broker"});
  EXPECT_EQ(
      problems(),
      Problems{
          "1:12 plugin.broker: other cannot be a fallback: it does not give back what it stores "
          "(extension lsmtpd.replay/1)"});
}

TEST_F(SetupTest, OnlyAnOutputHasAFallback) {
  plugin("size", "bad_filter", "spool");
  plugin("spool", "replay_output");
  chain({"size", "spool"});
  EXPECT_EQ(problems(), Problems{"1:12 plugin.size: only an output can have a fallback"});
}

TEST_F(SetupTest, AFallbackThatStoresIsFine) {
  plugin("broker", "test_output", "spool");
  plugin("spool", "replay_output");
  chain({"broker"});
  EXPECT_EQ(problems(), Problems{});
}

TEST_F(SetupTest, SeveralOutputsWithoutAFallbackAreAWarning) {
  plugin("a", "test_output", "spool");
  plugin("b", "test_output");
  plugin("spool", "replay_output");
  chain({"a", "b"});
  EXPECT_EQ(problems(), Problems{});
  const auto warnings = problems(true);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].rfind("100:1 chain.default: b has no fallback: ", 0), 0u) << warnings[0];
}

TEST_F(SetupTest, EachMistakeIsReportedWithoutItsConsequences) {
  plugin("a", "no_such_plugin");
  plugin("b", "bad_filter").options["mode"] = {{std::string("nonsense"), {20, 8}}, {20, 1}};
  plugin("c", "fails_create");
  chain({"a", "b", "c"});
  const auto all = problems();
  ASSERT_EQ(all.size(), 3u) << "that the chain has no output is not known";
  EXPECT_EQ(all[0].rfind("1:7 plugin.a: no plugin no_such_plugin in ", 0), 0u) << all[0];
  EXPECT_EQ(all[1].rfind("20:8 plugin.b: option mode must be one of: ", 0), 0u) << all[1];
  EXPECT_EQ(all[2], "3:7 plugin.c: fails_create could not be created");
}

TEST_F(SetupTest, BadPluginsAreErrorsThatNameThem) {
  for (const char* use : {"no_entry", "wrong_abi", "fails_init", "throws_in_init", "no_factory",
                          "throws_in_create"}) {
    config_.plugins.clear();
    config_.chains.clear();
    line_ = 0;
    plugin("x", use);
    chain({"x"});
    const auto all = problems();
    ASSERT_EQ(all.size(), 1u) << use;
    EXPECT_EQ(all[0].rfind("1:7 plugin.x: ", 0), 0u) << all[0];
    EXPECT_NE(all[0].find(use), std::string::npos) << all[0];
  }
}

TEST_F(SetupTest, TheSpillDirectoryMustBeWritable) {
  config_.limits.spill_directory = "/no/such/folder";
  plugin("out", "test_output");
  chain({"out"});
  EXPECT_EQ(problems(),
            Problems{"0:0 limits.spill_directory = \"/no/such/folder\" cannot be written to"});
}

TEST_F(SetupTest, WorkersZeroBecomesTheCoresAllowed) {
  config_.server.workers = 0;
  EXPECT_GE(app::Setup(config_).process().workers, 1u);
}

TEST_F(SetupTest, TheEffectiveConfigurationHasThePluginsDefaults) {
  plugin("out", "test_output").options["delay"] = {{std::string("5s"), {}}, {}};
  chain({"out"});
  app::Setup setup(config_);
  std::vector<config::Diagnostic> all;
  setup.load(all);
  const auto effective = setup.effective();
  const auto& options = effective.plugins[0].options;
  EXPECT_EQ(std::get<std::string>(options.at("verdict").value.value), "stored");
  EXPECT_EQ(std::get<std::string>(options.at("delay").value.value), "5s");
  EXPECT_FALSE(options.contains("record")) << "what has no default stays unset";
}

}  // namespace
}  // namespace lsmtpd::app
