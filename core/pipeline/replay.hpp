// SPDX-License-Identifier: Apache-2.0
// Gives back what a fallback stored to the outputs it was stored for, slower than live mail. One
// for each plugin that is a fallback; it runs on worker 0's loop, where both the storage's and the
// outputs' lanes are.
//
// A pass lists the storage in steps, loads some messages at a time and delivers them: stored ones
// are forgotten, refused ones become dead letters. The next step is listed while messages of the
// last one are under way, so that the output always has some. After a tempfail it goes on with one
// message at a time, and the window doubles as long as all goes well.
//
// A message that is refused for now by an output that is ready waits on its own
// (tempfailed_copies.hpp). An output that is not ready, that lost its connection, or that refuses
// several in a row, pauses; the messages of others go on. Copies in doubt go first, as soon as
// their output is ready, and until then live mail for it goes to the fallback (in_doubt.hpp); at
// the start the oldest copies count as in doubt too, since the process before may have been killed
// while it replayed them. Otherwise the oldest go first, as the storage lists them; several are
// under way at a time.
//
// Copies that an overdue output may still have accepted are held back until their outcome is known:
// hold(), settle_held() and wake() are [any], everything else [loop of worker 0].
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "base/deadlines.hpp"
#include "io/loop.hpp"
#include "pipeline/backlog.hpp"
#include "pipeline/expired.hpp"
#include "pipeline/in_doubt.hpp"
#include "pipeline/recipients.hpp"
#include "pipeline/tempfailed_copies.hpp"
#include "plugin/lane.hpp"

namespace lsmtpd::pipeline {

class Replay : public std::enable_shared_from_this<Replay> {
 public:
  static constexpr uint32_t kListStep = 256;             // copy_ids listed at a time
  static constexpr uint32_t kLargestWindow = 128;        // messages under way at a time
  static constexpr uint64_t kLargestBytes = 16u << 20;   // of those; one may have more
  static constexpr uint64_t kUnknownBytes = 512u << 10;  // of a copy whose size is not known
  static constexpr uint64_t kFirstPauseMs = 1000, kLongestPauseMs = 30'000;
  static constexpr uint64_t kInDoubtPollMs = 100;  // how often an output is asked if it is ready
  static constexpr uint32_t kMostInARow = 3;       // refusals for now; then the output pauses
  static constexpr uint32_t kOldestInDoubt = 2 * kLargestWindow;  // at the start
  static constexpr uint32_t kMostRefusals =
      3;  // of one that has waited too long; a dead letter then
  // How often the storage is asked how much waits; the shorter one where it may be empty again.
  static constexpr uint64_t kSurveyMs = 10'000, kSurveySoonMs = 2'000;
  static constexpr uint64_t kStopMs = 2000;  // for outputs to answer once they were told to stop
  // Then a dead letter, or where the cause is said to pass the message waits on its own.
  static constexpr uint32_t kMostLostAlone = 3;
  static constexpr uint64_t kShortestDeadlineMs =
      60'000;  // for an output to settle a replayed message
  static constexpr uint64_t kStorageDeadlineMs = 60'000;  // for the storage to do anything

  // A shared_ptr keeps its lane open. Where Replay itself is held by one, calls that are open keep
  // it too.
  Replay(io::Loop& loop, std::shared_ptr<plugin::Lane> storage);
  ~Replay();
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  // An output that this storage is the fallback of. A second one of the name takes the place of the
  // first; what is under way with that one comes to its end there.
  void set_output(std::shared_ptr<plugin::Lane> output);
  // No output of the configuration has this fallback any more. Only if `output` is the last one of
  // its name.
  void remove_output(const plugin::Lane& output);
  void start();
  // Begins nothing new, and tells the outputs that nobody waits any more; `idle` comes once what is
  // under way has settled, or kStopMs later. After that no lane is called.
  void stop(io::Task idle);

  // How many stored copies wait for `output`, up to `most`; nothing where that cannot be found out.
  using Counted = std::function<void(std::optional<uint64_t>)>;
  void count(const std::string& output, uint64_t most, Counted counted);

  void wake();  // the storage has something new
  // The storage took a message for `output`, which did not, for that reason. [any]
  void kept(const std::string& output, const std::string& reason);
  // An operator's order: the output of that name, or each where it is empty, makes no pause, and
  // the next pass begins now.
  void retry_now(const std::string& output = {});
  // The same for one copy that waits for its own next try. False: it does not.
  bool retry_copy(const std::string& copy_id);
  void hold(const std::string& copy_id);

  // Live mail for `output` must go to the fallback: copies in doubt go before it. [any]
  bool goes_first(const std::string& output) const { return in_doubt_.any_for(output); }
  // `copy_id` was sent to `output`, the outcome is not known, and the fallback is about to store
  // it; and it has not. [any]
  void add_in_doubt(const std::string& copy_id, const std::string& output);
  void not_in_doubt(const std::string& copy_id) { in_doubt_.remove(copy_id); }
  // `output` took a live message. [any]
  void accepted(const std::string& output);
  // Why the storage must not take mail for `output`; nothing: it may. [any]
  std::optional<std::string> stopped_for(const std::string& output);

  // The changes that an attempt made to a copy that stays: its message, and how it is stored.
  struct StoredChange {
    message::Message message;
    plugin::DeliveryFacts stored;
  };
  // None where the attempt changed nothing that must outlive a restart. `before` is how the copy is
  // stored. [any]
  static std::optional<StoredChange> change_of(Rest rest, const plugin::Verdict& verdict,
                                               plugin::DeliveryFacts before);
  // The outcome of a held copy: stored forgets it, reject makes it a dead letter, anything else
  // leaves it to replay; the change is stored before.
  void settle_held(const std::string& copy_id, plugin::Kind outcome, const std::string& reason,
                   std::optional<StoredChange> change = {});

 private:
  struct Item;
  struct Queued {
    std::string copy_id;
    uint64_t bytes;
  };
  struct Target {
    Target(Replay& replay, std::string n)
        : name(std::move(n)), pause([&replay] { replay.look(); }) {}

    const std::string name;
    std::shared_ptr<plugin::Lane> lane;  // null: it is not in the configuration any more
    bool paused = false;                 // is skipped in this pass
    bool missed = false;                 // a message of it was passed over for that
    Deadlines::Entry pause;              // armed: it refused several in a row
    uint64_t pause_ms = kFirstPauseMs;
    uint32_t in_a_row = 0;             // refused for now, one after the other
    std::atomic<uint64_t> taken{0};    // messages, live ones too
    std::atomic<int64_t> taken_ns{0};  // the last of them, since the epoch; 0: none since the start
    std::atomic<bool> stopped{false};  // for what waits for it is too old, and it took none since
    bool said_stopped = false;
    std::string refusal;                // the last one, of a message that was replayed
    std::atomic<uint32_t> refusals{0};  // since it took one
    uint64_t taken_at_refusal = 0;      // how many it had taken then
  };

  // replay.cpp: what others ask for
  void tell_if_idle();
  void leave_under_way();
  bool is_held(const std::string& copy_id);

  // replay_pass.cpp: passes
  void look();
  void tempfailed_due();
  bool pass_is_due() const;
  void look_again();
  void begin_pass();
  void end_pass();
  bool may_begin(const std::string& copy_id);
  std::size_t messages_under_way() const { return under_way_.size() - (listing_ ? 1 : 0); }
  bool has_room_for(const Queued& next) const;
  void pump();
  void give_up_pass();
  void list();
  void take_list(plugin::Completion completion, bool from_start);
  bool is_in_doubt(const plugin::StoredCopy& copy, bool first_list);
  Target* target_of(const std::string& name);
  bool is_ready(const Target& target) const;
  bool find_ready();
  bool all_paused() const;
  void leave_rest();

  // replay_watch.cpp: how much waits, and for how long
  static void took(Target& target);
  void survey();
  void take_note(const plugin::StorageAnswer& list, bool from_start);
  void look_at_expired();
  bool is_too_old(const Item& item, const plugin::Verdict& verdict) const;

  // replay_item.cpp: one message
  std::shared_ptr<Item> make_item(const std::string& copy_id);
  template <class Ask>
  void ask(const std::shared_ptr<Item>& item, plugin::Lane& lane, uint64_t deadline_ms, Ask&& put,
           plugin::Done then);
  void answered(const std::shared_ptr<Item>& item, plugin::Completion completion);
  void load(const Queued& copy);
  void take_loaded(const std::shared_ptr<Item>& item, plugin::Completion completion);
  void deliver(const std::shared_ptr<Item>& item);
  void take_delivered(const std::shared_ptr<Item>& item, plugin::Completion completion);
  bool kills_connections(const Item& item, const plugin::Verdict& verdict);
  void overdue(const std::shared_ptr<Item>& item);
  plugin::DeliveryFacts stored_with_attempts(const Item& item) const;
  std::optional<StoredChange> change_of_attempts(const Item& item,
                                                 const plugin::Verdict& verdict) const;
  void tempfailed(const std::shared_ptr<Item>& item, const plugin::Verdict& verdict,
                  std::optional<StoredChange> change, bool kills);
  void pause(const std::shared_ptr<Item>& item, const plugin::Verdict& verdict, bool kills);
  void pass_over(const std::shared_ptr<Item>& item);
  void skip(const std::string& copy_id, const std::string& target);
  void late(const std::shared_ptr<Item>& item, plugin::Completion completion);
  void keep_change(const std::shared_ptr<Item>& item, std::optional<StoredChange> change,
                   io::Task then);
  void settle(const std::shared_ptr<Item>& item, plugin::Kind outcome, const std::string& reason,
              std::optional<StoredChange> change, io::Task then);
  void remove(const std::shared_ptr<Item>& item, plugin::Kind outcome, const std::string& reason,
              io::Task then);
  void leave(const std::shared_ptr<Item>& item);
  void item_done(const std::shared_ptr<Item>& item);

  io::Loop& loop_;
  const std::shared_ptr<plugin::Lane> storage_;
  std::map<std::string, Target> targets_;  // none is erased; inserted under mutex_
  Deadlines::Entry timer_;
  Deadlines::Entry storage_pause_;  // armed: the storage failed
  Deadlines::Entry stop_timer_;
  Deadlines::Entry survey_;
  bool surveying_ = false;
  uint64_t waiting_before_ = 0;    // at the last list from the start
  std::atomic<bool> dirty_{true};  // there may be something that no pass has listed
  std::atomic<bool> told_{false};  // a wake-up is on its way to the loop
  bool stopped_ = true;
  io::Task idle_;  // set by stop()
  bool in_pass_ = false;
  bool listed_all_ = false;
  bool restart_ = true;
  bool failed_ = false;  // the storage did in this pass
  bool tempfailed_due_ = false;
  uint32_t oldest_left_ = kOldestInDoubt;  // how many copies that are listed count as in doubt
  std::deque<Queued> queue_;
  bool listing_ = false;  // the list is one of those under way
  std::set<std::shared_ptr<Item>> under_way_;
  uint64_t bytes_under_way_ = 0;
  struct Removal {
    plugin::Kind outcome;
    std::string reason;
  };
  std::map<std::string, Removal>
      to_remove_;  // settled, but the storage has not removed them: the next pass begins here
  std::set<std::string> skipped_;          // copies of outputs that are missing
  std::set<std::string> missing_targets_;  // their names
  struct LostAlone {
    uint32_t passing = 0;  // the cause was said to pass
    uint32_t other = 0;
  };
  std::map<std::string, LostAlone> lost_alone_;  // how often, by copy_id; those that were, only
  std::map<std::string, uint32_t> attempts_;     // since the start, of those that failed
  TempfailedCopies tempfailed_;
  InDoubt in_doubt_;
  Backlog backlog_;
  Expired expired_;
  std::atomic<bool> restart_list_{false};  // there are new ones in doubt, which go first
  uint32_t window_ = 1;
  uint64_t pause_ms_ = kFirstPauseMs;

  std::mutex mutex_;
  std::set<std::string> held_;  // guarded by mutex_
};

}  // namespace lsmtpd::pipeline
