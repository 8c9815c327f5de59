// SPDX-License-Identifier: Apache-2.0
// Names the plugin that a thread runs: for the log when it blocks its loop, and for the last line
// of a process that a plugin ends.
#pragma once

#include <cstdint>

namespace lsmtpd::plugin {

// While one lives, its thread runs `function` of `plugin`. They nest.
class Running {
 public:
  // Both live as long as the process (lasting_name()): other threads read them, see
  // base/heartbeat.hpp.
  Running(const char* plugin, const char* function) noexcept;
  ~Running();
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  // The innermost of this thread, or null. Safe in a signal handler.
  static const Running* here() noexcept;

  const char* plugin() const noexcept { return plugin_; }
  const char* function() const noexcept { return function_; }
  // How long it has been running; resolution some milliseconds.
  uint64_t elapsed_ms() const noexcept;

 private:
  const char* const plugin_;
  const char* const function_;
  const Running* const outer_;
  const uint64_t since_ms_;
};

// From now on a fatal signal (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) first writes a line on
// standard error that names the plugin and function which the thread ran, if any; the signal then
// has its usual effect. [main]
void name_plugin_in_crashes();

// From now on exit() ends the process with status 1 and a log line, since plugins must not call
// it, unless allow_exit() came before. [main]
void refuse_exit();
void allow_exit();

}  // namespace lsmtpd::plugin
