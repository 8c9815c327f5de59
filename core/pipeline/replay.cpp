#include "pipeline/replay.hpp"

#include <algorithm>

#include "log/log.hpp"

namespace lsmtpd::pipeline {

using plugin::Completion;
using plugin::Kind;

namespace {

// RFC 3463: bad connection. What an output says of a message that was under way when its connection was lost.
constexpr std::string_view kConnectionLost = "4.4.2";

}  // namespace

// One message that is being replayed.
struct Replay::Item {
  Item(Replay& r, std::string id) : replay(r), copy_id(std::move(id)), deadline([this] {
    replay.overdue(self.lock());
  }) {}

  Replay& replay;
  const std::string copy_id;
  std::weak_ptr<Item> self;
  message::Message message;
  std::string target_name;
  Target* target = nullptr;
  lsmtpd_call call = 0;
  Deadlines::Entry deadline;
};

Replay::Replay(io::Loop& loop, plugin::Lane& storage)
    : loop_(loop), storage_(storage), timer_([this] { begin_pass(); }) {}

Replay::~Replay() = default;

void Replay::add_output(plugin::Lane& output) { targets_[output.name()] = {&output, false}; }

void Replay::start() {
  stopped_ = false;
  loop_.deadlines().arm(timer_, kFirstPauseMs);
}

void Replay::stop(io::Task idle) {
  stopped_ = true;
  idle_ = std::move(idle);
  timer_.disarm();
  queue_.clear();
  tell_if_idle();
}

void Replay::tell_if_idle() {
  if (idle_ && under_way_.empty() && !listing_) std::exchange(idle_, nullptr)();
}

void Replay::wake() {
  dirty_ = true;
  if (told_.exchange(true)) return;
  loop_.post([this] {
    told_ = false;
    if (!stopped_ && !in_pass_ && !timer_.armed()) loop_.deadlines().arm(timer_, kFirstPauseMs);
  });
}

void Replay::hold(const std::string& copy_id) {
  std::lock_guard lock(mutex_);
  held_.insert(copy_id);
}

bool Replay::is_held(const std::string& copy_id) {
  std::lock_guard lock(mutex_);
  return held_.contains(copy_id);
}

void Replay::settle_held(const std::string& copy_id, Kind outcome, const std::string& reason) {
  loop_.post([this, copy_id, outcome, reason] {
    if (stopped_) return;  // the copy stays, and is replayed after the next start
    remove(copy_id, outcome, reason, [this, copy_id] {
      {
        std::lock_guard lock(mutex_);
        held_.erase(copy_id);
      }
      wake();
    });
  });
}

bool Replay::someone_is_ready() {
  return std::any_of(targets_.begin(), targets_.end(), [](const auto& t) {
    return !t.second.lane->failed() && t.second.lane->admission().ready;
  });
}

void Replay::begin_pass() {
  if (stopped_ || in_pass_) return;
  if (!someone_is_ready()) {
    loop_.deadlines().arm(timer_, kFirstPauseMs);
    return;
  }
  if (!dirty_.exchange(false)) return;  // wake() comes when there is something
  in_pass_ = true;
  restart_ = true;
  listed_all_ = false;
  failed_ = false;
  for (auto& [name, target] : targets_) target.paused = false;
  pump();
}

void Replay::end_pass() {
  in_pass_ = false;
  if (failed_) {
    dirty_ = true;
    pause_ms_ = std::min(pause_ms_ * 2, kLongestPauseMs);
    loop_.deadlines().arm(timer_, pause_ms_);
  } else {
    pause_ms_ = kFirstPauseMs;
    if (dirty_) loop_.deadlines().arm(timer_, kFirstPauseMs);
  }
}

void Replay::pump() {
  while (!stopped_ && !queue_.empty() && under_way_.size() < window_) {
    const std::string copy_id = std::move(queue_.front());
    queue_.pop_front();
    if (is_held(copy_id)) continue;  // settle_held() wakes us
    load(copy_id);
  }
  if (!queue_.empty() || listing_ || !under_way_.empty()) return;
  const bool all_paused =
      std::all_of(targets_.begin(), targets_.end(), [](const auto& t) { return t.second.paused; });
  if (stopped_ || listed_all_ || all_paused) {
    end_pass();
  } else {
    list();
  }
}

void Replay::list() {
  listing_ = true;
  lsmtpd_call call = 0;
  auto answer = storage_.list(std::exchange(restart_, false), kListStep,
                              [this](Completion completion) { take_list(std::move(completion)); }, call);
  if (answer) loop_.defer([this, a = std::move(*answer)] { take_list(a); });
}

void Replay::take_list(Completion completion) {
  listing_ = false;
  tell_if_idle();
  if (completion.verdict.kind != Kind::proceed) {
    failed_ = listed_all_ = true;
  } else {
    listed_all_ = completion.end;
    queue_.insert(queue_.end(), completion.copy_ids.begin(), completion.copy_ids.end());
  }
  pump();
}

Replay::Target* Replay::target_of(const std::string& name) {
  if (name.empty() && targets_.size() == 1) return &targets_.begin()->second;
  const auto found = targets_.find(name);
  return found == targets_.end() ? nullptr : &found->second;
}

void Replay::load(const std::string& copy_id) {
  auto item = std::make_shared<Item>(*this, copy_id);
  item->self = item;
  under_way_.insert(item);
  auto answer = storage_.load(copy_id, [this, item](Completion c) { take_loaded(item, std::move(c)); }, item->call);
  if (answer) loop_.defer([this, item, a = std::move(*answer)] { take_loaded(item, a); });
}

void Replay::take_loaded(const std::shared_ptr<Item>& item, Completion completion) {
  if (completion.verdict.kind != Kind::proceed || !completion.message) {
    if (completion.verdict.kind != Kind::reject) failed_ = true;  // gone or in quarantine is not a failure
    item_done(item);
    return;
  }
  item->message = std::move(*completion.message);
  item->target_name = completion.target;
  item->target = target_of(completion.target);
  if (!item->target) {
    log::warn("replay_skipped", {{"copy", item->copy_id},
                                 {"plugin", storage_.name()},
                                 {"target", completion.target},
                                 {"hint", "no output of that name has this fallback: name it again, or remove the file"}});
    item_done(item);
  } else if (stopped_ || item->target->paused) {
    failed_ = true;
    item_done(item);
  } else {
    deliver(item);
  }
}

void Replay::deliver(const std::shared_ptr<Item>& item) {
  plugin::Lane& lane = *item->target->lane;
  const uint64_t deadline_ms = std::max(lane.stage().entry().deadline, kShortestDeadlineMs);
  auto answer = lane.deliver(item->message, {item->copy_id, {}, deadline_ms, true},
                             [this, item](Completion c) { take_delivered(item, std::move(c)); }, item->call);
  if (answer) {
    loop_.defer([this, item, a = std::move(*answer)] { take_delivered(item, a); });
  } else {
    loop_.deadlines().arm(item->deadline, deadline_ms);
  }
}

// A message that makes the broker drop the connection must not do so for ever: true when this one, alone each time, was
// lost with its connection once too often.
bool Replay::kills_connections(const Item& item, const plugin::Verdict& verdict) {
  if (verdict.enhanced != kConnectionLost || under_way_.size() > 1) return false;
  return ++lost_alone_[item.copy_id] >= kMostLostAlone;
}

void Replay::take_delivered(const std::shared_ptr<Item>& item, Completion completion) {
  item->deadline.disarm();
  auto& verdict = completion.verdict;
  if (verdict.kind == Kind::try_later && kills_connections(*item, verdict)) {
    verdict.kind = Kind::reject;
    verdict.detail = fmt::format("lost alone with its connection {} times: {}", kMostLostAlone, verdict.detail);
  }
  if (verdict.kind != Kind::stored && verdict.kind != Kind::reject) {
    not_now(item, std::move(completion));
    return;
  }
  window_ = std::min(window_ * 2, kLargestWindow);
  lost_alone_.erase(item->copy_id);
  const bool refused = verdict.kind == Kind::reject;
  log::write(refused ? log::Level::error : log::Level::info, "replayed",
             std::vector<log::Field>{{"id", item->message.envelope->id},
                                     {"copy", item->copy_id},
                                     {"plugin", item->target->lane->name()},
                                     {"outcome", refused ? "dead_letter" : "stored"},
                                     {"detail", verdict.detail}});
  remove(item->copy_id, verdict.kind, verdict.detail, [this, item] { item_done(item); });
}

void Replay::not_now(const std::shared_ptr<Item>& item, Completion completion) {
  window_ = 1;
  failed_ = true;
  item->target->paused = true;
  queue_.clear();
  const auto old_notes = item->message.annotations;
  if (!completion.message || completion.message->annotations == old_notes) {
    item_done(item);
    return;
  }
  // Part of it is safe by now: what the output noted down must be there for the next try (promise P3).
  auto answer = storage_.deliver(*completion.message, {item->copy_id, item->target_name, 0, false},
                                 [this, item](Completion) { item_done(item); }, item->call);
  if (answer) loop_.defer([this, item] { item_done(item); });
}

void Replay::overdue(const std::shared_ptr<Item>& item) {
  hold(item->copy_id);
  item->target->lane->abandon(std::exchange(item->call, 0), [this, item](Completion late) {
    settle_held(item->copy_id, late.verdict.kind, late.verdict.detail);
  });
  not_now(item, {});
}

void Replay::remove(const std::string& copy_id, Kind outcome, const std::string& reason, io::Task then) {
  lsmtpd_call call = 0;
  std::optional<Completion> answer;
  const auto done = [then](const Completion&) { then(); };
  if (outcome == Kind::stored) {
    answer = storage_.forget(copy_id, done, call);
  } else if (outcome == Kind::reject) {
    answer = storage_.bury(copy_id, reason, done, call);
  } else {
    loop_.defer(then);
    return;
  }
  if (answer) loop_.defer(then);
}

void Replay::item_done(const std::shared_ptr<Item>& item) {
  under_way_.erase(item);
  if (in_pass_) pump();
  tell_if_idle();
}

}  // namespace lsmtpd::pipeline
