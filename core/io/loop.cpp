// SPDX-License-Identifier: Apache-2.0
#include "io/loop.hpp"

#include <pthread.h>
#include <uv.h>

#include <atomic>
#include <mutex>
#include <utility>

namespace lsmtpd::io {

namespace {
constexpr uint64_t kDeadlineTick = 100;  // ms
constexpr int kDeferredRounds = 8;
}  // namespace

struct Loop::Handles {
  uv_async_t wake;
  uv_prepare_t end_of_turn;
  uv_timer_t tick;
  std::mutex mutex;
  std::vector<Task> posted;  // guarded by mutex
  std::atomic<bool> stopping{false};
  std::atomic<pthread_t> thread{};
  std::atomic<bool> running{false};
};

Loop::Loop()
    : uv_(std::make_unique<uv_loop_s>()),
      handles_(std::make_unique<Handles>()),
      read_buffer_(new char[kReadBuffer]) {
  uv_loop_init(uv_.get());
  uv_->data = this;
  uv_async_init(uv_.get(), &handles_->wake,
                [](uv_async_t* h) { static_cast<Loop*>(h->loop->data)->run_posted(); });
  uv_prepare_init(uv_.get(), &handles_->end_of_turn);
  uv_prepare_start(&handles_->end_of_turn,
                   [](uv_prepare_t* h) { static_cast<Loop*>(h->loop->data)->end_turn(); });
  uv_timer_init(uv_.get(), &handles_->tick);
  uv_update_time(uv_.get());
  deadlines_.set_now(uv_now(uv_.get()));
  uv_timer_start(
      &handles_->tick,
      [](uv_timer_t* h) {
        auto* loop = static_cast<Loop*>(h->loop->data);
        loop->deadlines_.advance(uv_now(h->loop));
      },
      kDeadlineTick, kDeadlineTick);
}

Loop::~Loop() {
  while (offloaded_ > 0) uv_run(uv_.get(), UV_RUN_ONCE);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->wake), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->end_of_turn), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&handles_->tick), nullptr);
  // Runs the close callbacks of everything that was closed. More than once where a stop() is still
  // in effect.
  while (uv_run(uv_.get(), UV_RUN_DEFAULT) != 0) {
  }
  uv_loop_close(uv_.get());
}

void Loop::run() {
  handles_->thread = pthread_self();
  handles_->running = true;
  Heartbeat* const before = Heartbeat::attach(heartbeat_.get());
  heartbeat_->beat();
  while (!handles_->stopping) uv_run(uv_.get(), UV_RUN_DEFAULT);
  // Work on pools completes while its owners still exist.
  while (offloaded_ > 0) uv_run(uv_.get(), UV_RUN_ONCE);
  // Handles closed in the last turn get their close callbacks here.
  run_posted();
  uv_run(uv_.get(), UV_RUN_NOWAIT);
  heartbeat_->rest();
  Heartbeat::attach(before);
  handles_->running = false;
  handles_->stopping = false;
}

void Loop::stop() {
  post([this] {
    handles_->stopping = true;
    uv_stop(uv_.get());
  });
}

bool Loop::on_thread() const {
  return !handles_->running || pthread_equal(handles_->thread, pthread_self());
}

uint64_t Loop::now_ms() const {
  return uv_now(uv_.get());
}

// The last tick may be 100 ms ago: a deadline armed now must not expire that much too early.
Deadlines& Loop::deadlines() {
  deadlines_.set_now(now_ms());
  return deadlines_;
}

// The loop is woken under the lock: once it has seen the task it may be destroyed.
void Loop::post(Task task) {
  std::lock_guard lock(handles_->mutex);
  handles_->posted.push_back(std::move(task));
  if (handles_->posted.size() > 1) return;  // the loop was woken for the first one
  uv_async_send(&handles_->wake);
}

void Loop::defer(Task task) {
  deferred_.push_back(std::move(task));
}

void Loop::each_turn(Task task) {
  each_turn_ = std::move(task);
}

void Loop::run_posted() {
  std::vector<Task> tasks;
  {
    std::lock_guard lock(handles_->mutex);
    tasks.swap(handles_->posted);
  }
  for (auto& task : tasks) task();
}

// Tasks that deferred tasks defer run in this turn too, up to a limit, so that the loop gets back
// to its other events.
void Loop::end_turn() {
  ++turns_;
  heartbeat_->beat();
  for (int round = 0; round < kDeferredRounds && !deferred_.empty(); ++round) {
    std::vector<Task> tasks;
    tasks.swap(deferred_);
    for (auto& task : tasks) task();
  }
  if (!deferred_.empty()) uv_async_send(&handles_->wake);
  if (each_turn_) each_turn_();
}

void Loop::offload(Task work, Task done) {
  (void)offload(own_work_, std::move(work), std::move(done));  // its length has no limit
}

bool Loop::offload(Pool::Queue& queue, Task work, Task done) {
  const bool taken = queue.put(std::move(work), [this, done = std::move(done)]() mutable {
    post([this, done = std::move(done)] {
      --offloaded_;
      done();
    });
  });
  if (taken) ++offloaded_;
  return taken;
}

// Timer, Watch and Signal are alike: the uv handle lives in an Impl that is closed by the owner's
// destructor and freed in the close callback, so that nothing is destroyed inside its own callback.

struct Timer::Impl {
  uv_timer_t handle{};
  Task task;
};

Timer::Timer(Loop& loop, Task task) : impl_(new Impl) {
  impl_->task = std::move(task);
  impl_->handle.data = impl_;
  uv_timer_init(loop.uv(), &impl_->handle);
}

Timer::~Timer() {
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->handle),
           [](uv_handle_t* h) { delete static_cast<Impl*>(h->data); });
}

void Timer::start(uint64_t delay_ms, uint64_t repeat_ms) {
  uv_timer_start(
      &impl_->handle, [](uv_timer_t* h) { static_cast<Impl*>(h->data)->task(); }, delay_ms,
      repeat_ms);
}

void Timer::stop() {
  uv_timer_stop(&impl_->handle);
}

struct Watch::Impl {
  uv_poll_t handle{};
  std::function<void(int)> ready;
  bool ok = false;
};

Watch::Watch(Loop& loop, int fd, std::function<void(int)> ready) : impl_(new Impl) {
  impl_->ready = std::move(ready);
  impl_->handle.data = impl_;
  impl_->ok = uv_poll_init(loop.uv(), &impl_->handle, fd) == 0;
}

Watch::~Watch() {
  if (!impl_->ok) {
    delete impl_;
    return;
  }
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->handle),
           [](uv_handle_t* h) { delete static_cast<Impl*>(h->data); });
}

bool Watch::ok() const {
  return impl_->ok;
}

void Watch::want(int events) {
  if (!impl_->ok) return;
  if (events == 0) {
    uv_poll_stop(&impl_->handle);
    return;
  }
  const int wanted =
      ((events & kReadable) ? UV_READABLE : 0) | ((events & kWritable) ? UV_WRITABLE : 0);
  uv_poll_start(&impl_->handle, wanted, [](uv_poll_t* h, int status, int got) {
    const int seen = ((got & UV_READABLE) ? kReadable : 0) | ((got & UV_WRITABLE) ? kWritable : 0) |
                     (status < 0 ? kError : 0);
    static_cast<Impl*>(h->data)->ready(seen);
  });
}

struct Signal::Impl {
  uv_signal_t handle{};
  Task task;
};

Signal::Signal(Loop& loop, int number, Task task) : impl_(new Impl) {
  impl_->task = std::move(task);
  impl_->handle.data = impl_;
  uv_signal_init(loop.uv(), &impl_->handle);
  uv_signal_start(
      &impl_->handle, [](uv_signal_t* h, int) { static_cast<Impl*>(h->data)->task(); }, number);
}

Signal::~Signal() {
  uv_close(reinterpret_cast<uv_handle_t*>(&impl_->handle),
           [](uv_handle_t* h) { delete static_cast<Impl*>(h->data); });
}

}  // namespace lsmtpd::io
