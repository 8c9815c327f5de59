// SPDX-License-Identifier: Apache-2.0
// The event loop of a worker: everything that belongs to it runs on its thread and needs no locks.
//
// Order: construct, start timers, watches and streams, run() on its own thread; stop() ends run(),
// which may be called again; destroy it after all of its timers, watches and streams. Callbacks
// never run from inside the function that asked for them. Tags as in the plugin ABI: [loop] this
// loop's thread (or before run()), [any] any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/deadlines.hpp"
#include "base/heartbeat.hpp"
#include "io/pool.hpp"

struct uv_loop_s;

namespace lsmtpd::io {

using Task = std::function<void()>;

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();              // until stop(), and until work on pools is complete
  void stop();             // [any]
  bool on_thread() const;  // [any] true on the thread that runs the loop
  // Beats at the end of each turn while the loop runs. [any]
  std::shared_ptr<Heartbeat> heartbeat() const { return heartbeat_; }

  uint64_t now_ms() const;                  // [loop] monotonic, as of this turn
  Deadlines& deadlines();                   // [loop] counting from now; resolution 100 ms
  uint64_t turn() const { return turns_; }  // [loop] another number in each turn

  void post(Task task);       // [any] runs on the loop, in order of posting
  void defer(Task task);      // [loop] runs at the end of this turn, before the loop waits
  void each_turn(Task task);  // [loop] from now on at the end of each turn; an empty task ends that
  // [loop] Runs `work` on a thread of this loop's own, for the disk; then always `done` on the
  // loop.
  void offload(Task work, Task done);
  // [loop] The same through `queue`. False: the queue is full, and neither will run.
  bool offload(Pool::Queue& queue, Task work, Task done);
  size_t offloaded() const { return offloaded_; }  // [loop] pieces of work under way

  // [loop] The one read buffer, shared by all streams: valid during a read callback only.
  static constexpr size_t kReadBuffer = 64u << 10;
  char* read_buffer() { return read_buffer_.get(); }

  uv_loop_s* uv() { return uv_.get(); }

 private:
  static constexpr uint32_t kOwnThreads = 2;
  struct Handles;
  void run_posted();
  void end_turn();

  std::unique_ptr<uv_loop_s> uv_;
  std::unique_ptr<Handles> handles_;
  const std::shared_ptr<Heartbeat> heartbeat_ = std::make_shared<Heartbeat>();
  std::unique_ptr<char[]> read_buffer_;
  Deadlines deadlines_;
  std::vector<Task> deferred_;
  Task each_turn_;
  size_t offloaded_ = 0;
  Pool own_pool_{kOwnThreads};
  Pool::Queue own_work_{own_pool_, kOwnThreads, SIZE_MAX};
  uint64_t turns_ = 0;
};

// A timer that can be armed again and again. [loop]
class Timer {
 public:
  Timer(Loop& loop, Task task);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  void start(uint64_t delay_ms, uint64_t repeat_ms = 0);
  void stop();

 private:
  struct Impl;
  Impl* impl_;
};

// Watches a descriptor that the caller owns, level-triggered. [loop]
class Watch {
 public:
  static constexpr int kReadable = 1, kWritable = 2, kError = 4;
  Watch(Loop& loop, int fd, std::function<void(int events)> ready);
  ~Watch();  // the caller may close the descriptor right after
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  bool ok() const;        // false: the descriptor cannot be watched (a regular file)
  void want(int events);  // 0 pauses

 private:
  struct Impl;
  Impl* impl_;
};

// A POSIX signal, delivered on the loop. [loop]
class Signal {
 public:
  Signal(Loop& loop, int number, Task task);
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

 private:
  struct Impl;
  Impl* impl_;
};

}  // namespace lsmtpd::io
