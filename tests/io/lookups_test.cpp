// SPDX-License-Identifier: Apache-2.0
#include "io/lookups.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>

#include "run_loop.hpp"
#include "task_gate.hpp"

namespace lsmtpd::io {
namespace {

using test::Gate;
using test::run_until;

bool always() {
  return true;
}

// Lookups of names that begin with "slow" block until the gate opens; all others are answered.
class LookupsTest : public testing::Test {
 protected:
  void ask(Lookups::Queue& queue, const std::string& host, std::function<bool()> wanted = always) {
    const bool taken = queue.ask(loop_, host, 25, std::move(wanted), [this](const auto& result) {
      ++(result ? found_ : failed_);
      if (!result) error_ = result.error().message;
    });
    if (!taken) ++refused_;
  }
  // The loop does not stop while lookups block: the gate opens at the latest after ten seconds.
  bool until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    return run_until(loop_, [&] {
      if (std::chrono::steady_clock::now() > end) gate_.open();
      return condition();
    });
  }
  Gate gate_;
  std::atomic<int> slow_asked_{0};
  Lookups lookups_{
      [this, wait = gate_.work()](const std::string& host, uint16_t port) -> Result<Addresses> {
        if (host.starts_with("slow")) ++slow_asked_, wait();
        return look_up("127.0.0.1", port);
      }};
  Loop loop_;
  int found_ = 0, failed_ = 0, refused_ = 0;
  std::string error_;
};

TEST(LookUpTest, FindsLiteralAddresses) {
  const auto v4 = look_up("127.0.0.1", 2525), v6 = look_up("::1", 2525);
  ASSERT_TRUE(v4 && v6);
  EXPECT_EQ(reinterpret_cast<const sockaddr_in&>(v4->at(0)).sin_port, htons(2525));
  EXPECT_EQ(v6->at(0).ss_family, AF_INET6);
}

TEST(LookUpTest, SaysWhyANameHasNoAddress) {
  for (const std::string& name : {std::string("256.256.256.256.invalid."), std::string(300, 'x')}) {
    const auto result = look_up(name, 25);
    ASSERT_FALSE(result) << name;
    EXPECT_FALSE(result.error().message.empty());
  }
}

TEST_F(LookupsTest, ManyOfOneUserDoNotDelayAnother) {
  Lookups::Queue slow(lookups_), quick(lookups_);
  loop_.post([&] {
    for (int i = 0; i < 200; ++i) ask(slow, "slow.example");
    ask(quick, "quick.example");
    EXPECT_EQ(found_, 0) << "never from inside";
  });
  bool in_time = false;
  EXPECT_TRUE(until([&] {
    in_time = in_time || found_ == 1;
    if (in_time) gate_.open();
    return found_ == 201;
  }));
  EXPECT_TRUE(in_time);
}

TEST_F(LookupsTest, OneUserHasTwoThreads) {
  Lookups::Queue slow(lookups_);
  loop_.post([&] {
    for (int i = 0; i < 20; ++i) ask(slow, "slow.example");
  });
  int most = 0;
  // The third would begin at once, if it could: the other users' lookups show that time has passed.
  Lookups::Queue quick(lookups_);
  EXPECT_TRUE(until([&] {
    if (slow_asked_ >= 2 && found_ == 0) ask(quick, "quick.example");
    if (found_ > 0 && most == 0) most = slow_asked_, gate_.open();
    return most > 0;
  }));
  EXPECT_EQ(most, 2);
}

TEST_F(LookupsTest, ABoundedNumberWaits) {
  Lookups::Queue slow(lookups_);
  loop_.post([&] {
    for (size_t i = 0; i < Lookups::kMostWaiting; ++i) ask(slow, "slow.example");
    EXPECT_EQ(refused_, 0);
    for (uint32_t i = 0; i <= Lookups::kAtOnce; ++i) ask(slow, "slow.example");
    EXPECT_GE(refused_, 1);
    gate_.open();
  });
  const int most = static_cast<int>(Lookups::kMostWaiting + Lookups::kAtOnce);
  EXPECT_TRUE(until([&] { return found_ > 0 && loop_.offloaded() == 0; }));
  EXPECT_LE(found_, most);
}

TEST_F(LookupsTest, AreNotMadeOnceNobodyWantsThem) {
  Lookups::Queue slow(lookups_);
  std::atomic<bool> wanted{true};
  loop_.post([&] {
    for (int i = 0; i < 100; ++i) ask(slow, "slow.example", [&] { return wanted.load(); });
  });
  EXPECT_TRUE(until([&] {
    if (slow_asked_ >= 2) wanted = false, gate_.open();
    return found_ + failed_ == 100;
  }));
  EXPECT_EQ(found_, 2);
  EXPECT_EQ(error_, "the lookup is not wanted any more");
}

}  // namespace
}  // namespace lsmtpd::io
