// SPDX-License-Identifier: Apache-2.0
#include "job_lane.hpp"

namespace lsmtpd::sink {

namespace {

constexpr std::uint64_t kJobMemory = 768;  // with its part and its place in the tables
// A copy beyond the first: its part, with its recipient, id and outcome, and its plan.
constexpr std::uint64_t kCopyMemory = 1024;
// The place of a recipient in a copy, and what counting the copies takes for it.
constexpr std::uint64_t kPlaceMemory = 16;
constexpr std::chrono::milliseconds kLeavePatience{3000};

}  // namespace

JobLane::JobLane(const sdk::LaneHost& host, const Limits& limits, const TargetOptions& targets,
                 Claims* claims)
    : sdk::Lane(host),
      flight_(host, limits.in_flight, limits.in_flight_bytes),
      stall_(host, limits.stall, [this] { stalled_for_too_long(); }),
      queue_(limits.queue),
      targets_(targets),
      claims_(claims) {
  unsettled_ = host.gauge("output_unsettled",
                          "Messages that were sent and that the broker has not settled.");
  held_ = host.gauge("output_held", "Messages that wait in the output to be sent.");
}

void JobLane::deliver(sdk::Call call, sdk::Message message, sdk::Delivery delivery) {
  const std::string why = unavailable();
  if (!why.empty()) return turn_away(std::move(call), delivery.replay, why);
  // A client decides how many copies there are: none is planned before it has its memory.
  const lsmtpd_envelope& envelope = message.envelope();
  const bool many = depends_on_recipients(targets_, envelope);
  sdk::Reservation places = host().reserve(many ? envelope.recipient_count * kPlaceMemory : 0);
  if (!places) return answer(&call, not_sent("no memory left in the budget"));
  const std::size_t count = count_copies(targets_, envelope);
  if (waiting_ != 0 && waiting_ + count > queue_)
    return turn_away(std::move(call), delivery.replay, "too many messages wait to be sent");
  sdk::Reservation memory = host().reserve(kJobMemory + (count - 1) * kCopyMemory);
  if (!memory) return answer(&call, not_sent("no memory left in the budget"));
  std::vector<PlannedCopy> copies = plan(targets_, envelope);
  auto job = std::make_unique<Job>();
  job->call = std::move(call);
  job->message = std::move(message);
  job->replay = delivery.replay;
  job->in_doubt = delivery.in_doubt;
  job->memory = std::move(memory);
  job->places = std::move(places);
  begin(std::move(job), std::move(copies), delivery.copy_id);
}

void JobLane::turn_away(sdk::Call call, bool replay, const std::string& why) {
  if (!replay) turned_away();
  answer(&call, not_sent(why));
}

void JobLane::begin(std::unique_ptr<Job> owned, std::vector<PlannedCopy> copies,
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
    part.address = copies[i].target.address;
    part.routing_key = copies[i].target.routing_key;
  }
  const std::size_t count = copies.size();
  const bool apart = claims_ != nullptr && claims_->may_concern(job->message);
  for (std::size_t i = 0; i < count; ++i) {
    if (apart) {
      store(&job->parts[i], std::move(copies[i].target));
    } else {
      route(&job->parts[i], copies[i].target);
    }
  }
  if (!apart) routed();
}

void JobLane::cancel(lsmtpd_call call) {
  const auto found = jobs_.find(call);
  if (found == jobs_.end()) return;
  Job& job = *found->second;
  job.overdue = true;
  std::vector<Part*> queued;
  bool sent = false;
  for (Part& part : found->second->parts) {
    if (part.phase == Part::Phase::queued) queued.push_back(&part);
    sent |= part.phase == Part::Phase::sent;
  }
  const bool stalls = sent && stall_.overdue(job);
  for (Part* part : queued) {
    if (part->storing != 0) {
      store_no_more(part);
      part_done(*part, not_sent("not stored apart within the deadline"));
      continue;
    }
    Outlet* outlet = part->outlet;
    const std::string why = withdraw(part);
    part_done(*part, not_sent(why));
    withdrawn(outlet);
  }
  if (stalls) stall_begins();
}

void JobLane::progress(bool replay) {
  if (replay) flight_.outcome_of_replay();
  if (stall_.progress()) stall_ends();
}

sdk::Capacity JobLane::admission() {
  sdk::Capacity capacity;
  reason_ = unavailable();
  capacity.ready = reason_.empty();
  capacity.reason = reason_;
  capacity.max_message_size = claims_ == nullptr ? size_limit() : claims_->announced(size_limit());
  return capacity;
}

void JobLane::part_sent(Part& part) {
  --waiting_;
  flight_.sent(part.bytes, part.job->replay);
}

void JobLane::part_done(Part& part, Outcome outcome) {
  if (part.phase == Part::Phase::sent) {
    flight_.done(part.bytes, part.job->replay);
    if (!outcome.in_doubt) progress(part.job->replay);
  } else {
    --waiting_;
  }
  part.phase = Part::Phase::done;
  part.outcome = std::move(outcome);
  if (part.outcome.kind == Kind::stored) part_stored(part);
  if (part.outcome.kind == Kind::rejected) remove_claim(part);
  if (part.producer) part.producer->forget();
  part.producer.reset();
  publish();
  if (--part.job->open == 0) finish(part.job);
}

void JobLane::finish(Job* job) {
  if (verdict_of(*job).kind == Kind::tempfail && !job->replay) turned_away();
  stall_.done(*job);
  const lsmtpd_call id = job->call.id();
  answer(*job);
  jobs_.erase(id);
  if (closed_ && jobs_.empty()) leave_in(std::chrono::milliseconds(0));
}

void JobLane::publish() const {
  unsettled_.set(flight_.count());
  held_.set(static_cast<double>(waiting_));
}

void JobLane::close(sdk::Closed closed) {
  closed_.emplace(std::move(closed));
  fail_queued("shutting down");
  while (!storing_.empty()) {
    Part* part = storing_.begin()->second.part;
    store_no_more(part);
    part_done(*part, not_sent("shutting down"));
  }
  // Outcomes that are under way still count, for a while.
  leave_in(jobs_.empty() ? std::chrono::milliseconds(0) : kLeavePatience);
}

void JobLane::leave_in(std::chrono::milliseconds pause) {
  leave_timer_ = host().timer(pause, [this] {
    leave(*closed_);
    leave_timer_.cancel();  // the last of the jobs has set it again
  });
}

}  // namespace lsmtpd::sink
