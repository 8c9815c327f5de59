// SPDX-License-Identifier: Apache-2.0
#include "io/loop.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include "base/unique_fd.hpp"
#include "run_loop.hpp"

namespace lsmtpd::io {
namespace {

using test::on_loop;
using test::run_until;
using test::turn;

TEST(LoopTest, RunsPostedTasksInOrder) {
  Loop loop;
  std::string order;
  loop.post([&] {
    order += "a";
    loop.post([&] { order += "c"; });
  });
  loop.post([&] { order += "b"; });
  EXPECT_TRUE(run_until(loop, [&] { return order == "abc"; })) << order;
}

TEST(LoopTest, TakesPostsFromOtherThreadsInTheOrderOfEach) {
  Loop loop;
  constexpr int kThreads = 4, kEach = 500;
  std::vector<int> seen[kThreads];
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) loop.post([&, t, i] { seen[t].push_back(i); });
    });
  }
  EXPECT_TRUE(run_until(loop, [&] {
    return std::all_of(std::begin(seen), std::end(seen),
                       [](const auto& s) { return s.size() == kEach; });
  }));
  for (auto& thread : threads) thread.join();
  for (const auto& s : seen) EXPECT_TRUE(std::is_sorted(s.begin(), s.end()));
}

TEST(LoopTest, RunsDeferredTasksAfterTheTaskThatAskedAndBeforeItWaits) {
  Loop loop;
  std::string order;
  loop.post([&] {
    loop.defer([&] {
      order += "b";
      loop.defer([&] { order += "c"; });
    });
    order += "a";
  });
  EXPECT_TRUE(run_until(loop, [&] { return order.size() == 3; }));
  EXPECT_EQ(order, "abc");
}

// Without an end to a round, a task that always defers another would block everything
// else.
TEST(LoopTest, DeferringWithoutEndDoesNotStopTheRest) {
  Loop loop;
  uint64_t rounds = 0;
  Task again = [&] {
    ++rounds;
    loop.defer(again);
  };
  bool fired = false;
  Timer timer(loop, [&] { fired = true; });
  timer.start(1);
  loop.post(again);
  EXPECT_TRUE(run_until(loop, [&] { return fired && rounds > 100; }))
      << "and it goes on without waiting for an event";
}

TEST(LoopTest, RunsWorkElsewhereAndItsEndOnTheLoop) {
  Loop loop;
  const auto here = std::this_thread::get_id();
  std::thread::id worked, ended;
  on_loop(loop, [&] {
    loop.offload([&] { worked = std::this_thread::get_id(); },
                 [&] { ended = std::this_thread::get_id(); });
    EXPECT_EQ(loop.offloaded(), 1u);
    EXPECT_EQ(ended, std::thread::id()) << "never from inside";
  });
  EXPECT_TRUE(run_until(loop, [&] { return ended != std::thread::id(); }));
  EXPECT_NE(worked, here);
  EXPECT_EQ(ended, here);
  EXPECT_EQ(loop.offloaded(), 0u);
}

TEST(LoopTest, TheEndOfWorkComesBeforeTheLoopReturns) {
  Loop loop;
  std::atomic<bool> go{false};
  bool done = false;
  loop.post([&] {
    loop.offload(
        [&] {
          while (!go) std::this_thread::yield();
        },
        [&] { done = true; });
    loop.stop();
  });
  std::thread other([&] { go = true; });
  loop.run();
  other.join();
  EXPECT_TRUE(done) << "whoever asked may be gone afterwards";
}

TEST(LoopTest, StoppingTwiceLeavesNothingBehind) {
  auto loop = std::make_unique<Loop>();
  auto timer = std::make_unique<Timer>(*loop, [] {});
  loop->post([&] {
    loop->stop();
    loop->stop();
  });
  loop->run();
  timer.reset();
  loop->stop();
  loop.reset();  // the sanitizer finds leaks
}

TEST(LoopTest, KnowsItsThread) {
  Loop loop;
  EXPECT_TRUE(loop.on_thread()) << "nobody else's before it runs";
  bool inside = false, outside = true;
  on_loop(loop, [&] {
    inside = loop.on_thread();
    std::thread([&] { outside = loop.on_thread(); }).join();
  });
  EXPECT_TRUE(inside);
  EXPECT_FALSE(outside);
}

TEST(LoopTest, DrivesDeadlines) {
  Loop loop;
  bool expired = false;
  Deadlines::Entry entry([&] { expired = true; });
  on_loop(loop, [&] { loop.deadlines().arm(entry, 1); });
  EXPECT_TRUE(run_until(loop, [&] { return expired; }));
}

TEST(LoopTest, DeadlinesCountFromNowAndNotFromTheLastTick) {
  Loop loop;
  int turns = 0;
  Timer timer(loop, [&] {
    EXPECT_EQ(loop.deadlines().now(), loop.now_ms());
    ++turns;
  });
  timer.start(1, 1);
  EXPECT_TRUE(run_until(loop, [&] { return turns > 20; }));
}

TEST(TimerTest, FiresOnceOrAgainAndAgain) {
  Loop loop;
  int once = 0, often = 0;
  Timer a(loop, [&] { ++once; }), b(loop, [&] { ++often; });
  a.start(1);
  b.start(1, 1);
  EXPECT_TRUE(run_until(loop, [&] { return often > 5; }));
  EXPECT_EQ(once, 1);
  b.stop();
  const int before = often;
  turn(loop);
  EXPECT_EQ(often, before);
  a.start(1);
  EXPECT_TRUE(run_until(loop, [&] { return once == 2; }));
}

TEST(TimerTest, MayBeDestroyedInsideItsCallback) {
  Loop loop;
  std::unique_ptr<Timer> timer;
  std::string seen;
  timer = std::make_unique<Timer>(loop, [&, text = std::string(100, 'x')] {
    timer.reset();
    seen = text;
  });
  timer->start(1, 1);
  EXPECT_TRUE(run_until(loop, [&] { return !seen.empty(); }));
  turn(loop);
}

TEST(TimerTest, DestroyedOnesDoNotFire) {
  Loop loop;
  auto gone = std::make_unique<Timer>(loop, [] { FAIL(); });
  gone->start(1);
  gone.reset();
  turn(loop);
}

class WatchTest : public testing::Test {
 protected:
  WatchTest() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    a_.reset(fds[0]);
    b_.reset(fds[1]);
  }
  void put(const char* text) { EXPECT_EQ(::write(b_.get(), text, 1), 1); }
  Loop loop_;
  UniqueFd a_, b_;
};

TEST_F(WatchTest, ReportsAsLongAsThereIsInput) {
  int times = 0;
  Watch watch(loop_, a_.get(), [&](int events) {
    EXPECT_EQ(events, Watch::kReadable);
    ++times;
  });
  ASSERT_TRUE(watch.ok());
  watch.want(Watch::kReadable);
  turn(loop_);
  EXPECT_EQ(times, 0);
  put("x");
  EXPECT_TRUE(run_until(loop_, [&] { return times > 3; })) << "level-triggered";
  watch.want(0);
  times = 0;
  turn(loop_);
  EXPECT_EQ(times, 0) << "paused";
  watch.want(Watch::kReadable);
  EXPECT_TRUE(run_until(loop_, [&] { return times > 0; }));
}

TEST_F(WatchTest, ReportsWhetherItCanBeWrittenTo) {
  int seen = 0;
  Watch watch(loop_, a_.get(), [&](int events) { seen |= events; });
  watch.want(Watch::kReadable | Watch::kWritable);
  EXPECT_TRUE(run_until(loop_, [&] { return seen != 0; }));
  EXPECT_EQ(seen, Watch::kWritable);
}

TEST_F(WatchTest, MayBeDestroyedInsideItsCallbackAndItsDescriptorClosed) {
  std::unique_ptr<Watch> watch;
  bool seen = false;
  watch = std::make_unique<Watch>(loop_, a_.get(), [&](int) {
    watch.reset();
    a_.reset();
    seen = true;
  });
  watch->want(Watch::kReadable);
  put("x");
  EXPECT_TRUE(run_until(loop_, [&] { return seen; }));
  turn(loop_);
}

TEST_F(WatchTest, AnotherMayFollowOnTheSameDescriptor) {
  bool seen = false;
  auto first = std::make_unique<Watch>(loop_, a_.get(), [](int) { FAIL(); });
  first->want(Watch::kReadable);
  EXPECT_FALSE(Watch(loop_, a_.get(), [](int) {}).ok()) << "one watch a descriptor";
  first.reset();
  Watch second(loop_, a_.get(), [&](int) { seen = true; });
  ASSERT_TRUE(second.ok());
  second.want(Watch::kReadable);
  put("x");
  EXPECT_TRUE(run_until(loop_, [&] { return seen; }));
}

TEST_F(WatchTest, ARegularFileCannotBeWatched) {
  const std::string path = testing::TempDir() + "watch_test_file";
  const UniqueFd file(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  Watch watch(loop_, file.get(), [](int) {});
  EXPECT_FALSE(watch.ok());
  watch.want(Watch::kReadable);  // does nothing
  ::unlink(path.c_str());
}

TEST(SignalTest, ComesOnTheLoop) {
  Loop loop;
  int seen = 0;
  Signal signal(loop, SIGUSR1, [&] { ++seen; });
  ::kill(::getpid(), SIGUSR1);
  EXPECT_TRUE(run_until(loop, [&] { return seen == 1; }));
}

}  // namespace
}  // namespace lsmtpd::io
