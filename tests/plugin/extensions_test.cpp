// SPDX-License-Identifier: Apache-2.0
// The host's extensions for a lane: loop, memory, edits; through a plugin that reports its results.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>

#include "dns_server.hpp"
#include "plugin_host.hpp"
#include "task_gate.hpp"

namespace lsmtpd::plugin {
namespace {

using test::content_of;
using test::PluginHost;

class ExtensionsTest : public testing::Test {
 protected:
  Completion use(const std::string& what) {
    return host_.filter(host_.lane("f", "extension_filter", {{"use", what}}), host_.mail());
  }
  PluginHost host_;
};

TEST_F(ExtensionsTest, WatchesDescriptors) {
  EXPECT_EQ(use("watch").verdict.detail, "file:0 x1");
}

TEST_F(ExtensionsTest, DescriptorClosedUnderItsWatchIsHarmless) {
  EXPECT_EQ(use("closes_its_fd").verdict.detail, "reused sent first");
}

TEST_F(ExtensionsTest, TwoWatchesOfOneDescriptorAreIndependent) {
  EXPECT_EQ(use("two_watches").verdict.detail, "w2x1");
}

TEST_F(ExtensionsTest, RunsTimersAndForgetsCancelledOnes) {
  EXPECT_EQ(use("timer").verdict.detail, "ab");
}

TEST_F(ExtensionsTest, RunsPostsOfOtherThreadsInOrder) {
  EXPECT_EQ(use("post").verdict.detail, "01234");
}

TEST_F(ExtensionsTest, RunsDeferredTasks) {
  EXPECT_EQ(use("defer").verdict.detail, "01234");
}

TEST_F(ExtensionsTest, ResolvesNamesAndSaysWhenThereIsNone) {
  EXPECT_EQ(use("resolve").verdict.detail, "2525/1 error ");
}

// A lookup of slow.example blocks until the gate opens.
class LookupsTest : public ExtensionsTest {
 protected:
  LookupsTest() {
    host_.process.lookups = std::make_shared<io::Lookups>(
        [this, wait = gate_.work()](const std::string& name,
                                    uint16_t port) -> Result<io::Addresses> {
          if (name != "slow.example") return io::look_up(name, port);
          ++asked_;
          wait();
          return io::look_up("127.0.0.1", port);
        });
  }
  // Asks once the loop runs: while lookups block it does not stop.
  void ask(Lane& lane, std::optional<Completion>& answer) {
    host_.loop.post([this, &lane, &answer] {
      CallId call = 0;
      EXPECT_FALSE(lane.filter(
          mail_, 10'000, [&answer](Completion c) { answer = std::move(c); }, call));
    });
  }
  // The loop does not stop while lookups block: the gate opens at the latest after ten seconds.
  bool until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    return host_.run_until([&] {
      if (std::chrono::steady_clock::now() > end) gate_.open();
      return condition();
    });
  }
  test::Gate gate_;
  std::atomic<int> asked_{0};
  const message::Message mail_ = host_.mail();
};

TEST_F(LookupsTest, OfOnePluginAreBoundedAndDoNotDelayThoseOfAnother) {
  Lane& many = host_.lane("many", "extension_filter", {{"use", "resolve_many"}});
  Lane& other = host_.lane("other", "extension_filter", {{"use", "resolve"}});
  std::optional<Completion> refused, resolved;
  ask(many, refused);
  ask(other, resolved);
  EXPECT_TRUE(until([&] {
    if (refused && resolved) gate_.open();
    return refused && resolved;
  }));
  ASSERT_TRUE(refused && resolved);
  EXPECT_EQ(refused->verdict.detail, "1000 lookups of plugin.many wait already");
  EXPECT_EQ(resolved->verdict.detail, "2525/1 error ");
}

TEST_F(LookupsTest, ThatWaitEndWithTheirLane) {
  auto& instance =
      host_.instance(test::plugin_entry("many", "extension_filter", {{"use", "resolve_many"}}));
  Lane& many = host_.lane(instance);
  std::optional<Completion> refused;
  ask(many, refused);
  bool closing = false;
  EXPECT_TRUE(until([&] {
    if (refused && asked_ == 2 && !std::exchange(closing, true)) {
      many.close([] {});
      gate_.open();
    }
    return closing && !instance.has_work();
  }));
  EXPECT_EQ(asked_, 2);
}

TEST_F(ExtensionsTest, AsksTheDnsServersOfTheConfiguration) {
  const test::DnsServer::Answers answers = [](const test::DnsServer::Query& query) {
    std::vector<std::string> all;
    const std::string data = std::string("\0\5", 2) + test::dns_name("relay.example");
    if (query.name == "mx.example")
      all.push_back(test::DnsServer::reply(query).record(query.name, 15, 77, data).octets());
    return all;
  };
  test::DnsServer server(answers);
  host_.process.resolvers = {server.address()};
  EXPECT_EQ(use("dns").verdict.detail,
            "status:1 rcode:0 ttl:77 count:1 preference:5 data:relay.example");
  EXPECT_TRUE(host_.close_lanes());
  EXPECT_TRUE(host_.logged("left_behind plugin=f watches=0 timers=0 messages=0 questions=1"));
}

TEST_F(ExtensionsTest, ReservesMemoryUpToTheLimit) {
  const uint64_t before = host_.resources.memory.used();
  EXPECT_EQ(use("memory").verdict.detail, "0-1");
  EXPECT_EQ(host_.resources.memory.used(), before);
}

TEST_F(ExtensionsTest, ReleaseOfUnreservedMemoryIsRefused) {
  const uint64_t before = host_.resources.memory.used();
  EXPECT_EQ(use("releases_twice").verdict.kind, Kind::proceed);
  EXPECT_EQ(host_.resources.memory.used(), before);
  EXPECT_TRUE(host_.logged("memory_released_twice"));
}

TEST_F(ExtensionsTest, VerdictWithoutItsSizeIsALoggedTempfail) {
  EXPECT_EQ(use("no_size").verdict.kind, Kind::tempfail);
  EXPECT_TRUE(host_.logged("verdict_without_size"));
}

TEST_F(ExtensionsTest, SurvivesCallbacksThatThrow) {
  const auto answer = use("throws_in_tasks");
  EXPECT_EQ(answer.verdict.kind, Kind::proceed);
  const std::string log = host_.log();
  for (const char* where : {"a timer", "a deferred task", "a posted task", "offloaded work",
                            "the end of offloaded work"}) {
    EXPECT_NE(log.find(where), std::string::npos) << where;
  }
}

TEST_F(ExtensionsTest, EditsAreCheckedOneByOne) {
  const auto answer = use("edits");
  EXPECT_EQ(answer.verdict.detail, "-+----++-+-+++b200");
  ASSERT_TRUE(answer.message);
  ASSERT_EQ(answer.message->envelope->recipients.size(), 1u);
  EXPECT_EQ(answer.message->envelope->recipients[0].address, "new@example.org");
  EXPECT_EQ(content_of(*answer.message), "X-First: 1\r\nSubject: x\r\n\r\nhello\r\n");
  EXPECT_EQ(*answer.message->annotations, (message::Annotations{{"b", "2"}}));
}

TEST_F(ExtensionsTest, ABodyThatWouldHaveToBlockFailsOnTheLoop) {
  const auto answer = use("large_body");
  EXPECT_EQ(answer.verdict.kind, Kind::tempfail);
  EXPECT_EQ(answer.verdict.detail, "no memory");
  EXPECT_LT(host_.resources.memory.used(), 10'000u) << "what was appended is dropped";
}

TEST_F(ExtensionsTest, ALargeBodyFromThePoolGoesToAFile) {
  auto answer = use("large_body_on_pool");
  EXPECT_EQ(answer.verdict.detail, "");
  ASSERT_TRUE(answer.message);
  EXPECT_EQ(answer.message->size(), 200u * 65536);
  EXPECT_FALSE(answer.message->in_memory());
  EXPECT_EQ(host_.resources.spill.used(), 200u * 65536);
  answer.message.reset();
  EXPECT_EQ(host_.resources.spill.used(), 0u);
}

TEST_F(ExtensionsTest, AnExceptionInStopIsLogged) {
  Instance& instance =
      host_.instance(test::plugin_entry("f", "extension_filter", {{"use", "defer"}}));
  instance.stop();
  EXPECT_TRUE(host_.logged("plugin_threw"));
}

}  // namespace
}  // namespace lsmtpd::plugin
