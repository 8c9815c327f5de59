// SPDX-License-Identifier: Apache-2.0
// The host's side of one plugin on one worker: makes calls, and takes each answer exactly once.
//
// A call either answers at once, and the function that made it returns the Completion, or it stays
// open and `done` gets it later, never from inside the function, nor from inside any other call
// into the plugin. Everything here is [loop] except what plugins reach through the host struct.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "io/loop.hpp"
#include "plugin/instance.hpp"
#include "plugin/verdict.hpp"
#include "plugin/view.hpp"

namespace lsmtpd::plugin {

// The answer to a call, with what came along.
struct Completion {
  Verdict verdict;
  // Where it was edited (filter), annotated (output) or loaded (replay).
  std::optional<message::Message> message;
  std::string target;                 // load(): whom it was stored for
  std::vector<std::string> copy_ids;  // list()
  bool end = false;                   // list(): nothing left
};
using Done = std::function<void(Completion)>;

struct Delivery {
  std::string copy_id;
  std::string target;
  uint64_t deadline_ms = 0;
  bool replay = false;
};

struct Admission {
  bool ready = true;
  uint64_t max_message_size = 0;  // 0: no limit
  std::string reason;
};

class Lane {
 public:
  // Calls that were abandoned and never completed; with more of them the lane counts as failed.
  static constexpr uint32_t kMostStuck = 1000;
  // A call's id is its slot's generation, the worker, and the slot.
  static constexpr uint32_t kSlots = 1u << 22;
  static constexpr uint32_t kWorkers = 1u << 10;

  Lane(Instance& instance, io::Loop& loop, uint32_t worker);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  Instance& instance() { return instance_; }
  const std::string& name() const { return instance_.name(); }
  bool failed() const { return stuck_ > kMostStuck || is_closed_; }

  // Each returns the completion, or nothing and `call` is open.
  std::optional<Completion> filter(const message::Message& message, Done done, lsmtpd_call& call);
  std::optional<Completion> decide(uint32_t phase, uint64_t session, uint64_t declared_size,
                                   const message::Envelope& envelope, Done done, lsmtpd_call& call);
  std::optional<Completion> deliver(const message::Message& message, Delivery delivery, Done done,
                                    lsmtpd_call& call);
  std::optional<Completion> list(bool restart, uint32_t most, Done done, lsmtpd_call& call);
  std::optional<Completion> load(const std::string& copy_id, Done done, lsmtpd_call& call);
  std::optional<Completion> forget(const std::string& copy_id, Done done, lsmtpd_call& call);
  std::optional<Completion> dead_letter(const std::string& copy_id, const std::string& reason,
                                        Done done, lsmtpd_call& call);
  std::optional<Completion> probe(const lsmtpd_probe_report* report, Done done, lsmtpd_call& call);

  // Nobody waits for the call any more: the plugin is told, and `late` gets the answer when it
  // comes (may be empty).
  void abandon(lsmtpd_call call, Done late);

  Admission admission();
  void session_closed(uint64_t session);

  // Asks the plugin's lane to end; `closed` comes when it has. Afterwards nothing of the plugin
  // runs on this loop: calls it left open get TEMPFAIL, and so does whoever still asks.
  void close(io::Task closed);

 private:
  friend class Instance;
  friend struct LaneExtensions;

  // What lives until its call completes.
  struct Question {
    Question() = default;
    ~Question() {
      if (view) view->unpin();
    }
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;

    View* view = nullptr;  // one reference is ours
    Delivery delivery;
    lsmtpd_delivery abi_delivery{};
    std::unique_ptr<const message::Envelope> envelope;
    std::unique_ptr<EnvelopeView> envelope_view;
    lsmtpd_session_event event{};
    std::string copy_id, reason;
  };
  struct Slot {
    uint32_t generation = 1;
    bool open = false;
    bool abandoned = false;
    Done done;
    std::unique_ptr<Question> question;
  };

  template <class Ask>
  std::optional<Completion> ask(std::unique_ptr<Question> question, Done done, lsmtpd_call& call,
                                Ask&& put);
  template <class Function>
  bool guarded(const char* what, Function&& function);
  lsmtpd_call call_id(uint32_t index) const;
  Slot* find(lsmtpd_call call);
  void take(lsmtpd_call call, Completion&& completion);           // [loop] an answer came
  void take_from_any(lsmtpd_call call, Completion&& completion);  // [any]
  void hand_on_ready();
  void lane_closed();
  void fail_open_calls();

  Instance& instance_;
  io::Loop& loop_;
  HostSelf self_;
  lsmtpd_host host_;
  const lsmtpd_lane* lane_ = nullptr;

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  uint32_t stuck_ = 0;
  lsmtpd_call asking_ = 0;  // the call that is being put to the plugin right now
  std::optional<Completion> at_once_;
  struct Ready {
    lsmtpd_call call;
    Done done;
    Completion completion;
  };
  std::vector<Ready> ready_;  // answered, handed on at the end of this turn
  size_t handed_on_ = 0;      // how many of them are done already, while they are handed on

  std::mutex mutex_;
  std::vector<std::pair<lsmtpd_call, Completion>> from_others_;  // guarded by mutex_

  struct Resources;  // watches and timers of lsmtpd.loop/1
  std::unique_ptr<Resources> resources_;
  io::Task closed_;
  bool close_asked_ = false;
  std::atomic<bool> is_closed_{false};
};

}  // namespace lsmtpd::plugin
