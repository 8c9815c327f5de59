// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: LaneHost, the host as a lane sees it: timers, descriptors, DNS questions, work on the
// pool, posts from other threads.
//
// All callbacks run on the lane's loop, never from inside the function that asked for them. They
// may be any callable, move-only ones too; they are freed after they ran, or with the handle. An
// exception of a callback is logged, and answers the calls that the callback held. A lane is
// destroyed only when none of its posts, deferred tasks, offloaded work and look-ups is under way,
// so such callbacks may use `this`. Timers, watches and questions are handles: keep them in the
// lane, they end with it.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "dns.hpp"
#include "handles.hpp"
#include "replay.hpp"

namespace lsmtpd::sdk {

class LaneHost : public Host {
 public:
  explicit LaneHost(const lsmtpd_host* raw)
      : Host(raw), state_(std::make_shared<detail::LaneState>()) {
    state_->host = raw;
    state_->loop = find<lsmtpd_loop_1>(LSMTPD_LOOP);
    dns_ = find<lsmtpd_dns_1>(LSMTPD_DNS);
    replay_ = find<lsmtpd_replay_host_1>(LSMTPD_REPLAY_HOST);
    making_ = find<lsmtpd_making_1>(LSMTPD_MAKING);
  }

  // [loop] Monotonic milliseconds, as of this turn of the loop.
  uint64_t now_ms() const { return state_->loop->now_ms(raw_); }

  // [loop] Calls `function()` once after `delay`. The handle must be kept. An empty one: failed.
  template <class Function>
  [[nodiscard]] Timer timer(std::chrono::milliseconds delay, Function function) const {
    auto node = std::make_unique<Timer::Typed<Function>>(std::move(function));
    node->state = state_;
    const auto ms = static_cast<uint64_t>(delay.count() < 0 ? 0 : delay.count());
    Timer::Node* raw = node.get();
    node->id = state_->loop->timer(
        raw_, ms, [](void* data) { static_cast<Timer::Node*>(data)->fire(); }, raw);
    Timer timer;
    if (node->id != 0) timer.node_ = node.release();
    return timer;
  }

  // [loop] Calls `function(uint32_t events)` whenever the non-blocking `fd` is ready;
  // level-triggered.
  template <class Function>
  [[nodiscard]] Watch watch(int fd, uint32_t events, Function function) const {
    auto node = std::make_unique<Watch::Typed<Function>>(std::move(function));
    node->state = state_;
    Watch::Node* raw = node.get();
    node->id = state_->loop->watch(
        raw_, fd, events,
        [](void* data, uint32_t ready) { static_cast<Watch::Node*>(data)->ready(ready); }, raw);
    Watch watch;
    if (node->id != 0) watch.node_ = node.release();
    return watch;
  }

  // [loop] Calls `function()` at the end of this turn of the loop.
  template <class Function>
  void defer(Function function) const {
    using Task = detail::Task<Function>;
    ++state_->pending;
    state_->loop->defer(raw_, &Task::run, new Task{state_, std::move(function)});
  }

  // [any] Calls `function()` on the loop, in order of posting. False: the lane is closed;
  // `function` was dropped.
  template <class Function>
  bool post(Function function) const {
    using Task = detail::Task<Function>;
    auto task = std::make_unique<Task>(Task{state_, std::move(function)});
    std::lock_guard<std::mutex> lock(state_->mutex);
    if (state_->closed) return false;
    ++state_->pending;
    if (state_->loop->post(raw_, &Task::run, task.get()) != 0) {
      --state_->pending;
      return false;
    }
    (void)task.release();
    return true;
  }

  // [loop] Runs `work()` on a thread of the pool, then `done(result)` on the loop, or `done()`
  // where work returns nothing. If `work` throws, `done` is not called, and the calls that either
  // held are answered with the text of the exception. False: not started; both were dropped.
  template <class Work, class Done>
  bool offload(Work work, Done done) const {
    using Job = detail_job<Work, Done>;
    auto job = std::make_unique<Job>(Job{state_, std::move(work), std::move(done), {}, nullptr});
    ++state_->pending;
    if (state_->loop->offload(raw_, &Job::run, &Job::finish, job.get()) != 0) {
      --state_->pending;
      return false;
    }
    (void)job.release();
    return true;
  }

  // [loop] Looks a host name up and calls `function(Resolved)`. False: not started; `function` was
  // dropped.
  template <class Function>
  bool resolve(std::string_view name, uint16_t port, Function function) const {
    using Query = detail_query<Function>;
    auto query = std::make_unique<Query>(Query{state_, std::move(function)});
    ++state_->pending;
    if (state_->loop->resolve(raw_, str(name), port, &Query::run, query.get()) != 0) {
      --state_->pending;
      return false;
    }
    (void)query.release();
    return true;
  }

  // [loop] Asks DNS servers for the records of `type` (LSMTPD_DNS_A, ...) and calls
  // `function(const lsmtpd_dns_answer&)` once, at the latest after `deadline`. The handle must be
  // kept: it cancels the question. An empty one: refused (see dns.h), `function` was dropped.
  template <class Function>
  [[nodiscard]] Question query(std::string_view name, uint32_t type,
                               std::chrono::milliseconds deadline, Function function) const {
    Question question;
    if (dns_ == nullptr) return question;
    auto node = std::make_unique<Question::Typed<Function>>(std::move(function));
    node->state = state_;
    node->dns = dns_;
    Question::Node* raw = node.get();
    const auto ms = static_cast<uint64_t>(deadline.count() < 0 ? 0 : deadline.count());
    node->id = dns_->query(
        raw_, str(name), type, ms,
        [](void* data, const lsmtpd_dns_answer* answer) {
          static_cast<Question::Node*>(data)->answered(*answer);
        },
        raw);
    if (node->id != 0) question.node_ = node.release();
    return question;
  }

  // Answers of Replay (replay.h). [any]
  void listed(Call call, const std::vector<Copy>& copies, bool end, uint64_t waiting = 0) const {
    std::vector<lsmtpd_copy> raw;
    raw.reserve(copies.size());
    for (const Copy& copy : copies)
      raw.push_back(
          {str(copy.copy_id), copy.time_ns, copy.bytes,
           (copy.in_doubt ? LSMTPD_COPY_IN_DOUBT : 0u) | (copy.expired ? LSMTPD_COPY_EXPIRED : 0u),
           0});
    replay_->listed(raw_, call.release(), raw.data(), sizeof(lsmtpd_copy),
                    static_cast<uint32_t>(raw.size()), end ? 1 : 0, waiting);
  }
  void counted(Call call, uint64_t count) const { replay_->counted(raw_, call.release(), count); }
  // A message to fill with append() and annotate(). Empty: no memory, answer "tempfail". Off the
  // loop where it may be large.
  Making make_message(const lsmtpd_envelope& envelope) const {
    return Making(making_, making_->make(raw_, &envelope));
  }
  void loaded(Call call, Making message, const Stored& stored) const {
    lsmtpd_delivery delivery{};
    delivery.size = sizeof delivery;
    delivery.flags = stored.in_doubt ? LSMTPD_DELIVERY_IN_DOUBT : 0u;
    delivery.target = str(stored.target);
    delivery.reason = str(stored.reason);
    delivery.attempts = stored.attempts;
    replay_->loaded(raw_, call.release(), message.release(), &delivery);
  }
  bool can_replay() const noexcept { return replay_ != nullptr && making_ != nullptr; }

  const detail::State& state() const noexcept { return state_; }

  // [loop] For Closed: ends the lane once the callback that runs has returned.
  static void settle_later(const detail::State& state) noexcept {
    const auto nothing = [] {};
    using Task = detail::Task<decltype(nothing)>;
    if (state->loop == nullptr) return state->settle();
    ++state->pending;
    state->loop->defer(state->host, &Task::run, new Task{state, nothing});
  }

 private:
  struct Nothing {};
  template <class Work, class Done>
  struct detail_job {
    using Result = std::invoke_result_t<Work&>;
    using Stored = std::conditional_t<std::is_void_v<Result>, Nothing, Result>;
    detail::State state;
    Work work;
    Done done;
    std::optional<Stored> result;
    std::exception_ptr error;

    static void run(void* data) noexcept {
      auto* job = static_cast<detail_job*>(data);
      try {
        if constexpr (std::is_void_v<Result>) {
          job->work();
          job->result.emplace();
        } else {
          job->result.emplace(job->work());
        }
      } catch (...) {
        job->error = std::current_exception();
      }
    }
    static void finish(void* data) noexcept {
      std::unique_ptr<detail_job> job(static_cast<detail_job*>(data));
      const detail::State state = job->state;
      detail::guarded(state->host, [&] {
        const std::unique_ptr<detail_job> own = std::move(job);
        if (own->error) std::rethrow_exception(own->error);
        if constexpr (std::is_void_v<Result>)
          own->done();
        else
          own->done(std::move(*own->result));
      });
      --state->pending;
      state->settle();
    }
  };
  template <class Function>
  struct detail_query {
    detail::State state;
    Function function;

    static void run(void* data, lsmtpd_str error, const lsmtpd_address* addresses, uint32_t stride,
                    uint32_t count) noexcept {
      std::unique_ptr<detail_query> query(static_cast<detail_query*>(data));
      const detail::State state = query->state;
      detail::guarded(state->host, [&] {
        const std::unique_ptr<detail_query> own = std::move(query);
        own->function(Resolved{view(error), addresses, stride, count});
      });
      --state->pending;
      state->settle();
    }
  };

  detail::State state_;
  const lsmtpd_dns_1* dns_ = nullptr;
  const lsmtpd_replay_host_1* replay_ = nullptr;
  const lsmtpd_making_1* making_ = nullptr;
};

}  // namespace lsmtpd::sdk
