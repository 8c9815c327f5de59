// SPDX-License-Identifier: Apache-2.0
#include "plugin/lane.hpp"

#include <algorithm>

#include "log/log.hpp"
#include "plugin/lane_extensions.hpp"
#include "plugin/thrown.hpp"

namespace lsmtpd::plugin {

Lane::Lane(Instance& instance, io::Loop& loop, uint32_t worker)
    : instance_(instance),
      loop_(loop),
      self_{&instance.process_, this, &instance.reserved_},
      resources_(std::make_unique<Resources>()) {
  host_ = instance.host_;
  host_.self = &self_;
  host_.worker = worker;
  host_.get_extension = LaneExtensions::get;
  host_.complete = LaneExtensions::complete;
  host_.lane_closed = LaneExtensions::lane_closed;
}

Lane::~Lane() = default;

Result<std::unique_ptr<Lane>> Instance::open_lane(io::Loop& loop, uint32_t worker) {
  auto lane = std::make_unique<Lane>(*this, loop, worker);
  try {
    lane->lane_ = instance_->open_lane(instance_, &lane->host_);
  } catch (...) {
    return fail("plugin.{}: could not open a lane: {}", name(), thrown());
  }
  if (!lane->lane_) return fail("plugin.{}: could not open a lane", name());
  if (!lane->lane_->close) return fail("plugin.{}: its lane.close is NULL", name());
  return lane;
}

template <class Ask>
std::optional<Completion> Lane::ask(std::unique_ptr<Question> question, Done done,
                                    lsmtpd_call& call, Ask&& put) {
  call = 0;
  if (is_closed_)
    return Completion{Verdict::make(Kind::tempfail, "the lane is closed"), {}, {}, {}, false};
  if (failed())
    return Completion{Verdict::make(Kind::failed, "too many calls are stuck"), {}, {}, {}, false};
  uint32_t index;
  if (free_.empty() && slots_.size() == kSlots)
    return Completion{Verdict::make(Kind::failed, "too many calls are open"), {}, {}, {}, false};
  if (free_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  Slot& slot = slots_[index];
  slot.open = true;
  slot.abandoned = false;
  slot.done = std::move(done);
  slot.question = std::move(question);
  call = call_id(index);

  const lsmtpd_call outer = std::exchange(asking_, call);
  const Question& asked = *slot.question;
  if (!guarded("a call", [&] { put(call, asked); }) && find(call)) {
    take(call, {Verdict::make(Kind::failed, "the plugin threw an exception"), {}, {}, {}, false});
  }
  asking_ = outer;
  if (at_once_) call = 0;
  return std::exchange(at_once_, std::nullopt);
}

std::optional<Completion> Lane::filter(const message::Message& message, Done done,
                                       lsmtpd_call& call) {
  auto question = std::make_unique<Question>();
  question->view = View::make(message, View::Rights::edit, loop_, instance_.process_.resources);
  return ask(std::move(question), std::move(done), call, [this](lsmtpd_call c, const Question& q) {
    instance_.filter_->message(lane_, c, q.view->abi());
  });
}

std::optional<Completion> Lane::decide(uint32_t phase, uint64_t session, uint64_t declared_size,
                                       const message::Envelope& envelope, Done done,
                                       lsmtpd_call& call) {
  auto question = std::make_unique<Question>();
  // A copy: the session may be gone before the plugin answers.
  question->envelope = std::make_unique<const message::Envelope>(envelope);
  question->envelope_view = std::make_unique<EnvelopeView>(*question->envelope);
  question->event = {.size = sizeof(lsmtpd_session_event),
                     .phase = phase,
                     .session = session,
                     .declared_size = declared_size,
                     .envelope = question->envelope_view->get()};
  return ask(std::move(question), std::move(done), call, [this](lsmtpd_call c, const Question& q) {
    instance_.session_->decide(lane_, c, &q.event);
  });
}

std::optional<Completion> Lane::deliver(const message::Message& message, Delivery delivery,
                                        Done done, lsmtpd_call& call) {
  auto question = std::make_unique<Question>();
  question->view = View::make(message, View::Rights::annotate, loop_, instance_.process_.resources);
  question->delivery = std::move(delivery);
  question->abi_delivery = {.size = sizeof(lsmtpd_delivery),
                            .flags = question->delivery.replay ? LSMTPD_DELIVERY_REPLAY : 0,
                            .copy_id = str(question->delivery.copy_id),
                            .target = str(question->delivery.target),
                            .deadline_ms = question->delivery.deadline_ms};
  return ask(std::move(question), std::move(done), call, [this](lsmtpd_call c, const Question& q) {
    instance_.output_->deliver(lane_, c, q.view->abi(), &q.abi_delivery);
  });
}

std::optional<Completion> Lane::list(bool restart, uint32_t most, Done done, lsmtpd_call& call) {
  return ask(
      std::make_unique<Question>(), std::move(done), call,
      [&](lsmtpd_call c, const Question&) { instance_.replay_->list(lane_, c, restart, most); });
}

std::optional<Completion> Lane::load(const std::string& copy_id, Done done, lsmtpd_call& call) {
  auto question = std::make_unique<Question>();
  question->copy_id = copy_id;
  return ask(std::move(question), std::move(done), call, [this](lsmtpd_call c, const Question& q) {
    instance_.replay_->load(lane_, c, str(q.copy_id));
  });
}

std::optional<Completion> Lane::forget(const std::string& copy_id, Done done, lsmtpd_call& call) {
  auto question = std::make_unique<Question>();
  question->copy_id = copy_id;
  return ask(std::move(question), std::move(done), call, [this](lsmtpd_call c, const Question& q) {
    instance_.replay_->forget(lane_, c, str(q.copy_id));
  });
}

std::optional<Completion> Lane::dead_letter(const std::string& copy_id, const std::string& reason,
                                            Done done, lsmtpd_call& call) {
  auto question = std::make_unique<Question>();
  question->copy_id = copy_id;
  question->reason = reason;
  return ask(std::move(question), std::move(done), call, [this](lsmtpd_call c, const Question& q) {
    instance_.replay_->dead_letter(lane_, c, str(q.copy_id), str(q.reason));
  });
}

std::optional<Completion> Lane::probe(const lsmtpd_probe_report* report, Done done,
                                      lsmtpd_call& call) {
  return ask(std::make_unique<Question>(), std::move(done), call,
             [&](lsmtpd_call c, const Question&) { instance_.probe_->probe(lane_, c, report); });
}

// With the worker in it: a plugin that takes one lane's host for another's answers no other call.
lsmtpd_call Lane::call_id(uint32_t index) const {
  return (static_cast<uint64_t>(slots_[index].generation) << 32) |
         (host_.worker % kWorkers * kSlots) | index;
}

Lane::Slot* Lane::find(lsmtpd_call call) {
  const uint32_t index = static_cast<uint32_t>(call) % kSlots;
  if (index >= slots_.size()) return nullptr;
  return slots_[index].open && call_id(index) == call ? &slots_[index] : nullptr;
}

void Lane::take(lsmtpd_call call, Completion&& completion) {
  Slot* slot = find(call);
  if (!slot) {
    log::error("call_not_open",
               {{"plugin", name()},
                {"call", call},
                {"hint", "the plugin completed a call twice, or one it never got"}});
    return;
  }
  auto question = std::move(slot->question);
  if (question->view) {
    const bool from_output = question->abi_delivery.size != 0;
    completion.message = question->view->close(completion.verdict.kind ==
                                               (from_output ? Kind::tempfail : Kind::proceed));
  }
  Done done = std::move(slot->done);
  if (slot->abandoned) --stuck_;
  slot->open = false;
  if (++slot->generation == 0) slot->generation = 1;
  free_.push_back(static_cast<uint32_t>(call) % kSlots);

  if (call == asking_ && !at_once_) {
    at_once_ = std::move(completion);
  } else if (done) {
    if (ready_.empty()) loop_.defer([this] { hand_on_ready(); });
    ready_.push_back({call, std::move(done), std::move(completion)});
  }
}

// Those that are handed on may abandon others of this very batch, and ask for more: ready_ grows
// meanwhile.
void Lane::hand_on_ready() {
  for (handed_on_ = 0; handed_on_ < ready_.size();) {
    Ready answer = std::move(ready_[handed_on_++]);
    if (answer.done) answer.done(std::move(answer.completion));
  }
  ready_.clear();
  handed_on_ = 0;
}

void Lane::take_from_any(lsmtpd_call call, Completion&& completion) {
  if (loop_.on_thread()) {
    take(call, std::move(completion));
    return;
  }
  std::lock_guard lock(mutex_);
  from_others_.emplace_back(call, std::move(completion));
  if (from_others_.size() > 1) return;  // the loop was told with the first one
  loop_.post([this] {
    std::vector<std::pair<lsmtpd_call, Completion>> answers;
    {
      std::lock_guard guard(mutex_);
      answers.swap(from_others_);
    }
    for (auto& [c, answer] : answers) take(c, std::move(answer));
  });
}

void Lane::abandon(lsmtpd_call call, Done late) {
  Slot* slot = find(call);
  if (!slot) {
    // It was answered in this very turn, and the answer is about to be handed on: to `late`, then.
    const auto answered =
        std::find_if(ready_.begin() + static_cast<std::ptrdiff_t>(handed_on_), ready_.end(),
                     [&](const auto& ready) { return ready.call == call; });
    if (answered != ready_.end()) answered->done = std::move(late);
    return;
  }
  slot->done = std::move(late);
  if (slot->abandoned) return;
  slot->abandoned = true;
  ++stuck_;
  if (stuck_ == kMostStuck + 1) {
    log::error("plugin_stuck",
               {{"plugin", name()},
                {"calls", stuck_},
                {"hint", "the plugin does not complete its calls and counts as failed"}});
  }
  const auto cancel = instance_.output_ && slot->question->abi_delivery.size
                          ? instance_.output_->cancel
                      : slot->question->event.size ? instance_.session_->cancel
                      : slot->question->view       ? instance_.filter_->cancel
                                                   : nullptr;
  if (cancel) guarded("cancel", [&] { cancel(lane_, call); });
}

Admission Lane::admission() {
  if (is_closed_) return {false, 0, "the lane is closed"};
  if (!instance_.admission_) return {};
  lsmtpd_admission out{
      .size = sizeof(lsmtpd_admission), .ready = 1, .max_message_size = 0, .reason = {nullptr, 0}};
  if (!guarded("admission", [&] { instance_.admission_->get(lane_, &out); })) return {};
  return {out.ready != 0, out.max_message_size, std::string(view(out.reason))};
}

void Lane::session_closed(uint64_t session) {
  if (instance_.session_ && instance_.session_->closed && !is_closed_) {
    guarded("closed", [&] { instance_.session_->closed(lane_, session); });
  }
}

void Lane::close(io::Task closed) {
  if (is_closed_) {  // the plugin ended it unasked
    loop_.defer(std::move(closed));
    return;
  }
  closed_ = std::move(closed);
  close_asked_ = true;
  if (!guarded("close", [&] { lane_->close(lane_); }) && !is_closed_) lane_closed();
}

void Lane::lane_closed() {
  if (!loop_.on_thread()) {
    loop_.post([this] { lane_closed(); });
    return;
  }
  if (is_closed_.exchange(true)) {
    log::error("lane_closed_twice",
               {{"plugin", name()}, {"hint", "host->lane_closed() may come once only"}});
    return;
  }
  if (!close_asked_) {
    log::error("lane_closed_unasked",
               {{"plugin", name()},
                {"worker", host_.worker},
                {"hint",
                 "host->lane_closed() answers close(): this worker does without the plugin"
                 " until a restart"}});
  }
  resources_->clear();
  fail_open_calls();
  loop_.defer([this] {
    if (auto told = std::exchange(closed_, nullptr)) told();
  });
}

void Lane::fail_open_calls() {
  const auto open =
      std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.open; });
  if (open == 0) return;
  log::error("calls_left_open", {{"plugin", name()},
                                 {"calls", open},
                                 {"hint", "the plugin closed its lane without completing them"}});
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].open) continue;
    take(call_id(i),
         {Verdict::make(Kind::tempfail, "the plugin closed its lane"), {}, {}, {}, false});
  }
}

}  // namespace lsmtpd::plugin
