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

class Lane {
 public:
  Lane(Instance& instance, io::Loop& loop, uint32_t worker);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  Instance& instance() { return instance_; }
  const std::string& name() const { return instance_.name(); }
  bool failed() const { return calls_.too_many_stuck() || is_closed_; }

  // Each returns the completion, or nothing and `call` is open.
  std::optional<Completion> filter(const message::Message& message, Done done, CallId& call);
  std::optional<Completion> decide(message::Phase phase, uint64_t session, uint64_t declared_size,
                                   const message::Envelope& envelope, Done done, CallId& call);
  std::optional<Completion> deliver(const message::Message& message, Delivery delivery, Done done,
                                    CallId& call);
  std::optional<Completion> list(bool restart, uint32_t most, Done done, CallId& call);
  std::optional<Completion> load(const std::string& copy_id, Done done, CallId& call);
  std::optional<Completion> forget(const std::string& copy_id, Done done, CallId& call);
  std::optional<Completion> dead_letter(const std::string& copy_id, const std::string& reason,
                                        Done done, CallId& call);
  std::optional<Completion> probe(const lsmtpd_probe_report* report, Done done, CallId& call);

  // Nobody waits for the call any more: the plugin is told, and `late` gets the answer when it
  // comes (may be empty).
  void abandon(CallId call, Done late);

  Admission admission();
  void session_closed(uint64_t session);

  // Asks the plugin's lane to end; `closed` comes when it has. Afterwards nothing of the plugin
  // runs on this loop: calls it left open get TEMPFAIL, and so does whoever still asks.
  void close(io::Task closed);

 private:
  friend class Instance;
  friend struct LaneExtensions;

  template <class Give>
  std::optional<Completion> put(std::unique_ptr<Question> question, Done done, CallId& call,
                                Give&& give);
  template <class Function>
  bool guarded(const char* what, Function&& function);
  void lane_closed();

  Instance& instance_;
  io::Loop& loop_;
  HostSelf self_;
  lsmtpd_host host_;
  const lsmtpd_lane* lane_ = nullptr;

  Calls calls_;
  struct Resources;  // watches and timers of lsmtpd.loop/1
  std::unique_ptr<Resources> resources_;
  io::Task closed_;
  bool close_asked_ = false;
  std::atomic<bool> is_closed_{false};
};

}  // namespace lsmtpd::plugin
