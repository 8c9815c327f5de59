// SPDX-License-Identifier: Apache-2.0
#include "base/heartbeat.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace lsmtpd {
namespace {

TEST(Heartbeat, IsSilentSinceItsLastBeat) {
  Heartbeat heartbeat;
  heartbeat.beat();
  const uint64_t beat = heartbeat.beat_ms();
  EXPECT_GT(beat, 0u);
  while (Heartbeat::now_ms() < beat + 20) std::this_thread::yield();
  EXPECT_GE(heartbeat.silent_ms(), 20u);
}

TEST(Heartbeat, IsNotSilentAtRest) {
  Heartbeat heartbeat;
  EXPECT_EQ(heartbeat.silent_ms(), 0u);
  heartbeat.beat();
  while (Heartbeat::now_ms() < heartbeat.beat_ms() + 1) std::this_thread::yield();
  heartbeat.rest();
  EXPECT_EQ(heartbeat.silent_ms(), 0u);
}

TEST(Heartbeat, BelongsToTheThreadThatAttachedIt) {
  Heartbeat mine, others;
  EXPECT_EQ(Heartbeat::attach(&mine), nullptr);
  std::thread([&] {
    EXPECT_EQ(Heartbeat::here(), nullptr);
    Heartbeat::attach(&others);
    EXPECT_EQ(Heartbeat::here(), &others);
  }).join();
  EXPECT_EQ(Heartbeat::here(), &mine);
  EXPECT_EQ(Heartbeat::attach(nullptr), &mine);
}

TEST(Heartbeat, ANameIsKeptOnceForEver) {
  const char* first = lasting_name("spool");
  EXPECT_STREQ(first, "spool");
  EXPECT_EQ(lasting_name(std::string("spool").c_str()), first);
  EXPECT_NE(lasting_name("broker"), first);
}

}  // namespace
}  // namespace lsmtpd
