// SPDX-License-Identifier: Apache-2.0
// New options for an instance that goes on, several instances of one name, and orders.
#include <gtest/gtest.h>

#include "plugin/plugin_options.hpp"
#include "plugin_host.hpp"

namespace lsmtpd::plugin {
namespace {

class ReloadTest : public testing::Test {
 protected:
  static std::unique_ptr<Options> options(const std::string& use, test::Settings settings) {
    const auto entry = test::plugin_entry("f", use, settings);
    const auto library = Library::load(use, {FIXTURES});
    std::vector<config::Diagnostic> problems;
    auto made = Options::validate(entry, (*library)->options(), problems);
    EXPECT_TRUE(problems.empty());
    return made;
  }
  std::string said(Lane& lane) { return host_.filter(lane, host_.mail()).verdict.detail; }

  test::PluginHost host_;
};

TEST_F(ReloadTest, NewOptionsCountFromTheCommitOn) {
  Instance& instance = host_.instance(test::plugin_entry("f", "reload_filter", {}));
  Lane& lane = host_.lane(instance);
  EXPECT_FALSE(instance.may_be_doubled());
  EXPECT_EQ(said(lane), "first 0");
  ASSERT_TRUE(instance.prepare(options("reload_filter", {{"text", "second"}})));
  EXPECT_EQ(said(lane), "first 0");
  instance.commit();
  EXPECT_EQ(said(lane), "second 0");
}

TEST_F(ReloadTest, AbortedOptionsNeverTakeEffect) {
  Instance& instance = host_.instance(test::plugin_entry("f", "reload_filter", {}));
  ASSERT_TRUE(instance.prepare(options("reload_filter", {{"text", "second"}})));
  instance.abort();
  EXPECT_EQ(said(host_.lane(instance)), "first 0");
}

TEST_F(ReloadTest, AnOptionThatCannotChangeIsNamed) {
  Instance& instance = host_.instance(test::plugin_entry("f", "reload_filter", {}));
  const auto status = instance.prepare(options("reload_filter", {{"fixed", "b"}}));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "plugin.f: option fixed: cannot change while lsmtpd runs");
}

TEST_F(ReloadTest, WithoutTheExtensionTheChangedOptionsNeedARestart) {
  Instance& instance = host_.instance(test::plugin_entry("f", "session_filter", {{"peer", "a"}}));
  const auto status = instance.prepare(options("session_filter", {{"peer", "b"}, {"text", "new"}}));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "plugin.f: peer, text cannot change while it runs: restart lsmtpd");
}

TEST_F(ReloadTest, TwoInstancesOfOneNameLiveSideBySide) {
  Lane& one = host_.lane("f", "reload_filter", {{"text", "one"}});
  Lane& two = host_.lane("f", "reload_filter", {{"text", "two"}});
  EXPECT_EQ(said(one), "one 0");
  EXPECT_EQ(said(two), "two 0");
}

TEST_F(ReloadTest, RetryNowReachesTheLane) {
  Lane& lane = host_.lane("f", "reload_filter", {{"text", "x"}});
  test::on_loop(host_.loop, [&] { lane.retry_now(); });
  EXPECT_EQ(said(lane), "x 1");
  Lane& without = host_.lane("g", "bad_filter");
  test::on_loop(host_.loop, [&] { without.retry_now(); });
}

}  // namespace
}  // namespace lsmtpd::plugin
