// SPDX-License-Identifier: Apache-2.0
// The host's side of one plugin on one worker: makes calls, and hands each answer on exactly once
// (calls.hpp). Everything here is [loop] except what plugins reach through the host struct.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "io/loop.hpp"
#include "message/phase.hpp"
#include "plugin/calls.hpp"
#include "plugin/instance.hpp"

namespace lsmtpd::plugin {

struct Admission {
  bool ready = true;
  uint64_t max_message_size = 0;  // 0: no limit
  std::string reason;
};

// The event that a session filter is asked about.
struct SessionEvent {
  message::Phase phase = message::Phase::connect;
  uint64_t session = 0;
  uint64_t declared_size = 0;  // 0: not said
  std::shared_ptr<const message::Envelope> envelope = {};
  std::shared_ptr<const message::Annotations> annotations = {};  // of the session; may be null
  uint64_t deadline_ms = 0;
};

// Credentials to be checked.
struct AuthQuestion {
  uint32_t mechanism = 0;  // LSMTPD_AUTH_...
  uint64_t session = 0;
  std::string_view authorization = {};
  std::string_view user = {};
  std::string_view password = {};
  std::shared_ptr<const message::Envelope> envelope = {};
  uint64_t deadline_ms = 0;
};

class Lane {
 public:
  Lane(Instance& instance, io::Loop& loop, uint32_t worker);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  Instance& instance() { return instance_; }
  const std::string& name() const { return instance_.name(); }
  bool failed() const { return calls_.too_many_stuck() || is_closed_; }

  // The calls (lane_calls.cpp). Each returns the completion, or nothing and `call` is open.
  // `deadline_ms` is told to the plugin; 0: none.
  std::optional<Completion> filter(const message::Message& message, uint64_t deadline_ms, Done done,
                                   CallId& call);
  std::optional<Completion> decide(const SessionEvent& event, Done done, CallId& call);
  std::optional<Completion> verify(const AuthQuestion& question, Done done, CallId& call);
  std::optional<Completion> deliver(const message::Message& message, DeliveryFacts delivery,
                                    Done done, CallId& call);
  std::optional<Completion> list(bool restart, uint32_t most, Done done, CallId& call);
  std::optional<Completion> load(const std::string& copy_id, Done done, CallId& call);
  std::optional<Completion> forget(const std::string& copy_id, Done done, CallId& call);
  std::optional<Completion> dead_letter(const std::string& copy_id, const std::string& reason,
                                        Done done, CallId& call);
  std::optional<Completion> count(const std::string& target, uint64_t most, Done done,
                                  CallId& call);
  std::optional<Completion> probe(const lsmtpd_probe_report* report, Done done, CallId& call);

  // Nobody waits for the call any more: the plugin is told, and `late` gets the answer when it
  // comes (may be empty).
  void abandon(CallId call, Done late);

  Admission admission();
  uint32_t mechanisms() const;  // of AUTH: LSMTPD_AUTH_..., or-ed
  void transaction_ended(uint64_t session, const std::string& id, message::TransactionEnd how);
  void session_closed(uint64_t session);
  // An operator's order: no pause after a failure. Nothing where the plugin makes none.
  void retry_now();

  // Asks the plugin's lane to end, within `deadline_ms` (0: without an end); `closed` comes when it
  // has. Afterwards nothing of the plugin runs on this loop: calls that are still open, and later
  // ones, get TEMPFAIL.
  void close(io::Task closed, uint64_t deadline_ms = 0);

 private:
  // The loop is blocked for so long at most without a line.
  static constexpr uint64_t kBlockedMs = 200;

  friend class Instance;
  friend struct LaneExtensions;

  template <class Give>
  std::optional<Completion> put(std::unique_ptr<Question> question, Done done, CallId& call,
                                Give&& give);
  void blocked(const char* what, uint64_t ms);
  template <class Function>
  bool guarded(const char* what, Function&& function);
  template <class Function>
  static bool guarded(Instance& instance, const char* what, Function&& function,
                      uint64_t* took_ms = nullptr);
  void lane_closed();

  Instance& instance_;
  io::Loop& loop_;
  LaneHost& host_;
  const lsmtpd_lane* lane_ = nullptr;

  const View::Lent lent_ = std::make_shared<std::atomic<uint32_t>>(0);
  Calls calls_;
  struct Resources;  // watches and timers of lsmtpd.loop/1
  std::unique_ptr<Resources> resources_;
  io::Task closed_;
  std::atomic<bool> close_asked_{false};
  std::atomic<bool> is_closed_{false};
};

}  // namespace lsmtpd::plugin
