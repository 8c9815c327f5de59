// SPDX-License-Identifier: Apache-2.0
#include "plugin/lane.hpp"

#include "log/log.hpp"
#include "plugin/lane_extensions.hpp"
#include "plugin/thrown.hpp"

namespace lsmtpd::plugin {

Lane::Lane(Instance& instance, io::Loop& loop, uint32_t worker)
    : instance_(instance),
      loop_(loop),
      host_(instance.new_lane_host()),
      calls_(loop, instance, worker),
      resources_(std::make_unique<Resources>()) {
  host_.self.lane = this;
  host_.abi = instance.host_;
  host_.abi.self = &host_.self;
  host_.abi.worker = worker;
  host_.abi.get_extension = LaneExtensions::get;
  host_.abi.complete = LaneExtensions::complete;
  host_.abi.complete_recipients = LaneExtensions::complete_recipients;
  host_.abi.lane_closed = LaneExtensions::lane_closed;
}

// The host outlives the lane: a thread of the plugin may hold it still.
Lane::~Lane() {
  const std::unique_lock lock(host_.self.mutex);
  host_.self.lane = nullptr;
}

Result<std::unique_ptr<Lane>> Instance::open_lane(io::Loop& loop, uint32_t worker) {
  auto lane = std::make_unique<Lane>(*this, loop, worker);
  try {
    lane->lane_ = instance_->open_lane(instance_, &lane->host_.abi);
  } catch (...) {
    return fail("plugin.{}: could not open a lane: {}", name(), thrown());
  }
  if (!lane->lane_) return fail("plugin.{}: could not open a lane", name());
  if (!lane->lane_->close) return fail("plugin.{}: its lane.close is NULL", name());
  return lane;
}

static_assert(static_cast<uint32_t>(message::Phase::connect) == LSMTPD_PHASE_CONNECT &&
              static_cast<uint32_t>(message::Phase::helo) == LSMTPD_PHASE_HELO &&
              static_cast<uint32_t>(message::Phase::auth) == LSMTPD_PHASE_AUTH &&
              static_cast<uint32_t>(message::Phase::mail) == LSMTPD_PHASE_MAIL &&
              static_cast<uint32_t>(message::Phase::rcpt) == LSMTPD_PHASE_RCPT &&
              static_cast<uint32_t>(message::Phase::data) == LSMTPD_PHASE_DATA);
static_assert(static_cast<uint32_t>(message::TransactionEnd::accepted) == LSMTPD_ENDED_ACCEPTED &&
              static_cast<uint32_t>(message::TransactionEnd::refused) == LSMTPD_ENDED_REFUSED &&
              static_cast<uint32_t>(message::TransactionEnd::reset) == LSMTPD_ENDED_RESET);

template <class Give>
std::optional<Completion> Lane::put(std::unique_ptr<Question> question, Done done, CallId& call,
                                    Give&& give) {
  call = 0;
  if (is_closed_) return Completion::make(Kind::tempfail, "the lane is closed");
  return calls_.put(std::move(question), std::move(done), call, [&](CallId c, const Question& q) {
    return guarded("a call", [&] { give(c, q); });
  });
}

std::optional<Completion> Lane::filter(const message::Message& message, uint64_t deadline_ms,
                                       Done done, CallId& call) {
  auto question = std::make_unique<Question>(CallKind::filter);
  question->view =
      View::make(message, View::Rights::edit, loop_, instance_.process_.resources, lent_);
  question->filter = {.size = sizeof(lsmtpd_filter_event),
                      .reserved = 0,
                      .edits = question->view->edits_abi(),
                      .annotations = question->view->notes().abi(),
                      .deadline_ms = deadline_ms};
  return put(std::move(question), std::move(done), call, [this](CallId c, const Question& q) {
    instance_.filter_->message(lane_, c, q.view->abi(), &q.filter);
  });
}

std::optional<Completion> Lane::decide(const SessionEvent& event, Done done, CallId& call) {
  auto question = std::make_unique<Question>(CallKind::decide);
  // A copy: the session may be gone before the plugin answers.
  question->envelope = std::make_unique<const message::Envelope>(*event.envelope);
  question->envelope_view = std::make_unique<EnvelopeView>(*question->envelope);
  question->notes = std::make_unique<Notes>(event.annotations, instance_.process_.resources.memory);
  question->event = {.size = sizeof(lsmtpd_session_event),
                     .phase = static_cast<uint32_t>(event.phase),
                     .session = event.session,
                     .declared_size = event.declared_size,
                     .envelope = question->envelope_view->get(),
                     .annotations = question->notes->abi(),
                     .deadline_ms = event.deadline_ms};
  return put(std::move(question), std::move(done), call, [this](CallId c, const Question& q) {
    instance_.session_->decide(lane_, c, &q.event);
  });
}

std::optional<Completion> Lane::deliver(const message::Message& message, Delivery delivery,
                                        Done done, CallId& call) {
  auto question = std::make_unique<Question>(CallKind::deliver);
  question->view =
      View::make(message, View::Rights::annotate, loop_, instance_.process_.resources, lent_);
  question->delivery = std::move(delivery);
  const Delivery& d = question->delivery;
  question->abi_delivery = {.size = sizeof(lsmtpd_delivery),
                            .flags = (d.replay ? LSMTPD_DELIVERY_REPLAY : 0) |
                                     (d.in_doubt ? LSMTPD_DELIVERY_IN_DOUBT : 0),
                            .copy_id = str(d.copy_id),
                            .target = str(d.target),
                            .reason = str(d.reason),
                            .deadline_ms = d.deadline_ms,
                            .attempts = d.attempts,
                            .reserved = 0,
                            .annotations = question->view->notes().abi()};
  return put(std::move(question), std::move(done), call, [this](CallId c, const Question& q) {
    instance_.output_->deliver(lane_, c, q.view->abi(), &q.abi_delivery);
  });
}

std::optional<Completion> Lane::list(bool restart, uint32_t most, Done done, CallId& call) {
  return put(std::make_unique<Question>(CallKind::list), std::move(done), call,
             [&](CallId c, const Question&) { instance_.replay_->list(lane_, c, restart, most); });
}

std::optional<Completion> Lane::load(const std::string& copy_id, Done done, CallId& call) {
  auto question = std::make_unique<Question>(CallKind::load);
  question->copy_id = copy_id;
  return put(std::move(question), std::move(done), call, [this](CallId c, const Question& q) {
    instance_.replay_->load(lane_, c, str(q.copy_id));
  });
}

std::optional<Completion> Lane::forget(const std::string& copy_id, Done done, CallId& call) {
  auto question = std::make_unique<Question>(CallKind::forget);
  question->copy_id = copy_id;
  return put(std::move(question), std::move(done), call, [this](CallId c, const Question& q) {
    instance_.replay_->forget(lane_, c, str(q.copy_id));
  });
}

std::optional<Completion> Lane::dead_letter(const std::string& copy_id, const std::string& reason,
                                            Done done, CallId& call) {
  auto question = std::make_unique<Question>(CallKind::dead_letter);
  question->copy_id = copy_id;
  question->reason = reason;
  return put(std::move(question), std::move(done), call, [this](CallId c, const Question& q) {
    instance_.replay_->dead_letter(lane_, c, str(q.copy_id), str(q.reason));
  });
}

std::optional<Completion> Lane::probe(const lsmtpd_probe_report* report, Done done, CallId& call) {
  return put(std::make_unique<Question>(CallKind::probe), std::move(done), call,
             [&](CallId c, const Question&) { instance_.probe_->probe(lane_, c, report); });
}

void Lane::abandon(CallId call, Done late) {
  const auto kind = calls_.abandon(call, std::move(late));
  if (!kind) return;
  const auto cancel = *kind == CallKind::filter    ? instance_.filter_->cancel
                      : *kind == CallKind::decide  ? instance_.session_->cancel
                      : *kind == CallKind::deliver ? instance_.output_->cancel
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

void Lane::transaction_ended(uint64_t session, const std::string& id, message::TransactionEnd how) {
  if (!instance_.session_ || !instance_.session_->ended || is_closed_) return;
  const lsmtpd_transaction_end end{.size = sizeof(lsmtpd_transaction_end),
                                   .how = static_cast<uint32_t>(how),
                                   .session = session,
                                   .id = str(id)};
  guarded("ended", [&] { instance_.session_->ended(lane_, &end); });
}

void Lane::retry_now() {
  if (!instance_.control_ || is_closed_) return;
  guarded("retry_now", [&] { instance_.control_->retry_now(lane_); });
}

void Lane::session_closed(uint64_t session) {
  if (instance_.session_ && instance_.session_->closed && !is_closed_) {
    guarded("closed", [&] { instance_.session_->closed(lane_, session); });
  }
}

void Lane::close(io::Task closed, uint64_t deadline_ms) {
  if (is_closed_) {  // the plugin ended it unasked
    loop_.defer(std::move(closed));
    return;
  }
  closed_ = std::move(closed);
  close_asked_ = true;
  ++instance_.lanes_closing_;
  if (!guarded("close", [&] { lane_->close(lane_, deadline_ms); }) && !is_closed_) lane_closed();
}

void Lane::blocked(const char* what, uint64_t ms) {
  if (!loop_.on_thread()) return;  // offloaded work may
  log::warn("loop_blocked",
            {{"plugin", name()},
             {"in", what},
             {"worker", host_.abi.worker},
             {"ms", ms},
             {"hint", "all connections of the worker waited: the plugin must offload such work"}});
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
                {"worker", host_.abi.worker},
                {"hint",
                 "host->lane_closed() answers close(): this worker does without the plugin"
                 " until a restart"}});
  }
  if (close_asked_) --instance_.lanes_closing_;
  const size_t watches = resources_->watches.size(), timers = resources_->timers.size();
  resources_->clear();
  if (const size_t open = calls_.fail_open()) {
    log::error("calls_left_open", {{"plugin", name()},
                                   {"calls", open},
                                   {"hint", "the plugin closed its lane without completing them"}});
  }
  const uint32_t messages = *lent_;
  if (watches + timers + messages > 0) {
    log::error("left_behind", {{"plugin", name()},
                               {"watches", watches},
                               {"timers", timers},
                               {"messages", messages},
                               {"hint", "the plugin closed its lane without ending them"}});
  }
  loop_.defer([this] {
    if (auto told = std::exchange(closed_, nullptr)) told();
  });
}

}  // namespace lsmtpd::plugin
