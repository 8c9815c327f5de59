// SPDX-License-Identifier: Apache-2.0
#include "plugin/running.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "base/heartbeat.hpp"
#include "log/log.hpp"

namespace lsmtpd::plugin {

namespace {

// initial-exec: no allocation at the first use in a thread, which may be a signal handler's.
[[gnu::tls_model("initial-exec")]] thread_local const Running* innermost = nullptr;

constexpr int kFatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
constexpr int kRefused = 1;

std::atomic<bool> exit_allowed{true};

// Async-signal-safe. Cuts text that does not fit.
class Line {
 public:
  void add(const char* text) noexcept {
    for (; *text && size_ + 1 < sizeof text_; ++text) text_[size_++] = *text;
  }
  void add(int number) noexcept {
    char digits[12];
    size_t count = 0;
    do digits[count++] = static_cast<char>('0' + number % 10);
    while ((number /= 10) > 0);
    for (; count > 0 && size_ + 1 < sizeof text_; --count) text_[size_++] = digits[count - 1];
  }
  void write() noexcept {
    text_[size_++] = '\n';
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text_, size_);
  }

 private:
  char text_[512];
  size_t size_ = 0;
};

extern "C" void crashed(int signal) {
  Line line;
  line.add("lsmtpd: crash: signal ");
  line.add(signal);
  if (const Running* running = Running::here()) {
    line.add(" in plugin.");
    line.add(running->plugin());
    line.add(", in ");
    line.add(running->function());
  } else {
    line.add(" outside of plugins' functions");
  }
  line.write();
  ::raise(signal);  // SA_RESETHAND: comes with its usual effect when this returns
}

void exited() {
  if (exit_allowed) return;
  const Running* running = Running::here();
  log::error("exit_refused",
             {{"plugin", running ? running->plugin() : ""},
              {"in", running ? running->function() : "a thread that no plugin was called on"},
              {"hint", "a plugin called exit(): it must not; the process ends with status 1"}});
  log::close();
  std::_Exit(kRefused);
}

}  // namespace

Running::Running(const char* plugin, const char* function) noexcept
    : plugin_(plugin), function_(function), outer_(innermost), since_ms_(Heartbeat::now_ms()) {
  innermost = this;
  if (Heartbeat* heartbeat = Heartbeat::here()) heartbeat->enter({plugin_, function_, since_ms_});
}

Running::~Running() {
  innermost = outer_;
  Heartbeat* heartbeat = Heartbeat::here();
  if (!heartbeat) return;
  heartbeat->enter(outer_ ? Heartbeat::Place{outer_->plugin_, outer_->function_, outer_->since_ms_}
                          : Heartbeat::Place{});
}

const Running* Running::here() noexcept {
  return innermost;
}

uint64_t Running::elapsed_ms() const noexcept {
  return Heartbeat::now_ms() - since_ms_;
}

// The sanitizers have handlers of their own, which say more.
void name_plugin_in_crashes() {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  struct sigaction action {};
  action.sa_handler = crashed;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_ONSTACK);
  ::sigemptyset(&action.sa_mask);
  for (const int signal : kFatal) ::sigaction(signal, &action, nullptr);
#endif
}

void refuse_exit() {
  static const bool kRegistered [[maybe_unused]] =
      std::atexit(exited) == 0 && std::at_quick_exit(exited) == 0;
  exit_allowed = false;
}

void allow_exit() {
  exit_allowed = true;
}

}  // namespace lsmtpd::plugin
