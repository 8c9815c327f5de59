// SPDX-License-Identifier: Apache-2.0
// One question to a plugin, without a daemon: `try` and `check --live`.
#include "app/ask_alone.hpp"

#include <gtest/gtest.h>

#include "app/setup.hpp"

namespace lsmtpd::app {
namespace {

class AskAloneTest : public testing::Test {
 protected:
  // Runs one message through the fixture bad_filter.
  std::optional<plugin::Completion> ask(const std::string& mode, const std::string& close = "now") {
    config_.server.plugin_path = {FIXTURES};
    config_.limits.spill_directory = testing::TempDir();
    config::Plugin entry;
    entry.name = "asked";
    entry.use = "bad_filter";
    entry.options["mode"] = {{mode, {}}, {}};
    entry.options["close"] = {{close, {}}, {}};
    config_.plugins.push_back(entry);
    app::Setup setup(config_);
    std::vector<config::Diagnostic> problems;
    setup.load(problems);
    message::Message message;
    message.envelope = std::make_shared<message::Envelope>();
    message.body = message::BodyWriter(setup.resources()).finish();
    return ask_alone(
        *setup.instances().at("asked"), 200,
        [&](plugin::Lane& lane, plugin::Done done, plugin::CallId& call) {
          return lane.filter(message, 200, std::move(done), call);
        },
        problem_);
  }
  config::Config config_;
  std::string problem_;
};

TEST_F(AskAloneTest, GivesTheAnswer) {
  const auto answer = ask("continue");
  ASSERT_TRUE(answer) << problem_;
  EXPECT_EQ(answer->verdict.kind, plugin::Kind::proceed);
}

TEST_F(AskAloneTest, APluginThatNeverAnswersIsLeftWithItsLaneClosed) {
  EXPECT_FALSE(ask("never"));
  EXPECT_EQ(problem_, "asked: no answer within 200ms");
}

TEST_F(AskAloneTest, APluginThatDoesNotCloseItsLaneEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(ask("never", "never"), testing::ExitedWithCode(1), "the lane does not close");
}

}  // namespace
}  // namespace lsmtpd::app
