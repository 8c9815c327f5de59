// SPDX-License-Identifier: Apache-2.0
#include "plugin/lane.hpp"

#include "log/log.hpp"
#include "metrics/families.hpp"
#include "plugin/lane_extensions.hpp"
#include "plugin/thrown.hpp"

namespace lsmtpd::plugin {

Lane::Lane(Instance& instance, io::Loop& loop, uint32_t worker)
    : instance_(instance),
      loop_(loop),
      host_(instance.new_lane_host()),
      calls_(loop, instance, worker),
      resources_(std::make_unique<Resources>()) {
  ++instance.lanes_open_;
  calls_.measure(instance.process_.metrics->histogram(metrics::kPluginDuration, {instance.name()},
                                                      metrics::slot_of(worker)));
  host_.self.slot = metrics::slot_of(worker);
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
  {
    const std::unique_lock lock(host_.self.mutex);
    host_.self.lane = nullptr;
  }
  --instance_.lanes_open_;  // the last: the instance may end
}

Result<std::unique_ptr<Lane>> Instance::open_lane(io::Loop& loop, uint32_t worker) {
  auto lane = std::make_unique<Lane>(*this, loop, worker);
  const Running running(lasting_name_, "open_lane");
  try {
    lane->lane_ = instance_->open_lane(instance_, &lane->host_.abi);
  } catch (...) {
    return fail("plugin.{}: could not open a lane: {}", name(), thrown());
  }
  if (!lane->lane_) return fail("plugin.{}: could not open a lane", name());
  if (!lane->lane_->close) return fail("plugin.{}: its lane.close is NULL", name());
  return lane;
}

static_assert(static_cast<uint32_t>(message::TransactionEnd::accepted) == LSMTPD_ENDED_ACCEPTED &&
              static_cast<uint32_t>(message::TransactionEnd::refused) == LSMTPD_ENDED_REFUSED &&
              static_cast<uint32_t>(message::TransactionEnd::reset) == LSMTPD_ENDED_RESET);

Admission Lane::admission() {
  if (is_closed_) return {false, 0, "the lane is closed"};
  if (!instance_.admission_) return {};
  lsmtpd_admission out{
      .size = sizeof(lsmtpd_admission), .ready = 1, .max_message_size = 0, .reason = {nullptr, 0}};
  if (!guarded("admission", [&] { instance_.admission_->get(lane_, &out); })) return {};
  return {out.ready != 0, out.max_message_size, std::string(view(out.reason))};
}

uint32_t Lane::mechanisms() const {
  return instance_.auth_ ? instance_.auth_->mechanisms : 0;
}

void Lane::transaction_ended(uint64_t session, const std::string& id, message::TransactionEnd how) {
  if (!instance_.session_filter_ || !instance_.session_filter_->ended || is_closed_) return;
  const lsmtpd_transaction_end end{.size = sizeof(lsmtpd_transaction_end),
                                   .how = static_cast<uint32_t>(how),
                                   .session = session,
                                   .id = str(id)};
  guarded("ended", [&] { instance_.session_filter_->ended(lane_, &end); });
}

void Lane::retry_now() {
  if (!instance_.control_ || is_closed_) return;
  guarded("retry_now", [&] { instance_.control_->retry_now(lane_); });
}

void Lane::session_closed(uint64_t session) {
  if (instance_.session_filter_ && instance_.session_filter_->closed && !is_closed_) {
    guarded("closed", [&] { instance_.session_filter_->closed(lane_, session); });
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
  const size_t watches = resources_->watches.size(), timers = resources_->timers.size(),
               questions = resources_->dns ? resources_->dns->open() : 0, work = resources_->work;
  resources_->clear();
  if (const size_t open = calls_.fail_open()) {
    log::error("calls_left_open", {{"plugin", name()},
                                   {"calls", open},
                                   {"hint", "the plugin closed its lane without completing them"}});
  }
  const uint32_t messages = *lent_;
  if (watches + timers + questions + messages + work > 0) {
    log::error("left_behind", {{"plugin", name()},
                               {"watches", watches},
                               {"timers", timers},
                               {"messages", messages},
                               {"questions", questions},
                               {"work", work},
                               {"hint", "the plugin closed its lane without ending them"}});
  }
  loop_.defer([this] {
    if (auto told = std::exchange(closed_, nullptr)) told();
  });
}

}  // namespace lsmtpd::plugin
