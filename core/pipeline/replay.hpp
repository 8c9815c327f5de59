// SPDX-License-Identifier: Apache-2.0
// Gives back what a fallback stored to the outputs it was stored for, slower than live mail. One
// for each plugin that is a fallback; it runs on worker 0's loop, where both the storage's and the
// outputs' lanes are.
//
// A pass lists the storage in steps, loads some messages at a time and delivers them: stored ones
// are forgotten, refused ones become dead letters. After a tempfail it goes on with one message at
// a time, and the window doubles as long as all goes well.
//
// A message that is refused for now by an output that is ready waits on its own (put_off.hpp). An
// output that is not ready, that lost its connection, or that refuses several in a row, pauses;
// the messages of others go on. Copies in doubt go first, as soon as their output is ready, and
// until then live mail for it goes to the fallback (in_doubt.hpp); at the start the oldest copies
// count as in doubt too, since the process before may have been killed while it replayed them.
// Otherwise the oldest go first, as the storage lists them; several are under way at a time.
//
// Copies that an overdue output may still have accepted are held back until their outcome is known:
// hold(), settle_held() and wake() are [any], everything else [loop of worker 0].
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/deadlines.hpp"
#include "io/loop.hpp"
#include "pipeline/in_doubt.hpp"
#include "pipeline/put_off.hpp"
#include "pipeline/recipients.hpp"
#include "plugin/lane.hpp"

namespace lsmtpd::pipeline {

class Replay {
 public:
  static constexpr uint32_t kListStep = 128;      // copy_ids listed at a time
  static constexpr uint32_t kLargestWindow = 32;  // messages under way at a time
  static constexpr uint64_t kFirstPauseMs = 1000, kLongestPauseMs = 30'000;
  static constexpr uint64_t kInDoubtPollMs = 100;  // how often an output is asked if it is ready
  static constexpr uint32_t kMostInARow = 3;       // refusals for now; then the output pauses
  static constexpr uint32_t kOldestInDoubt = 2 * kLargestWindow;  // at the start
  static constexpr uint64_t kStopMs = 2000;  // for outputs to answer once they were told to stop
  static constexpr uint32_t kMostLostAlone = 3;  // then a dead letter
  static constexpr uint64_t kShortestDeadlineMs =
      60'000;  // for an output to settle a replayed message
  static constexpr uint64_t kStorageDeadlineMs = 60'000;  // for the storage to do anything

  Replay(io::Loop& loop, plugin::Lane& storage);
  ~Replay();
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  void add_output(plugin::Lane& output);  // before start()
  void start();
  // Begins nothing new, and tells the outputs that nobody waits any more; `idle` comes once what is
  // under way has settled, or kStopMs later. After that no lane is called.
  void stop(io::Task idle);

  void wake();  // the storage has something new
  // An operator's order: the outputs make no pause, and the next pass begins now.
  void retry_now();
  void hold(const std::string& copy_id);

  // Live mail for `output` must go to the fallback: copies in doubt go before it. [any]
  bool goes_first(const std::string& output) const { return in_doubt_.any_for(output); }
  // `copy_id` was sent to `output`, the outcome is not known, and the fallback is about to store
  // it; and it has not. [any]
  void add_in_doubt(const std::string& copy_id, const std::string& output);
  void not_in_doubt(const std::string& copy_id) { in_doubt_.remove(copy_id); }
  // `output` took a live message. [any]
  void accepted(const std::string& output);

  // What an attempt changed of a copy that stays: its message, and how it is stored.
  struct Notes {
    message::Message message;
    plugin::Delivery stored;
  };
  // None where the attempt changed nothing that must outlive a restart. `before` is how the copy is
  // stored. [any]
  static std::optional<Notes> notes_of(Rest rest, const plugin::Verdict& verdict,
                                       plugin::Delivery before);
  // The outcome of a held copy: stored forgets it, reject makes it a dead letter, anything else
  // leaves it to replay; the notes are stored before.
  void settle_held(const std::string& copy_id, plugin::Kind outcome, const std::string& reason,
                   std::optional<Notes> notes = {});

 private:
  struct Item;
  struct Target {
    Target(Replay& replay, plugin::Lane& l) : lane(&l), pause([&replay] { replay.look(); }) {}

    plugin::Lane* lane;
    bool paused = false;     // sits this pass out
    bool missed = false;     // a message of it was passed over for that
    Deadlines::Entry pause;  // armed: it refused several in a row
    uint64_t pause_ms = kFirstPauseMs;
    uint32_t in_a_row = 0;           // refused for now, one after the other
    std::atomic<uint64_t> taken{0};  // messages, live ones too
  };

  // replay.cpp: passes
  void tell_if_idle();
  void leave_under_way();
  void look();
  void put_off_due();
  bool pass_is_due() const;
  void look_again();
  void begin_pass();
  void end_pass();
  bool may_begin(const std::string& copy_id);
  void pump();
  void give_up_pass();
  void list();
  void take_list(plugin::Completion completion);
  bool is_in_doubt(const plugin::StoredCopy& copy, bool first_list);
  Target* target_of(const std::string& name);
  bool is_ready(const Target& target) const;
  bool find_ready();
  bool all_paused() const;
  void leave_rest();
  bool is_held(const std::string& copy_id);

  // replay_item.cpp: one message
  std::shared_ptr<Item> make_item(const std::string& copy_id);
  template <class Ask>
  void ask(const std::shared_ptr<Item>& item, plugin::Lane& lane, uint64_t deadline_ms, Ask&& put,
           plugin::Done then);
  void answered(const std::shared_ptr<Item>& item, plugin::Completion completion);
  void load(const std::string& copy_id);
  void take_loaded(const std::shared_ptr<Item>& item, plugin::Completion completion);
  void deliver(const std::shared_ptr<Item>& item);
  void take_delivered(const std::shared_ptr<Item>& item, plugin::Completion completion);
  bool kills_connections(const Item& item, const plugin::Verdict& verdict);
  void overdue(const std::shared_ptr<Item>& item);
  void tempfailed(const std::shared_ptr<Item>& item, const plugin::Verdict& verdict,
                  std::optional<Notes> notes);
  void pause(const std::shared_ptr<Item>& item, const plugin::Verdict& verdict);
  void pass_over(const std::shared_ptr<Item>& item);
  void late(const std::shared_ptr<Item>& item, plugin::Completion completion);
  void keep_notes(const std::shared_ptr<Item>& item, std::optional<Notes> notes, io::Task then);
  void settle(const std::shared_ptr<Item>& item, plugin::Kind outcome, const std::string& reason,
              std::optional<Notes> notes, io::Task then);
  void remove(const std::shared_ptr<Item>& item, plugin::Kind outcome, const std::string& reason,
              io::Task then);
  void item_done(const std::shared_ptr<Item>& item);

  io::Loop& loop_;
  plugin::Lane& storage_;
  std::map<std::string, Target> targets_;
  Deadlines::Entry timer_;
  Deadlines::Entry storage_pause_;  // armed: the storage failed
  Deadlines::Entry stop_timer_;
  std::atomic<bool> dirty_{true};  // there may be something that no pass has listed
  std::atomic<bool> told_{false};  // a wake-up is on its way to the loop
  bool stopped_ = true;
  io::Task idle_;  // set by stop()
  bool in_pass_ = false;
  bool listed_all_ = false;
  bool restart_ = true;
  bool failed_ = false;  // the storage did in this pass
  bool put_off_due_ = false;
  uint32_t oldest_left_ = kOldestInDoubt;  // how many copies that are listed count as in doubt
  std::deque<std::string> queue_;
  std::set<std::shared_ptr<Item>> under_way_;
  struct Removal {
    plugin::Kind outcome;
    std::string reason;
  };
  std::map<std::string, Removal>
      to_remove_;  // settled, but the storage has not removed them: the next pass begins here
  std::map<std::string, uint32_t> lost_alone_;  // how often, by copy_id; those that were, only
  std::map<std::string, uint32_t> attempts_;    // since the start, of those that failed
  PutOff put_off_;
  InDoubt in_doubt_;
  std::atomic<bool> restart_list_{false};  // there are new ones in doubt, which go first
  uint32_t window_ = 1;
  uint64_t pause_ms_ = kFirstPauseMs;

  std::mutex mutex_;
  std::set<std::string> held_;  // guarded by mutex_
};

}  // namespace lsmtpd::pipeline
