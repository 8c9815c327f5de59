// SPDX-License-Identifier: Apache-2.0
// Signs of life of a thread that runs a loop, for other threads to read: when its loop turned last,
// and which plugin's function the thread is in. Without locks, and a few stores a turn or call.
//
// io::Loop has one, attached while it runs; it beats at least each 100 ms unless something blocks
// it. A thread without a running loop may be attached too: it has places, and no beats.
#pragma once

#include <atomic>
#include <cstdint>

namespace lsmtpd {

class Heartbeat {
 public:
  // A plugin's function that the thread runs. The texts live as long as the process.
  struct Place {
    const char* plugin = nullptr;  // null: none, the thread runs the daemon's own code
    const char* function = nullptr;
    uint64_t since_ms = 0;
  };

  Heartbeat() = default;
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  // Monotonic; resolution some milliseconds, for a few nanoseconds. [any], signal handlers too
  static uint64_t now_ms() noexcept;

  // From now on `heartbeat` is the calling thread's; null: none. Returns the one before.
  static Heartbeat* attach(Heartbeat* heartbeat) noexcept;
  // The calling thread's, or null.
  static Heartbeat* here() noexcept;

  // [its thread]
  void beat() noexcept { beat_ms_.store(now_ms(), std::memory_order_relaxed); }
  void rest() noexcept { beat_ms_.store(0, std::memory_order_relaxed); }  // the loop ends
  void enter(const Place& place) noexcept;

  // When the loop turned last, by now_ms(); 0: it does not run. [any]
  uint64_t beat_ms() const noexcept { return beat_ms_.load(std::memory_order_relaxed); }
  // For how long the loop has not turned; 0 also while it does not run. [any]
  uint64_t silent_ms() const noexcept;
  // The parts are read one by one: while the thread goes on they may be of two calls. Those of a
  // call that lasts belong together. [any]
  Place place() const noexcept;

 private:
  std::atomic<uint64_t> beat_ms_{0}, since_ms_{0};
  std::atomic<const char*> plugin_{nullptr}, function_{nullptr};
};

// A text that equals `name` and lives as long as the process; the same for the same name, so that a
// name that comes again costs nothing. [any]
const char* lasting_name(const char* name);

}  // namespace lsmtpd
