// SPDX-License-Identifier: Apache-2.0
// BrokerLane, first part: the host's calls and the outcomes that answer them.
#include "broker_lane.hpp"

#include <algorithm>

namespace lsmtpd::sink {

namespace {

constexpr std::size_t kScratch = 64 * 1024;
constexpr std::uint64_t kJobMemory = 768;  // with its part and its place in the tables
// A copy beyond the first: its part, with its recipient, id and outcome, and its plan.
constexpr std::uint64_t kCopyMemory = 1024;
// The place of a recipient in a copy, and what counting the copies takes for it.
constexpr std::uint64_t kPlaceMemory = 16;
constexpr std::chrono::milliseconds kLeavePatience{3000};

}  // namespace

BrokerLane::BrokerLane(const sdk::LaneHost& host, SharedByLanes& shared,
                       const ClientOptions& options, const TargetOptions& targets,
                       BrokerConnection& connection)
    : sdk::Lane(host),
      shared_(shared),
      options_(options),
      targets_(targets),
      connection_(connection),
      scratch_(kScratch, '\0'),
      flight_(host, options.in_flight, options.in_flight_bytes),
      stall_(host, options.stall, [this] { give_up("no outcome for messages that are overdue"); }) {
  up_ = host.gauge("output_up",
                   "1 while the output is connected to its broker; 0 while a worker's lane is not.",
                   {}, sdk::Combine::least);
  unsettled_ = host.gauge("output_unsettled",
                          "Messages that were sent and that the broker has not settled.");
  held_ = host.gauge("output_held", "Messages that wait in the output to be sent.");
  reconnects_ = host.counter("output_reconnects_total",
                             "Connections to the broker after the first one, of each worker.");
  up_.set(0);
  // A lane that is to probe is told so in the same turn.
  host.defer([this] {
    if (!probe_ && !closed_) connect();
  });
}

void BrokerLane::connect() {
  make_only();
  connection_.start();
}

void BrokerLane::make_only() {
  if (const auto target = only_target()) only_ = add_outlet(*target);
}

std::string BrokerLane::unavailable() const {
  if (closed_) return "shutting down";
  if (stall_.stalled()) return "the broker does not answer: messages are overdue";
  if (!connection_.is_open() && connection_.dialer().all_failed()) return failure_;
  if (std::string why = withheld(); !why.empty()) return why;
  if (only_ != nullptr && !only_->refusal().empty()) return only_->name() + ": " + only_->refusal();
  return {};
}

void BrokerLane::deliver(sdk::Call call, sdk::Message message, sdk::Delivery delivery) {
  const std::string why = unavailable();
  if (!why.empty()) return turn_away(std::move(call), delivery.replay, why);
  // A client decides how many copies there are: none is planned before it has its memory.
  const lsmtpd_envelope& envelope = message.envelope();
  const bool many = depends_on_recipients(targets_, envelope);
  sdk::Reservation places = host().reserve(many ? envelope.recipient_count * kPlaceMemory : 0);
  if (!places) return answer(&call, not_sent("no memory left in the budget"));
  const std::size_t count = count_copies(targets_, envelope);
  if (waiting_ != 0 && waiting_ + count > options_.queue)
    return turn_away(std::move(call), delivery.replay, "too many messages wait for the broker");
  sdk::Reservation memory = host().reserve(kJobMemory + (count - 1) * kCopyMemory);
  if (!memory) return answer(&call, not_sent("no memory left in the budget"));
  std::vector<PlannedCopy> copies = plan(targets_, envelope);
  auto job = std::make_unique<Job>();
  job->call = std::move(call);
  job->message = std::move(message);
  job->replay = delivery.replay;
  job->memory = std::move(memory);
  job->places = std::move(places);
  begin(std::move(job), std::move(copies), delivery.copy_id);
}

void BrokerLane::turn_away(sdk::Call call, bool replay, const std::string& why) {
  if (!replay) count_turned_away();
  answer(&call, not_sent(why));
}

void BrokerLane::count_turned_away() {
  shared_.reach.turned_away();
  shared_.targets.turned_away();
}

void BrokerLane::begin(std::unique_ptr<Job> owned, std::vector<PlannedCopy> copies,
                       std::string_view copy_id) {
  Job* job = owned.get();
  jobs_.emplace(job->call.id(), std::move(owned));
  job->parts.resize(copies.size());
  job->open = copies.size();
  waiting_ += copies.size();
  for (std::size_t i = 0; i < copies.size(); ++i) {
    Part& part = job->parts[i];
    part.job = job;
    part.recipients = std::move(copies[i].recipients);
    part.copy_id = std::string(copy_id) + copies[i].suffix;
    part.routing_key = copies[i].target.routing_key;
  }
  const std::size_t count = copies.size();
  for (std::size_t i = 0; i < count; ++i) route(&job->parts[i], copies[i].target);
  connection_.wake();
}

void BrokerLane::route(Part* part, const Target& target) {
  if (auto outcome = impossible(target)) return part_done(*part, *std::move(outcome));
  Outlet* outlet = outlet_for(target);
  if (outlet == nullptr)
    return part_done(*part, not_sent(std::string("too many targets at once: see `") +
                                     outlet_limit().option + "`"));
  if (!outlet->refusal().empty())
    return part_done(*part, not_sent(outlet->name() + ": " + outlet->refusal()));
  outlet->enqueue(part);
}

Outlet* BrokerLane::outlet_for(const Target& target) {
  if (only_ != nullptr) return only_;
  const auto found = outlets_.find(key_of(target));
  if (found != outlets_.end()) return found->second.get();
  if (outlets_.size() >= outlet_limit().most && !release_an_idle_outlet()) return nullptr;
  return add_outlet(target);
}

Outlet* BrokerLane::add_outlet(const Target& target) {
  std::string key = key_of(target);
  std::unique_ptr<Outlet> outlet = make_outlet(target, key);
  return outlets_.emplace(std::move(key), std::move(outlet)).first->second.get();
}

bool BrokerLane::release_an_idle_outlet() {
  const auto idle = std::find_if(outlets_.begin(), outlets_.end(),
                                 [](const auto& entry) { return entry.second->idle(); });
  if (idle == outlets_.end()) return false;
  idle->second->release();
  outlets_.erase(idle);
  return true;
}

void BrokerLane::cancel(lsmtpd_call call) {
  const auto found = jobs_.find(call);
  if (found == jobs_.end()) return;
  const Job& job = *found->second;
  std::vector<Part*> queued;
  bool sent = false;
  for (Part& part : found->second->parts) {
    if (part.phase == Part::Phase::queued) queued.push_back(&part);
    sent |= part.phase == Part::Phase::sent;
  }
  const bool stalls = sent && stall_.overdue(job);
  for (Part* part : queued) {
    Outlet* outlet = part->outlet;
    outlet->forget(part);
    part_done(*part, not_sent(connection_.is_open() ? "not sent within the deadline"
                                                    : "not connected within the deadline"));
    outlet->deadline_passed();
  }
  if (stalls) stalled();
}

// Its outcome may come late; until then new mail goes elsewhere.
void BrokerLane::stalled() {
  host().warn("the broker has not answered within the deadline",
              {{"url", to_string(connection_.url())}, {"unsettled", flight_.count()}});
  fail_queued("the broker does not answer");
}

void BrokerLane::progress(bool replay) {
  if (replay) flight_.outcome_of_replay();
  if (stall_.progress())
    host().info("the broker answers again", {{"url", to_string(connection_.url())}});
}

void BrokerLane::fail_queued(std::string_view why) {
  const Outcome outcome = not_sent(why);
  for (auto& [key, outlet] : outlets_) outlet->fail_queued(outcome);
}

sdk::Capacity BrokerLane::admission() {
  sdk::Capacity capacity;
  reason_ = unavailable();
  capacity.ready = reason_.empty();
  capacity.reason = reason_;
  capacity.max_message_size = size_limit();
  return capacity;
}

void BrokerLane::part_sent(Part& part) {
  --waiting_;
  flight_.sent(part.bytes, part.job->replay);
}

void BrokerLane::part_done(Part& part, Outcome outcome) {
  if (part.phase == Part::Phase::sent) {
    flight_.done(part.bytes, part.job->replay);
    if (!outcome.in_doubt) progress(part.job->replay);
  } else {
    --waiting_;
  }
  part.phase = Part::Phase::done;
  part.outcome = std::move(outcome);
  if (part.outcome.kind == Kind::stored && shared_.targets.any())
    shared_.targets.passed(host(), part.outlet->name());
  if (part.producer) part.producer->forget();
  part.producer.reset();
  publish();
  if (--part.job->open == 0) finish(part.job);
}

void BrokerLane::finish(Job* job) {
  if (verdict_of(*job).kind == Kind::tempfail && !job->replay) count_turned_away();
  stall_.done(*job);
  const lsmtpd_call id = job->call.id();
  answer(*job);
  jobs_.erase(id);
  if (closed_ && jobs_.empty()) leave_in(std::chrono::milliseconds(0));
}

void BrokerLane::publish() const {
  unsettled_.set(flight_.count());
  held_.set(static_cast<double>(waiting_));
}

void BrokerLane::close(sdk::Closed closed) {
  closed_.emplace(std::move(closed));
  fail_queued("shutting down");
  // Outcomes that are under way still count, for a while.
  leave_in(jobs_.empty() ? std::chrono::milliseconds(0) : kLeavePatience);
}

void BrokerLane::leave_in(std::chrono::milliseconds pause) {
  leave_timer_ = host().timer(pause, [this] { leave(); });
}

void BrokerLane::leave() {
  lose_outlets("shutting down");
  leave_timer_.cancel();  // the last of the jobs has set it again
  connection_.shut([this] { (*closed_)(); });
}

}  // namespace lsmtpd::sink
