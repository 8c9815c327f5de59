// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: Timer, Question and Watch, and the state that a lane shares with them and with its
// tasks. LaneHost in loop.hpp makes them.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "host.hpp"

namespace lsmtpd::sdk {

class Lane;

namespace detail {

// The state that a lane, its handles and its tasks share. Lives as long as any LaneHost of the
// lane.
struct LaneState {
  const lsmtpd_host* host = nullptr;
  const lsmtpd_loop_1* loop = nullptr;
  std::mutex mutex;                  // post() from other threads against the lane's end
  bool closed = false;               // under `mutex`: nothing may be posted any more
  std::atomic<uint32_t> pending{0};  // tasks under way
  bool done = false;                 // [loop] close() is finished; the lane goes with its last task
  bool gone = false;                 // [loop] the lane is destroyed; its host must not be used
  bool in_close = false;             // [loop] inside Lane::close()
  Lane* lane = nullptr;
  void (*destroy)(Lane*) = nullptr;

  // [loop] Ends the lane if close() is finished and no task is under way.
  void settle() noexcept {
    if (!done || in_close || gone || pending.load() != 0) return;
    {
      std::lock_guard<std::mutex> lock(mutex);
      if (pending.load() != 0) return;
      closed = true;
    }
    if (Lane* last = std::exchange(lane, nullptr)) destroy(last);
    gone = true;
    host->lane_closed(host);
  }
};
using State = std::shared_ptr<LaneState>;

template <class Function>
struct Task {
  State state;
  Function function;

  static void run(void* data) noexcept {
    std::unique_ptr<Task> task(static_cast<Task*>(data));
    const State state = task->state;
    guarded(state->host, [&] {
      const std::unique_ptr<Task> own = std::move(task);
      own->function();
    });
    --state->pending;
    state->settle();
  }
};

}  // namespace detail

// A timer that has not fired yet; destroying it cancels. Move-only. [loop]
class Timer {
 public:
  Timer() noexcept = default;
  Timer(Timer&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  Timer& operator=(Timer&& other) noexcept {
    if (this != &other) {
      cancel();
      node_ = std::exchange(other.node_, nullptr);
    }
    return *this;
  }
  ~Timer() { cancel(); }
  void cancel() noexcept {
    if (node_ == nullptr) return;
    Node* node = std::exchange(node_, nullptr);
    if (node->id != 0 && !node->state->gone)
      node->state->loop->cancel_timer(node->state->host, node->id);
    delete node;
  }
  // True while it waits.
  explicit operator bool() const noexcept { return node_ != nullptr && node_->id != 0; }

 private:
  friend class LaneHost;
  struct Node {
    virtual ~Node() = default;
    virtual void fire() noexcept = 0;
    detail::State state;
    uint64_t id = 0;
  };
  template <class Function>
  struct Typed final : Node {
    explicit Typed(Function&& f) : function(std::move(f)) {}
    void fire() noexcept override {
      this->id = 0;
      const detail::State keep = this->state;
      // The callback may replace the handle, and this node with it.
      detail::guarded(keep->host, [this] {
        Function own = std::move(function);
        own();
      });
    }
    Function function;
  };
  Node* node_ = nullptr;
};

// A DNS question that is not answered yet; destroying it cancels. Move-only. [loop]
class Question {
 public:
  Question() noexcept = default;
  Question(Question&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  Question& operator=(Question&& other) noexcept {
    if (this != &other) {
      cancel();
      node_ = std::exchange(other.node_, nullptr);
    }
    return *this;
  }
  ~Question() { cancel(); }
  void cancel() noexcept {
    if (node_ == nullptr) return;
    Node* node = std::exchange(node_, nullptr);
    if (node->id != 0 && !node->state->gone) node->dns->cancel(node->state->host, node->id);
    node->drop();
  }
  // True while it waits. A question that query() refused never waited.
  explicit operator bool() const noexcept { return node_ != nullptr && node_->id != 0; }

 private:
  friend class LaneHost;
  struct Node {
    virtual ~Node() = default;
    virtual void answered(const lsmtpd_dns_answer& answer) noexcept = 0;
    void drop() noexcept {
      if (--references == 0) delete this;
    }
    detail::State state;
    const lsmtpd_dns_1* dns = nullptr;
    uint64_t id = 0;
    int references = 1;  // the handle, and a callback that runs
  };
  template <class Function>
  struct Typed final : Node {
    explicit Typed(Function&& f) : function(std::move(f)) {}
    void answered(const lsmtpd_dns_answer& answer) noexcept override {
      this->id = 0;
      ++this->references;
      const detail::State keep = this->state;
      // The callback may replace the handle.
      detail::guarded(keep->host, [&] {
        Function own = std::move(function);
        own(answer);
      });
      this->drop();
    }
    Function function;
  };
  Node* node_ = nullptr;
};

// A watched descriptor; destroying it ends the watch. The host watches a duplicate: the connection
// ends only when both are closed. Move-only. [loop]
class Watch {
 public:
  Watch() noexcept = default;
  Watch(Watch&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  Watch& operator=(Watch&& other) noexcept {
    if (this != &other) {
      stop();
      node_ = std::exchange(other.node_, nullptr);
    }
    return *this;
  }
  ~Watch() { stop(); }
  void stop() noexcept {
    if (node_ == nullptr) return;
    Node* node = std::exchange(node_, nullptr);
    if (!node->state->gone) node->state->loop->unwatch(node->state->host, node->id);
    node->drop();
  }
  // Sets the events to watch for; 0 pauses.
  void events(uint32_t events) noexcept {
    if (node_ != nullptr && !node_->state->gone)
      node_->state->loop->rewatch(node_->state->host, node_->id, events);
  }
  explicit operator bool() const noexcept { return node_ != nullptr; }

 private:
  friend class LaneHost;
  struct Node {
    virtual ~Node() = default;
    virtual void ready(uint32_t events) noexcept = 0;
    void drop() noexcept {
      if (--references == 0) delete this;
    }
    detail::State state;
    uint64_t id = 0;
    int references = 1;  // the handle, and a callback that runs: it may destroy the handle
  };
  template <class Function>
  struct Typed final : Node {
    explicit Typed(Function&& f) : function(std::move(f)) {}
    void ready(uint32_t events) noexcept override {
      ++this->references;
      detail::guarded(this->state->host, [&] { function(events); });
      this->drop();
    }
    Function function;
  };
  Node* node_ = nullptr;
};

}  // namespace lsmtpd::sdk
