// SPDX-License-Identifier: Apache-2.0
// What the bare senders have in common: each sends COUNT messages of SIZE bytes into one target,
// with at most WINDOW of them unconfirmed, waits for each confirmation, and prints one line.
//
//   NAME_sender URL TARGET COUNT SIZE WINDOW [USER PASSWORD]
#pragma once

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace bare_sender {

struct Work {
  std::string url, target;
  long count = 0;
  std::string body;
  long window = 1;
  std::string user, password;
};

inline std::string message_id(long number) {
  return "00000000-0000-4000-8000-" + std::to_string(100000000000 + number);
}

inline double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// From the first message to the last confirmation.
class Watch {
 public:
  void begin() {
    start_ = std::chrono::steady_clock::now();
    cpu_ = cpu_seconds();
  }
  void end() {
    seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    cpu_ = cpu_seconds() - cpu_;
  }
  void print(long accepted, long sent) const {
    const auto all = static_cast<double>(sent);
    std::printf("%ld accepted, %.0f messages/s, %.1f us of CPU a message\n", accepted,
                all / seconds_, cpu_ / all * 1e6);
  }

 private:
  std::chrono::steady_clock::time_point start_;
  double cpu_ = 0, seconds_ = 0;
};

// `run` returns how many messages were accepted, and throws std::exception.
template <class Run>
int run(int count, char** arguments, Run run) {
  if (count != 6 && count != 8) {
    std::fprintf(stderr, "usage: %s URL TARGET COUNT SIZE WINDOW [USER PASSWORD]\n", arguments[0]);
    return 2;
  }
  Work work{.url = arguments[1],
            .target = arguments[2],
            .count = std::atol(arguments[3]),
            .body = std::string(static_cast<std::size_t>(std::atol(arguments[4])), 'x'),
            .window = std::atol(arguments[5]),
            .user = count == 8 ? arguments[6] : "",
            .password = count == 8 ? arguments[7] : ""};
  if (work.count < 1 || work.window < 1) {
    std::fprintf(stderr, "%s: COUNT and WINDOW are 1 or more\n", arguments[0]);
    return 2;
  }
  Watch watch;
  try {
    const long accepted = run(work, watch);
    watch.print(accepted, work.count);
    return accepted == work.count ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", arguments[0], error.what());
    return 1;
  }
}

// A Sender connects in its constructor; its run() sends and returns how many were accepted.
template <class Sender>
int run_sender(int count, char** arguments) {
  return run(count, arguments, [](const Work& work, Watch& watch) {
    Sender sender(work);
    watch.begin();
    const long accepted = sender.run();
    watch.end();
    return accepted;
  });
}

}  // namespace bare_sender
