// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: the classes a plugin derives from: Instance (one for each [plugin.NAME]) and Lane
// (one a worker), and the interfaces of a Lane: Filter, SessionFilter, Auth, Output, Admission,
// Replay, Probe, Control.
//
//     class MyLane : public sdk::Lane, public sdk::Output, public sdk::Admission { ... };
//     class MyInstance : public sdk::Instance {
//      public:
//       MyInstance(sdk::Host host, sdk::Config config);     // [main] no side effects
//       bool start(sdk::Report& report) override;        // [main] files, sockets, threads
//       std::unique_ptr<MyLane> open_lane(sdk::LaneHost); // [loop]
//     };
// The base classes of the class that open_lane() returns decide which extensions the host sees. A
// lane is called on its own loop only and needs no locks. All functions return promptly.
#pragma once

#include "config.hpp"
#include "loop.hpp"

namespace lsmtpd::sdk {

// An instance: options, locks, threads, and state that the workers share. It lives until all lanes
// are closed. [main]
namespace detail {
template <class Instance>
class InstanceBox;
}

class Instance {
 public:
  Instance(Host host, Config config) : host_(host), config_(config) {}
  virtual ~Instance() = default;
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // Opens files, sockets and threads. False (or an exception): the daemon does not start; name the
  // error in `report`.
  virtual bool start(Report& report) {
    (void)report;
    return true;
  }
  // After every lane is closed; only after a start() that succeeded.
  virtual void stop() {}
  // Which events a SessionFilter lane gets: LSMTPD_PHASE_..., or-ed. Asked once, after the
  // constructor.
  virtual uint32_t phases() const {
    return LSMTPD_PHASE_CONNECT | LSMTPD_PHASE_HELO | LSMTPD_PHASE_AUTH | LSMTPD_PHASE_MAIL |
           LSMTPD_PHASE_RCPT | LSMTPD_PHASE_DATA;
  }

  // Which mechanisms an Auth lane checks: LSMTPD_AUTH_..., or-ed. Asked once, after the
  // constructor.
  virtual uint32_t mechanisms() const { return LSMTPD_AUTH_PLAIN | LSMTPD_AUTH_LOGIN; }

  const Host& host() const noexcept { return host_; }
  const Config& config() const noexcept { return config_; }

 private:
  template <class>
  friend class detail::InstanceBox;
  Host host_;
  Config config_;
};

// An instance that takes new options while it runs: lsmtpd.reload/1. Derive an exclusive plugin's
// instance from this too. Lanes are called on their loops meanwhile; config() is the old one until
// commit() has returned. [main]
class Reload {
 public:
  virtual ~Reload() = default;
  // Prepares everything that may fail. False (or an exception): the reload does not happen; name
  // the error in `report`.
  virtual bool prepare(Config config, Report& report) = 0;
  virtual void commit() = 0;
  virtual void abort() = 0;
};

// Says that a lane is closed: call it once [loop], or drop it. The lane is then destroyed as soon
// as it is safe.
class Closed {
 public:
  Closed(detail::State state, std::chrono::milliseconds deadline) noexcept
      : state_(std::move(state)), deadline_(deadline) {}
  Closed(Closed&&) noexcept = default;
  Closed& operator=(Closed&&) = delete;
  ~Closed() { (*this)(); }
  void operator()() noexcept {
    if (const detail::State state = std::move(state_)) {
      state->done = true;
      // Not settled here, because the caller may be the lane. Inside close() its end settles, else
      // a task.
      if (!state->in_close) LaneHost::settle_later(state);
    }
  }
  // How long the host waits, from the moment it asked; 0: without an end.
  std::chrono::milliseconds deadline() const noexcept { return deadline_; }

 private:
  detail::State state_;
  std::chrono::milliseconds deadline_;
};

// One worker's part of an instance. [loop]
class Lane {
 public:
  explicit Lane(LaneHost host) : host_(std::move(host)) {
    raw_ = {this, [](const lsmtpd_lane* lane, uint64_t deadline_ms) {
              static_cast<Lane*>(lane->self)->closing(deadline_ms);
            }};
  }
  virtual ~Lane() = default;
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // The host wants the lane to end: answer open calls, close connections; then call `closed`, now
  // or later. By default it is closed at once; calls that members hold are then dropped, which
  // answers them with "tempfail".
  virtual void close(Closed closed) { closed(); }

  const LaneHost& host() const noexcept { return host_; }
  const lsmtpd_lane* raw() const noexcept { return &raw_; }

 private:
  void closing(uint64_t deadline_ms) noexcept {
    const detail::State state = host_.state();
    state->in_close = true;
    detail::guarded(state->host,
                    [&] { close(Closed(state, std::chrono::milliseconds(deadline_ms))); });
    state->in_close = false;
    state->settle();
  }

  LaneHost host_;
  lsmtpd_lane raw_;
};

// Judges whole messages: lsmtpd.filter/1. Answer with proceed(), accept(), reject(), tempfail() or
// discard(), now or later.
class Filter {
 public:
  virtual ~Filter() = default;
  virtual void message(Call call, FilterMessage message) = 0;
  // The host no longer waits for this call: stop the work and answer it soon, with any verdict.
  virtual void cancel(lsmtpd_call call) { (void)call; }
};

// Judges clients before there is a message: lsmtpd.session_filter/1. `event` lives until the call
// is answered and decide() has returned; host().annotations(event) annotates the session.
class SessionFilter {
 public:
  virtual ~SessionFilter() = default;
  virtual void decide(Call call, const lsmtpd_session_event& event) = 0;
  virtual void cancel(lsmtpd_call call) { (void)call; }
  // A mail transaction ended: accepted, refused or reset.
  virtual void transaction_ended(const lsmtpd_transaction_end& end) { (void)end; }
  virtual void session_closed(uint64_t session) { (void)session; }
};

// Checks the credentials of AUTH: lsmtpd.auth/1. Answer with authenticated(), wrong_credentials()
// or tempfail(), now or later. `credentials` live until the call is answered and verify() has
// returned.
class Auth {
 public:
  virtual ~Auth() = default;
  virtual void verify(Call call, const lsmtpd_credentials& credentials) = 0;
  virtual void cancel(lsmtpd_call call) { (void)call; }
};

// How an output is asked. Views live until the call is answered and deliver() has returned.
struct Delivery {
  std::string_view copy_id;               // the same at every resend; storing it again replaces
  std::string_view target;                // as a fallback: the output it is kept for; else empty
  bool replay = false;                    // a replayed copy: no client waits
  std::chrono::milliseconds deadline{0};  // until the host stops waiting; 0: it waits
  std::string_view reason;                // why the last attempt failed; empty: none did
  uint32_t attempts = 0;                  // earlier ones, as far as known
  bool in_doubt = false;                  // one of them was sent and its outcome is unknown
  Annotations annotations;                // passed to the fallback after tempfail()
};

// Stores messages durably or passes them on: lsmtpd.output/1. Answer with stored(), reject() or
// tempfail(), now or later.
class Output {
 public:
  virtual ~Output() = default;
  virtual void deliver(Call call, Message message, Delivery delivery) = 0;
  // The host no longer waits. Answer when the outcome is known: a late stored() or reject() still
  // counts.
  virtual void cancel(lsmtpd_call call) { (void)call; }
};

struct Capacity {
  bool ready = true;
  uint64_t max_message_size = 0;  // bytes; 0: no limit
  std::string_view reason;        // if not ready; lives until the next admission()
};

// Says whether messages are taken, asked at each EHLO and MAIL: lsmtpd.admission/1.
class Admission {
 public:
  virtual ~Admission() = default;
  virtual Capacity admission() = 0;
};

// Returns the stored messages of an output: lsmtpd.replay/1. Only worker 0's lane is asked. Ids
// live during the function.
class Replay {
 public:
  virtual ~Replay() = default;
  virtual void list(Call call, bool restart, uint32_t max) = 0;  // host().listed()
  virtual void load(
      Call call, std::string_view copy_id) = 0;  // host().loaded(), reject(): skip it, tempfail()
  virtual void forget(Call call, std::string_view copy_id) = 0;  // stored() once removed
  virtual void dead_letter(Call call, std::string_view copy_id,
                           std::string_view reason) = 0;  // stored() once kept apart
  virtual void count(Call call, std::string_view target, uint64_t max) = 0;  // host().counted()
};

// Takes the steps of a probe; valid until the call is answered. [loop]
class ProbeReport {
 public:
  explicit ProbeReport(const lsmtpd_probe_report* raw) noexcept : raw_(raw) {}
  void good(std::string_view step, std::string_view text) const {
    raw_->step(raw_, str(step), 0, str(text));
  }
  void bad(std::string_view step, uint32_t exit_status, std::string_view text) const {
    raw_->step(raw_, str(step), exit_status, str(text));
  }

 private:
  const lsmtpd_probe_report* raw_;
};

// Tries a connection for `lsmtpd check --live`: lsmtpd.probe/1. proceed() when all went well, else
// tempfail().
class Probe {
 public:
  virtual ~Probe() = default;
  virtual void probe(Call call, ProbeReport report) = 0;
};

// Takes an operator's commands: lsmtpd.control/1.
class Control {
 public:
  virtual ~Control() = default;
  virtual void retry_now() = 0;  // ends the pause after a failure
};

// A filter in one class, made once for each worker with the instance's options; see plugin.hpp.
class SimpleFilter : public Lane, public Filter {
 public:
  SimpleFilter(LaneHost host, Config config) : Lane(std::move(host)), config_(config) {}
  const Config& config() const noexcept { return config_; }

 private:
  Config config_;
};

}  // namespace lsmtpd::sdk
