// SPDX-License-Identifier: Apache-2.0
// Gives back what a fallback stored to the outputs it was stored for, slower than live mail. One
// for each plugin that is a fallback; it runs on worker 0's loop, where both the storage's and the
// outputs' lanes are.
//
// A pass lists the storage in steps, loads some messages at a time and delivers them: stored ones
// are forgotten, refused ones buried. "Not now" ends the pass; after a pause (backoff) the next one
// begins with one message at a time, and the window doubles as long as all goes well. No order is
// promised.
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
#include "plugin/lane.hpp"

namespace lsmtpd::pipeline {

class Replay {
 public:
  static constexpr uint32_t kListStep = 128;      // copy_ids listed at a time
  static constexpr uint32_t kLargestWindow = 32;  // messages under way at a time
  static constexpr uint64_t kFirstPauseMs = 1000, kLongestPauseMs = 30'000;
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
  // Begins nothing new; `idle` comes once what is under way has settled. After that no lane is
  // called.
  void stop(io::Task idle);

  void wake();  // the storage has something new
  void hold(const std::string& copy_id);
  // What an output noted down on a message that it may still take part of.
  struct Notes {
    message::Message message;
    std::string target;
  };
  // None where the output changed nothing. [any]
  static std::optional<Notes> notes_of(const message::Message& before,
                                       const plugin::Completion& completion,
                                       const std::string& target);
  // The outcome of a held copy: stored forgets it, reject buries it, anything else leaves it to
  // replay, with the notes.
  void settle_held(const std::string& copy_id, plugin::Kind outcome, const std::string& reason,
                   std::optional<Notes> notes = {});

 private:
  struct Item;
  struct Target {
    plugin::Lane* lane = nullptr;
    bool paused = false;  // until the next pass
  };

  // replay.cpp: passes
  void tell_if_idle();
  void begin_pass();
  void end_pass();
  void pump();
  void give_up_pass();
  void list();
  void take_list(plugin::Completion completion);
  Target* target_of(const std::string& name);
  bool all_paused() const;
  bool find_ready();
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
  void tempfailed(const std::shared_ptr<Item>& item, plugin::Completion completion);
  void late(const std::shared_ptr<Item>& item, plugin::Completion completion);
  void keep_notes(const std::shared_ptr<Item>& item, std::optional<Notes> notes, io::Task then);
  void remove(const std::shared_ptr<Item>& item, plugin::Kind outcome, const std::string& reason,
              io::Task then);
  void item_done(const std::shared_ptr<Item>& item);

  io::Loop& loop_;
  plugin::Lane& storage_;
  std::map<std::string, Target> targets_;
  Deadlines::Entry timer_;
  std::atomic<bool> dirty_{true};  // there may be something that no pass has listed
  std::atomic<bool> told_{false};  // a wake-up is on its way to the loop
  bool stopped_ = true;
  io::Task idle_;  // set by stop()
  bool in_pass_ = false;
  bool listed_all_ = false;
  bool restart_ = true;
  bool failed_ = false;  // this pass met a tempfail
  std::deque<std::string> queue_;
  std::set<std::shared_ptr<Item>> under_way_;
  struct Removal {
    plugin::Kind outcome;
    std::string reason;
  };
  std::map<std::string, Removal>
      to_remove_;  // settled, but the storage has not removed them: the next pass begins here
  std::map<std::string, uint32_t> lost_alone_;  // how often, by copy_id; those that were, only
  uint32_t window_ = 1;
  uint64_t pause_ms_ = kFirstPauseMs;

  std::mutex mutex_;
  std::set<std::string> held_;  // guarded by mutex_
};

}  // namespace lsmtpd::pipeline
