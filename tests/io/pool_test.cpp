// SPDX-License-Identifier: Apache-2.0
#include "io/pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <future>
#include <string>

#include "io/loop.hpp"
#include "run_loop.hpp"
#include "task_gate.hpp"

namespace lsmtpd::io {
namespace {

using test::Gate;

constexpr auto kSoon = std::chrono::seconds(10);

TEST(PoolTest, BlockedWorkOfOneQueueDoesNotDelayAnother) {
  Pool pool(4);
  Pool::Queue slow(pool), quick(pool);
  Gate gate;
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(slow.put(gate.work(), [] {}));
  std::promise<void> done;
  ASSERT_TRUE(quick.put([] {}, [&] { done.set_value(); }));
  EXPECT_EQ(done.get_future().wait_for(kSoon), std::future_status::ready);
  gate.open();
}

TEST(PoolTest, QueuesAreServedInTurn) {
  std::string order;
  {
    Pool pool(1);
    Pool::Queue a(pool), b(pool), c(pool);
    Gate gate;
    a.put(gate.work(), [] {});
    for (int i = 0; i < 3; ++i) {
      a.put([&] { order += 'a'; }, [] {});
      b.put([&] { order += 'b'; }, [] {});
    }
    c.put([&] { order += 'c'; }, [] {});
    gate.open();
    std::promise<void> done;
    a.put([] {}, [&] { done.set_value(); });
    done.get_future().wait();
  }
  EXPECT_EQ(order, "bcababa") << "the work of a that blocked came before all";
}

TEST(PoolTest, FullQueueRefusesWorkAndOthersTakeIt) {
  Pool pool(2);
  Pool::Queue full(pool, 1, 3), other(pool);
  Gate gate;
  std::promise<void> begun;
  full.put([&, wait = gate.work()] { begun.set_value(), wait(); }, [] {});
  begun.get_future().wait();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(full.put([] {}, [] {}));
  EXPECT_FALSE(full.put([] {}, [] {}));
  EXPECT_TRUE(other.put([] {}, [] {}));
  gate.open();
}

TEST(PoolTest, AQueueMayGoOnceItsWorkIsFinished) {
  Pool pool(2);
  for (int i = 0; i < 200; ++i) {
    auto queue = std::make_unique<Pool::Queue>(pool);
    std::promise<void> done;
    queue->put([] {}, [&] { done.set_value(); });
    done.get_future().wait();
  }
}

TEST(PoolTest, DestroyedQueueAndPoolRunTheirWork) {
  std::atomic<int> done{0};
  {
    Pool pool(3);
    Pool::Queue queue(pool);
    for (int i = 0; i < 100; ++i) queue.put([] {}, [&] { ++done; });
  }
  EXPECT_EQ(done, 100);
}

TEST(PoolTest, SignalsAreNotForItsThreads) {
  Pool pool(1);
  Pool::Queue queue(pool);
  std::promise<bool> blocked;
  queue.put(
      [&] {
        sigset_t mask;
        ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
        blocked.set_value(::sigismember(&mask, SIGTERM) == 1);
      },
      [] {});
  EXPECT_TRUE(blocked.get_future().get());
}

TEST(PoolTest, ALoopsOwnWorkGoesOnWhileThePoolIsBlocked) {
  Pool pool(2);
  Pool::Queue slow(pool, 2);
  Gate gate;
  Loop loop;
  int slow_done = 0, looks = 0;
  bool own = false, in_time = false;
  loop.post([&] {
    for (int i = 0; i < 10; ++i) loop.offload(slow, gate.work(), [&] { ++slow_done; });
    loop.offload([] {}, [&] { own = true; });
    EXPECT_EQ(loop.offloaded(), 11u);
  });
  Timer look(loop, [&] {
    if (own && slow_done == 0) in_time = true;
    if (in_time || ++looks > 5000) gate.open();
  });
  look.start(1, 1);
  EXPECT_TRUE(test::run_until(loop, [&] { return slow_done == 10; }));
  EXPECT_TRUE(in_time);
}

}  // namespace
}  // namespace lsmtpd::io
