// SPDX-License-Identifier: Apache-2.0
// The calls that are open on one lane: slots with generations, so that each is answered once, and
// what lives until its answer comes.
//
// A call is put to the plugin, and either answered before put() returns, which returns the
// Completion, or later: then `done` gets it at the end of the turn in which it came, never from
// inside put() nor from inside any other function of the plugin. Everything is [loop] except
// complete_from_any().
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/secret.hpp"
#include "io/loop.hpp"
#include "lsmtpd/auth.h"
#include "lsmtpd/filter.h"
#include "lsmtpd/output.h"
#include "lsmtpd/session.h"
#include "plugin/instance.hpp"
#include "plugin/verdict.hpp"
#include "plugin/view.hpp"

namespace lsmtpd::plugin {

using CallId = lsmtpd_call;  // 0: none

enum class CallKind : uint8_t {
  filter,
  decide,
  deliver,
  list,
  load,
  forget,
  dead_letter,
  count,
  probe,
  verify
};

// How a copy is delivered to an output, and how it was stored.
struct DeliveryFacts {
  std::string copy_id = {};  // empty: the message's own id
  std::string target = {};   // whom a fallback stores it for
  uint64_t deadline_ms = 0;
  bool replay = false;
  std::string reason = {};  // why the last attempt failed
  uint32_t attempts = 0;    // before this one
  bool in_doubt = false;    // one of them was sent, and its outcome is unknown
};

// A stored copy, as a fallback lists it.
struct StoredCopy {
  std::string copy_id;
  int64_t time_ns = 0;  // 0: not known
  uint64_t bytes = 0;   // 0: not known
  bool in_doubt = false;
  bool expired = false;  // it waits for longer than it should
};

// The answer of a fallback to the calls that only it gets.
struct StorageAnswer {
  DeliveryFacts stored = {};            // load(): as it was stored
  std::vector<StoredCopy> copies = {};  // list()
  bool end = false;                     // list(): nothing left
  uint64_t waiting = 0;                 // list(): how many there are; 0: not known
  uint64_t count = 0;                   // count()
};

// The answer to a call, with what came along. Each message's goes through several hands: what few
// answers have is a pointer.
struct Completion {
  Verdict verdict;  // deliver(): the worst of `recipients`, as the client sees it
  // Where it was edited (filter), annotated (output) or loaded (replay).
  std::optional<message::Message> message = {};
  std::vector<Verdict> recipients = {};  // deliver(): each one's own; empty: all have `verdict`
  // decide(): the session's, where they were changed.
  std::shared_ptr<const message::Annotations> annotations = {};
  std::unique_ptr<StorageAnswer> storage_answer = {};

  StorageAnswer& storage() {
    if (!storage_answer) storage_answer = std::make_unique<StorageAnswer>();
    return *storage_answer;
  }
  const StorageAnswer& storage() const {
    static const StorageAnswer kNothing;
    return storage_answer ? *storage_answer : kNothing;
  }
  static Completion make(Kind kind, std::string detail) {
    return {Verdict::make(kind, std::move(detail))};
  }
};
using Done = std::function<void(Completion)>;

// The arguments of a call to a plugin. Lives until the call is complete and the plugin's function
// that got it has returned.
struct Question {
  explicit Question(CallKind k) : kind(k) {}
  ~Question() {
    if (view) view->release();
  }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  // Ends what the plugin may do with it, and adds to the answer what it did. [loop]
  void close(Completion& completion);

  const CallKind kind;
  View* view = nullptr;  // one reference is ours
  lsmtpd_filter_event filter{};
  DeliveryFacts delivery;
  lsmtpd_delivery abi_delivery{};
  std::shared_ptr<const message::Envelope> envelope;
  std::unique_ptr<EnvelopeView> envelope_view;
  std::unique_ptr<AnnotationEdits> annotation_edits;  // of the session
  lsmtpd_session_event event{};
  std::string copy_id, reason;
  std::string authorization, user;
  Secret password;
  lsmtpd_credentials credentials{};
  Reservation memory;  // of the envelope, once its session no longer counts it
};

class Calls {
 public:
  // Calls that were abandoned and never completed; with more of them the lane counts as failed.
  static constexpr uint32_t kMostStuck = 1000;
  // A call's id is its slot's generation, the worker, and the slot.
  static constexpr uint32_t kSlots = 1u << 22;
  static constexpr uint32_t kWorkers = 1u << 10;

  Calls(io::Loop& loop, Instance& instance, uint32_t worker);
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  // From now on the time until each answer to a filter, session filter or output is counted.
  void measure(metrics::Histogram duration) { duration_ = duration; }

  // Opens a call and puts it: `give(call, question)` hands it to the plugin and returns false where
  // the plugin threw. Returns the completion, or nothing and `call` is open.
  template <class Give>
  std::optional<Completion> put(std::unique_ptr<Question> question, Done done, CallId& call,
                                Give&& give);

  // The plugin's answer. Logged where the call is not open.
  void complete(CallId call, Completion&& completion);
  void complete_from_any(CallId call, Completion&& completion);  // [any]

  // Nobody waits for the call any more; `late` gets its answer (may be empty). The kind of call
  // that the plugin must be told of, or nothing where it has answered or was told before.
  std::optional<CallKind> abandon(CallId call, Done late);

  bool too_many_stuck() const { return stuck_ > kMostStuck; }
  // Answers all that are open with TEMPFAIL: the plugin is gone. Returns how many there were.
  size_t fail_open();

 private:
  struct Slot {
    uint32_t generation = 1;
    bool open = false;
    bool abandoned = false;
    uint64_t asked_ms = 0;
    Done done;
    std::unique_ptr<Question> question;
  };
  // A call that is being put right now.
  struct Putting {
    CallId call;
    std::optional<Completion> answer = {};
    std::unique_ptr<Question> question = {};  // kept for the plugin's function, which still runs
  };
  struct Ready {
    CallId call;
    Done done;
    Completion completion;
  };

  std::optional<uint32_t> free_slot();
  CallId id_of(uint32_t index) const;
  Slot* find(CallId call);
  void hand_on_ready();
  void observe(const Slot& slot, CallKind kind) const;

  io::Loop& loop_;
  Instance& instance_;
  const uint32_t worker_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  metrics::Histogram duration_;
  uint32_t stuck_ = 0;
  Putting* putting_ = nullptr;
  std::vector<Ready> ready_;  // answered, handed on at the end of this turn
  size_t handed_on_ = 0;      // how many of them are done already, while they are handed on

  std::mutex mutex_;
  std::vector<std::pair<CallId, Completion>> from_others_;  // guarded by mutex_
  const std::shared_ptr<const bool> here_ = std::make_shared<const bool>(true);  // for posted tasks
};

template <class Give>
std::optional<Completion> Calls::put(std::unique_ptr<Question> question, Done done, CallId& call,
                                     Give&& give) {
  call = 0;
  if (too_many_stuck()) return Completion::make(Kind::failed, "too many calls are stuck");
  const auto index = free_slot();
  if (!index) return Completion::make(Kind::failed, "too many calls are open");
  Slot& slot = slots_[*index];
  slot.open = true;
  slot.abandoned = false;
  slot.asked_ms = loop_.now_ms();
  ++instance_.open_calls();
  slot.done = std::move(done);
  slot.question = std::move(question);
  call = id_of(*index);

  Putting putting{call};
  Putting* const outer = std::exchange(putting_, &putting);
  const Question& given = *slot.question;
  if (!give(call, given) && find(call))
    complete(call, Completion::make(Kind::failed, "the plugin threw an exception"));
  putting_ = outer;
  if (putting.answer) call = 0;
  return std::move(putting.answer);
}

}  // namespace lsmtpd::plugin
