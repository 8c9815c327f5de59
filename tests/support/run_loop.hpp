// SPDX-License-Identifier: Apache-2.0
// Runs a loop on the test's own thread until something has happened, with a deadline instead of a
// sleep.
#pragma once

#include <chrono>
#include <functional>

#include "io/loop.hpp"

namespace lsmtpd::test {

// True: the condition came to hold. `limit` only ends tests that fail.
inline bool run_until(io::Loop& loop, const std::function<bool()>& condition,
                      std::chrono::seconds limit = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  io::Timer look(loop, [&] {
    if (condition() || std::chrono::steady_clock::now() > end) loop.stop();
  });
  look.start(0, 1);
  loop.run();
  look.stop();
  return condition();
}

// Runs `function` on the loop, as everything tagged [loop] must be.
inline void on_loop(io::Loop& loop, const std::function<void()>& function) {
  loop.post([&] {
    function();
    loop.stop();
  });
  loop.run();
}

// Lets the loop turn `times` times: for what must not happen.
inline void turn(io::Loop& loop, int times = 20) {
  int left = times;
  run_until(loop, [&] { return --left < 0; });
}

}  // namespace lsmtpd::test
