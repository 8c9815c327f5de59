// SPDX-License-Identifier: Apache-2.0
#include "server/watchdog.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "plugin_host.hpp"

namespace lsmtpd::server {
namespace {

using test::PluginHost;

constexpr uint64_t kStuckMs = 400;

class WatchdogTest : public testing::Test {
 protected:
  WatchdogTest() { watchdog_.watch(3, host_.loop.heartbeat()); }

  // In the log, with a deadline: another thread writes it.
  bool comes(const std::string& part, std::chrono::seconds limit = std::chrono::seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (host_.log().find(part) == std::string::npos) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  PluginHost host_;
  Watchdog watchdog_{kStuckMs};
};

TEST_F(WatchdogTest, ABlockedLoopIsNamedWhileItIsBlockedAndWhenItTurnsAgain) {
  plugin::Lane& lane = host_.lane("bad", "bad_filter", {{"mode", "blocks"}, {"delay", "3s"}});
  std::atomic<bool> returned = false, named_before = false;
  std::thread reader([&] {
    const bool named = comes("loop_stuck worker=3 plugin=bad in=filter.message");
    named_before = named && !returned;
  });
  host_.filter(lane, host_.mail());
  returned = true;
  reader.join();
  EXPECT_TRUE(named_before) << host_.log();
  EXPECT_TRUE(comes("loop_turns_again worker=3 plugin=bad in=filter.message")) << host_.log();
}

TEST_F(WatchdogTest, ALoopThatTurnsIsNotNamed) {
  test::on_loop(host_.loop, [] {});
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(3 * kStuckMs);
  test::run_until(host_.loop, [&] { return std::chrono::steady_clock::now() > end; });
  EXPECT_EQ(host_.log().find("loop_stuck"), std::string::npos) << host_.log();
}

}  // namespace
}  // namespace lsmtpd::server
