// SPDX-License-Identifier: Apache-2.0
#include "admin/ctl_commands.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace lsmtpd::admin {
namespace {

// At a stop the main thread takes away what commands use, while the admin server still answers.
TEST(Commands, RemoveWaitsForOneThatRuns) {
  Commands commands;
  std::promise<void> began, go_on;
  std::atomic<bool> ended{false};
  commands.add("x", [&](const Order&, const std::shared_ptr<Answer>&) {
    began.set_value();
    go_on.get_future().wait();
    ended = true;
  });
  Order order;
  order.command = "x";
  std::thread runs([&] { commands.run(order, nullptr); });
  began.get_future().wait();
  std::thread releases([&] {
    while (commands.has("x")) std::this_thread::yield();  // until remove() has begun
    go_on.set_value();
  });
  commands.remove("x");
  EXPECT_TRUE(ended);
  runs.join();
  releases.join();
  EXPECT_FALSE(commands.has("x"));
}

TEST(Commands, OneThatWasRemovedDoesNotRun) {
  Commands commands;
  int runs = 0;
  commands.add("x", [&](const Order&, const std::shared_ptr<Answer>&) { ++runs; });
  Order order;
  order.command = "x";
  commands.run(order, nullptr);
  commands.remove("x");
  commands.run(order, nullptr);
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace lsmtpd::admin
