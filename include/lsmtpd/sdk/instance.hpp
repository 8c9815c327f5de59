// SPDX-License-Identifier: Apache-2.0
// lsmtpd SDK: the classes a plugin derives from: Instance (one for each [plugin.NAME])
// and Lane (one a worker), and what a Lane can do: Filter, SessionFilter, Output, Admission,
// Replay, Probe.
//
//     class MyLane : public sdk::Lane, public sdk::Output, public sdk::Admission { ... };
//     class MyInstance : public sdk::Instance {
//      public:
//       MyInstance(sdk::Host host, sdk::Config config);     // [main] no side effects
//       bool start(sdk::Report& report) override;        // [main] files, sockets, threads
//       std::unique_ptr<MyLane> open_lane(sdk::LaneHost); // [loop]
//     };
// Which extensions the host sees follows from what the class that open_lane() returns derives from.
// A lane is called on its own loop only and needs no locks. All functions return promptly.
#pragma once

#include "config.hpp"
#include "loop.hpp"

namespace lsmtpd::sdk {

// An instance: options, locks, threads, and what the workers share. It lives until all lanes are
// closed. [main]
class Instance {
 public:
  Instance(Host host, Config config) : host_(host), config_(config) {}
  virtual ~Instance() = default;
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  // Opens what the instance needs. False (or an exception): the daemon does not start; say why in
  // `report`.
  virtual bool start(Report& report) {
    (void)report;
    return true;
  }
  // After every lane is closed; only after a start() that succeeded.
  virtual void stop() {}
  // Which events a SessionFilter lane gets: LSMTPD_PHASE_..., or-ed. Asked once, after the
  // constructor.
  virtual uint32_t phases() const {
    return LSMTPD_PHASE_CONNECT | LSMTPD_PHASE_HELO | LSMTPD_PHASE_MAIL | LSMTPD_PHASE_RCPT;
  }

  const Host& host() const noexcept { return host_; }
  const Config& config() const noexcept { return config_; }

 private:
  Host host_;
  Config config_;
};

// Says that a lane is closed: call it once [loop], or drop it. The lane is then destroyed as soon
// as it is safe.
class Closed {
 public:
  explicit Closed(detail::State state) noexcept : state_(std::move(state)) {}
  Closed(Closed&&) noexcept = default;
  Closed& operator=(Closed&&) = delete;
  ~Closed() { (*this)(); }
  void operator()() noexcept {
    if (const detail::State state = std::move(state_)) {
      state->done = true;
      // Never from here: the lane may be what calls. Inside close() the end of it settles, else a
      // task of its own.
      if (!state->in_close) LaneHost::settle_later(state);
    }
  }

 private:
  detail::State state_;
};

// One worker's part of an instance. [loop]
class Lane {
 public:
  explicit Lane(LaneHost host) : host_(std::move(host)) {
    raw_ = {this, [](const lsmtpd_lane* lane) { static_cast<Lane*>(lane->self)->closing(); }};
  }
  virtual ~Lane() = default;
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // The host wants the lane to end: answer what is open, close connections; then call `closed`, now
  // or later. By default it is closed at once; calls that members hold are then dropped, so they
  // say "tempfail".
  virtual void close(Closed closed) { closed(); }

  const LaneHost& host() const noexcept { return host_; }
  const lsmtpd_lane* raw() const noexcept { return &raw_; }

 private:
  void closing() noexcept {
    const detail::State state = host_.state();
    state->in_close = true;
    detail::guarded(state->host, [&] { close(Closed(state)); });
    state->in_close = false;
    state->settle();
  }

  LaneHost host_;
  lsmtpd_lane raw_;
};

// Judges whole messages: lsmtpd.filter/1. Answer with proceed(), reject(), tempfail() or
// discard(), now or later.
class Filter {
 public:
  virtual ~Filter() = default;
  virtual void message(Call call, Message message) = 0;
  // The host no longer waits for this call: give up and answer it soon, with anything.
  virtual void cancel(lsmtpd_call call) { (void)call; }
};

// Judges clients before there is a message: lsmtpd.session_filter/1. `event` lives until the call
// is answered.
class SessionFilter {
 public:
  virtual ~SessionFilter() = default;
  virtual void decide(Call call, const lsmtpd_session_event& event) = 0;
  virtual void cancel(lsmtpd_call call) { (void)call; }
  virtual void session_closed(uint64_t session) { (void)session; }
};

// How an output is asked. Views live until the call is answered.
struct Delivery {
  std::string_view copy_id;               // the same at every resend; storing it again replaces
  std::string_view target;                // as a fallback: the output it is kept for; else empty
  bool replay = false;                    // given back by a spool: nobody waits
  std::chrono::milliseconds deadline{0};  // until the host stops waiting; 0: it waits
};

// Puts messages where they are safe: lsmtpd.output/1. Answer with stored(), reject() or
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
  std::string_view reason;        // where not ready; lives until the next admission()
};

// What can be taken, asked at each EHLO and MAIL: lsmtpd.admission/1.
class Admission {
 public:
  virtual ~Admission() = default;
  virtual Capacity admission() = 0;
};

// Gives back what an output stored: lsmtpd.replay/1. Only worker 0's lane is asked. Ids live during
// the function.
class Replay {
 public:
  virtual ~Replay() = default;
  virtual void list(Call call, bool restart, uint32_t max) = 0;  // host().listed()
  virtual void load(
      Call call, std::string_view copy_id) = 0;  // host().loaded(), reject(): skip it, tempfail()
  virtual void forget(Call call, std::string_view copy_id) = 0;  // stored() once removed
  virtual void dead_letter(Call call, std::string_view copy_id,
                           std::string_view reason) = 0;  // stored() once kept apart
};

// Says what a probe did, step by step; valid until the call is answered. [loop]
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

// A filter in one class, made once for each worker with the instance's options; see plugin.hpp.
class SimpleFilter : public Lane, public Filter {
 public:
  SimpleFilter(LaneHost host, Config config) : Lane(std::move(host)), config_(config) {}
  const Config& config() const noexcept { return config_; }

 private:
  Config config_;
};

}  // namespace lsmtpd::sdk
