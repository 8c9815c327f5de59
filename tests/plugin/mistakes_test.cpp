// SPDX-License-Identifier: Apache-2.0
// Mistakes of plugins: named in the log, and harmless.
#include <gtest/gtest.h>

#include <csignal>

#include "plugin/running.hpp"
#include "plugin_host.hpp"

namespace lsmtpd::plugin {
namespace {

using test::on_loop;
using test::PluginHost;
using test::turn;

class MistakesTest : public testing::Test {
 protected:
  Kind run(const std::string& mode, const std::string& delay = "50ms") {
    Lane& lane = host_.lane("bad", "bad_filter", {{"mode", mode}, {"delay", delay}});
    return host_.filter(lane, host_.mail()).verdict.kind;
  }
  size_t logged(const std::string& part) {
    const std::string log = host_.log();
    size_t times = 0;
    for (size_t at = log.find(part); at != std::string::npos; at = log.find(part, at + 1)) ++times;
    return times;
  }
  PluginHost host_;
};

TEST_F(MistakesTest, ExtraUnpinIsNamedAndReleasesNothing) {
  EXPECT_EQ(run("unpins_twice"), Kind::proceed);
  EXPECT_EQ(logged("unpinned_twice"), 1u);
  EXPECT_EQ(host_.resources.memory.used(), 0u);
}

TEST_F(MistakesTest, UseOfAFreedMessageIsReported) {
  EXPECT_EQ(run("unpins_late"), Kind::proceed);
  EXPECT_TRUE(host_.run_until([&] { return logged("message_not_held") == 1; }));
}

TEST_F(MistakesTest, FunctionsThatAreNullAreNamedEach) {
  EXPECT_EQ(run("null_functions"), Kind::proceed);
  EXPECT_EQ(logged("null_function"), 6u);
}

TEST_F(MistakesTest, FunctionsOfTheLoopOnAnotherThreadAreNamedEach) {
  EXPECT_EQ(run("wrong_thread"), Kind::proceed);
  EXPECT_EQ(logged("wrong_thread"), 4u);
}

TEST_F(MistakesTest, LoopBlockedOver200MillisecondsIsLogged) {
  EXPECT_EQ(run("blocks", "50ms"), Kind::proceed);
  EXPECT_EQ(logged("loop_blocked"), 0u);
  EXPECT_EQ(run("blocks", "300ms"), Kind::proceed);
  EXPECT_EQ(logged("loop_blocked plugin=bad in=filter.message"), 1u) << host_.log();
}

TEST_F(MistakesTest, LeftoversOfALaneAreCounted) {
  EXPECT_EQ(run("leaves_timers"), Kind::proceed);
  EXPECT_TRUE(host_.close_lanes());
  EXPECT_EQ(logged("left_behind plugin=bad watches=0 timers=2 messages=0"), 1u) << host_.log();
}

TEST_F(MistakesTest, WorkThatOutlivesItsLaneEndsWithoutACall) {
  auto& instance =
      host_.instance(test::plugin_entry("bad", "bad_filter", {{"mode", "leaves_work"}}));
  Lane& lane = host_.lane(instance);
  const auto mail = host_.mail();
  // In one task: each turn of the loop would wait for the work.
  test::on_loop(host_.loop, [&] {
    lsmtpd_call call = 0;
    EXPECT_TRUE(lane.filter(mail, 10'000, nullptr, call));
    lane.close([] {}, 1000);
    EXPECT_TRUE(instance.has_work());
  });
  EXPECT_EQ(logged("questions=0 work=1"), 1u) << host_.log();
  host_.end_lanes();
  EXPECT_TRUE(host_.run_until([&] { return !instance.has_work(); }));
}

TEST_F(MistakesTest, AMessageThatIsNeverUnpinnedIsCounted) {
  EXPECT_EQ(run("leaks_pin"), Kind::proceed);
  EXPECT_TRUE(host_.close_lanes());
  EXPECT_EQ(logged("left_behind plugin=bad watches=0 timers=0 messages=1"), 1u) << host_.log();
}

TEST_F(MistakesTest, MemoryThatIsNeverReleasedIsCountedAndTakenBack) {
  const auto entry = test::plugin_entry("bad", "bad_filter", {{"mode", "leaks_memory"}});
  const auto library = Library::load(entry.use, {FIXTURES});
  ASSERT_TRUE(library);
  std::vector<config::Diagnostic> problems;
  auto options = Options::validate(entry, (*library)->options(), problems);
  auto instance =
      Instance::create(**library, std::move(options), settings_of(entry), host_.process);
  ASSERT_TRUE(instance);
  EXPECT_EQ(host_.resources.memory.used(), 1000u);
  instance->reset();
  EXPECT_EQ(host_.resources.memory.used(), 0u);
  EXPECT_EQ(logged("memory_left plugin=bad bytes=1000"), 1u) << host_.log();
}

TEST_F(MistakesTest, ALaneThatEndsCleanlyLeavesNothing) {
  EXPECT_EQ(run("reads"), Kind::proceed);
  EXPECT_TRUE(host_.close_lanes());
  EXPECT_EQ(logged("left_behind"), 0u);
}

TEST_F(MistakesTest, VerdictsThatMakeNoSenseAreLoggedOnceAMinute) {
  Lane& lane = host_.lane("bad", "bad_filter", {{"mode", "stored"}});
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(host_.filter(lane, host_.mail()).verdict.kind, Kind::stored);
  EXPECT_EQ(logged("verdict_makes_no_sense"), 1u);
  EXPECT_EQ(run("bad_code"), Kind::reject);
  EXPECT_EQ(logged("a reply code of another class"), 1u);
  EXPECT_EQ(run("unknown_kind"), Kind::tempfail);
  EXPECT_EQ(logged("a kind that is none"), 1u);
}

TEST_F(MistakesTest, MistakesOfEachMessageAreLoggedOnceAMinute) {
  const std::tuple<const char*, const char*, const char*, const char*> rows[] = {
      {"bad_filter", "mode", "twice", "call_not_open"},
      {"extension_filter", "use", "no_size", "verdict_without_size"},
      {"extension_filter", "use", "releases_twice", "memory_released_twice"},
  };
  for (const auto& [use, option, value, event] : rows) {
    Lane& lane = host_.lane(event, use, {{option, value}});
    for (int i = 0; i < 20; ++i) host_.filter(lane, host_.mail());
    EXPECT_EQ(logged(event + std::string(" plugin=")), 1u) << event << host_.log();
  }
  Lane& lane = host_.lane("throws", "extension_filter", {{"use", "throws_in_tasks"}});
  host_.filter(lane, host_.mail());
  const size_t places = logged("plugin_threw");
  EXPECT_GT(places, 0u);
  for (int i = 0; i < 20; ++i) host_.filter(lane, host_.mail());
  EXPECT_EQ(logged("plugin_threw"), places);
}

TEST_F(MistakesTest, PoolWorkOfOnePluginDoesNotDelayAnothers) {
  Lane& slow = host_.lane("slow", "bad_filter", {{"mode", "sleeps_on_pool"}, {"delay", "200ms"}});
  Lane& quick = host_.lane("quick", "bad_filter", {{"mode", "reads"}});
  int slow_done = 0;
  std::optional<int> before;
  const auto message = host_.mail();
  on_loop(host_.loop, [&] {
    for (int i = 0; i < 40; ++i) {
      CallId call = 0;
      (void)slow.filter(
          message, 0, [&](const Completion&) { ++slow_done; }, call);
    }
    CallId call = 0;
    (void)quick.filter(
        message, 0, [&](const Completion&) { before = slow_done; }, call);
  });
  EXPECT_TRUE(host_.run_until([&] { return slow_done == 40; }));
  EXPECT_LE(before.value_or(40), 6) << "of 40 that sleep";
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(MistakesDeathTest, ACrashNamesThePluginAndKeepsItsSignal) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        PluginHost host;
        name_plugin_in_crashes();
        host.filter(host.lane("bad", "bad_filter", {{"mode", "crashes"}}), host.mail());
      },
      testing::KilledBySignal(SIGSEGV), "crash: signal 11 in plugin.bad, in filter.message");
}
#endif

TEST(MistakesDeathTest, ExitInAPluginIsAFailure) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        PluginHost host;
        refuse_exit();
        host.filter(host.lane("bad", "bad_filter", {{"mode", "exits"}}), host.mail());
      },
      testing::ExitedWithCode(1), "");
}

}  // namespace
}  // namespace lsmtpd::plugin
