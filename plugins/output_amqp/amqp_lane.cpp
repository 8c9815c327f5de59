// SPDX-License-Identifier: Apache-2.0
#include "amqp_lane.hpp"

#include <proton/delivery.h>

#include <algorithm>

#include "producer.hpp"

namespace lsmtpd::amqp {

namespace {

constexpr std::size_t kScratch = 64 * 1024;
constexpr std::uint64_t kJobMemory = 768;  // with its part and its place in the tables
// A copy beyond the first: its part, with its recipient, id and outcome, and its plan.
constexpr std::uint64_t kCopyMemory = 1024;
constexpr std::chrono::milliseconds kLeavePatience{3000};

std::string numbered(const std::string& name, const sdk::Host& host) {
  return host.workers() > 1 ? name + "-" + std::to_string(host.worker()) : name;
}

std::string own_name(const Options& options, const sdk::Host& host) {
  return "lsmtpd-" + std::string(host.hostname()) + "-" + std::string(host.name()) + "-" +
         std::to_string(host.worker()) + "-" + options.process_tag;
}

void answer(sdk::Call* call, const Outcome& outcome) {
  switch (outcome.kind) {
    case Kind::stored:
      return call->stored(outcome.detail);
    case Kind::rejected:
      return call->reject(outcome.text, outcome.code, outcome.enhanced, outcome.detail);
    case Kind::later:
      if (outcome.in_doubt)
        return call->in_doubt(outcome.text, outcome.code, outcome.enhanced, outcome.detail,
                              outcome.cause_passes);
      return call->tempfail(outcome.text, outcome.code, outcome.enhanced, outcome.detail);
  }
}

lsmtpd_verdict to_verdict(const Outcome& outcome) {
  lsmtpd_verdict verdict{};
  verdict.size = sizeof verdict;
  verdict.kind = outcome.kind == Kind::stored     ? LSMTPD_STORED
                 : outcome.kind == Kind::rejected ? LSMTPD_REJECT
                                                  : LSMTPD_TEMPFAIL;
  verdict.code = outcome.code;
  verdict.flags =
      (outcome.in_doubt ? LSMTPD_IN_DOUBT : 0u) | (outcome.cause_passes ? LSMTPD_CAUSE_PASSES : 0u);
  verdict.enhanced = sdk::str(outcome.enhanced);
  verdict.text = sdk::str(outcome.text);
  verdict.detail = sdk::str(outcome.detail);
  return verdict;
}

// Each recipient gets the outcome of the part that it is in.
void answer_each(Job& job) {
  std::vector<lsmtpd_verdict> verdicts(
      static_cast<std::size_t>(job.message.envelope().recipient_count));
  for (const Part& part : job.parts)
    for (const std::uint32_t place : part.recipients) verdicts[place] = to_verdict(part.outcome);
  job.call.recipients(verdicts);
}

}  // namespace

Lane::Lane(sdk::LaneHost host, Shared& shared)
    : sdk::Lane(host),
      shared_(shared),
      options_(shared.options),
      own_name_(own_name(options_, host)),
      container_id_(options_.container_id.empty() ? own_name_
                                                  : numbered(options_.container_id, host)),
      scratch_(kScratch, '\0'),
      connection_(host, options_, shared.addresses, container_id_, *this),
      management_(host, options_, own_name_ + "/management", connection_),
      flight_(host, options_.in_flight, options_.in_flight_bytes) {
  // A lane that is to probe is told so in the same turn.
  host.defer([this] {
    if (!probe_ && !closed_) connect();
  });
}

void Lane::connect() {
  make_fixed();
  connection_.start();
}

void Lane::make_fixed() {
  if (!options_.address.is_fixed() || !options_.exchange.is_fixed() ||
      !options_.routing_key.is_fixed())
    return;
  fixed_ = make_link(plan(options_, lsmtpd_envelope{}).front().target);
}

std::string Lane::unavailable() const {
  if (closed_) return "shutting down";
  if (stalled_) return "the broker does not answer: deliveries are overdue";
  if (!connection_.is_open() && connection_.all_failed()) return failure_;
  if (fixed_ != nullptr && !fixed_->refusal().empty())
    return fixed_->address() + ": " + fixed_->refusal();
  return {};
}

void Lane::deliver(sdk::Call call, sdk::Message message, sdk::Delivery delivery) {
  const std::string why = unavailable();
  if (!why.empty()) return turn_away(std::move(call), delivery.replay, why);
  const lsmtpd_envelope& envelope = message.envelope();
  const std::size_t most = most_copies(options_, envelope);
  sdk::Reservation memory = host().reserve(kJobMemory + (most - 1) * kCopyMemory);
  if (!memory) return answer(&call, not_sent("no memory left in the budget"));
  std::vector<PlannedCopy> copies = plan(options_, envelope);
  if (waiting_ != 0 && waiting_ + copies.size() > options_.queue)
    return turn_away(std::move(call), delivery.replay, "too many messages wait for the broker");
  auto job = std::make_unique<Job>();
  job->call = std::move(call);
  job->message = std::move(message);
  job->replay = delivery.replay;
  job->memory = std::move(memory);
  begin(std::move(job), std::move(copies), delivery.copy_id);
}

void Lane::turn_away(sdk::Call call, bool replay, const std::string& why) {
  if (!replay) {
    shared_.reach.turned_away();
    shared_.targets.turned_away();
  }
  answer(&call, not_sent(why));
}

void Lane::begin(std::unique_ptr<Job> owned, std::vector<PlannedCopy> copies,
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
  }
  const std::size_t count = copies.size();
  for (std::size_t i = 0; i < count; ++i) {
    Link* link = link_for(copies[i].target);
    if (link == nullptr) {
      part_done(job->parts[i], not_sent("too many target addresses at once: see `links`"));
    } else if (!link->refusal().empty()) {
      part_done(job->parts[i], not_sent(link->address() + ": " + link->refusal()));
    } else {
      link->enqueue(&job->parts[i]);
    }
  }
  connection_.wake();
}

Link* Lane::link_for(const Target& target) {
  if (fixed_ != nullptr) return fixed_;
  const auto found = links_.find(target.key());
  if (found != links_.end()) return found->second.get();
  const std::size_t most = connection_.is_open()
                               ? std::min<std::size_t>(options_.links, connection_.sessions())
                               : options_.links;
  if (links_.size() >= most && !release_an_idle_link()) return nullptr;
  return make_link(target);
}

Link* Lane::make_link(const Target& target) {
  std::string name = options_.link_name.empty() ? own_name_ : numbered(options_.link_name, host());
  const std::string key = target.key();
  if (options_.link_name.empty() || !links_.empty()) name += "/" + key;
  auto link = std::make_unique<Link>(host(), options_, target, name, connection_,
                                     static_cast<Link::Owner&>(*this));
  Link* raw = link.get();
  links_.emplace(key, std::move(link));
  raw->attach_soon();
  return raw;
}

bool Lane::has_session() const {
  const auto used = std::count_if(links_.begin(), links_.end(),
                                  [](const auto& entry) { return entry.second->has_session(); });
  const std::size_t asking = management_.has_session() ? 1 : 0;
  return static_cast<std::size_t>(used) + asking + connection_.ending() < connection_.sessions();
}

bool Lane::release_an_idle_link() {
  const auto idle = std::find_if(links_.begin(), links_.end(),
                                 [](const auto& entry) { return entry.second->idle(); });
  if (idle == links_.end()) return false;
  idle->second->release();
  links_.erase(idle);
  return true;
}

void Lane::cancel(lsmtpd_call call) {
  const auto found = jobs_.find(call);
  if (found == jobs_.end()) return;
  Job* job = found->second.get();
  std::vector<Part*> queued;
  bool sent = false;
  for (Part& part : job->parts) {
    if (part.phase == Part::Phase::queued) queued.push_back(&part);
    sent |= part.phase == Part::Phase::sent;
  }
  if (sent && !job->overdue) {
    job->overdue = true;
    job->overdue_since = host().now_ms();
    ++overdue_;
  }
  for (Part* part : queued) {
    Link* link = part->link;
    link->forget(part);
    part_done(*part, not_sent(connection_.is_open() ? "no credit within the deadline"
                                                    : "not connected within the deadline"));
    link->deadline_passed();
  }
  if (sent) stalled();
}

// Its outcome may come late; until then new mail goes elsewhere.
void Lane::stalled() {
  if (stalled_) return;
  stalled_ = true;
  progress_at_ = host().now_ms();
  host().warn("the broker has not answered within the deadline",
              {{"url", to_string(connection_.url())}, {"unsettled", flight_.count()}});
  fail_queued("the broker does not answer");
  watch_stall(static_cast<std::uint64_t>(options_.stall.count()));
}

void Lane::watch_stall(std::uint64_t ms) {
  stall_timer_ = host().timer(std::chrono::milliseconds(ms), [this] { check_stall(); });
}

// No outcome at all, or one delivery that the broker seems to have forgotten: only its link's end
// brings certainty.
void Lane::check_stall() {
  if (overdue_ == 0) return;
  const std::uint64_t now = host().now_ms();
  const auto patience = static_cast<std::uint64_t>(options_.stall.count());
  const bool forgotten = std::any_of(jobs_.begin(), jobs_.end(), [&](const auto& entry) {
    return entry.second->overdue && now - entry.second->overdue_since >= 10 * patience;
  });
  const std::uint64_t quiet = now - progress_at_;
  if (forgotten || quiet >= patience) return give_up("no outcome for deliveries that are overdue");
  watch_stall(patience - quiet);
}

void Lane::progress(bool replay) {
  progress_at_ = host().now_ms();
  if (replay) flight_.outcome_of_replay();
  if (!stalled_) return;
  stalled_ = false;
  host().info("the broker answers again", {{"url", to_string(connection_.url())}});
}

void Lane::fail_queued(std::string_view why) {
  const Outcome outcome = not_sent(why);
  for (auto& [key, link] : links_) link->fail_queued(outcome);
}

void Lane::give_up(std::string_view why) {
  host().warn("giving the connection up", {{"url", to_string(connection_.url())}, {"why", why}});
  connection_.replace(why);
}

sdk::Capacity Lane::admission() {
  sdk::Capacity capacity;
  reason_ = unavailable();
  capacity.ready = reason_.empty();
  capacity.reason = reason_;
  std::uint64_t limit = 0;
  for (const auto& [key, link] : links_) {
    const std::uint64_t own = link->max_message_size();
    if (own != 0 && (limit == 0 || own < limit)) limit = own;
  }
  capacity.max_message_size = content_limit(options_.format, limit);
  return capacity;
}

void Lane::part_sent(Part& part) {
  --waiting_;
  flight_.sent(part.bytes, part.job->replay);
}

void Lane::part_done(Part& part, Outcome outcome) {
  if (part.phase == Part::Phase::sent) {
    flight_.done(part.bytes, part.job->replay);
  } else {
    --waiting_;
  }
  part.phase = Part::Phase::done;
  part.outcome = std::move(outcome);
  if (part.outcome.kind == Kind::stored && shared_.targets.any())
    shared_.targets.passed(host(), part.link->address());
  if (part.producer) part.producer->forget();
  part.producer.reset();
  if (--part.job->open == 0) finish(part.job);
}

void Lane::finish(Job* job) {
  const Outcome& outcome = verdict_of(*job);
  if (outcome.kind == Kind::later && !job->replay) {
    shared_.reach.turned_away();
    shared_.targets.turned_away();
  }
  if (job->overdue) --overdue_;
  const lsmtpd_call id = job->call.id();
  if (differ(*job)) {
    answer_each(*job);
  } else {
    answer(&job->call, outcome);
  }
  jobs_.erase(id);
  if (closed_ && jobs_.empty())
    leave_timer_ = host().timer(std::chrono::milliseconds(0), [this] { leave(); });
}

void Lane::close(sdk::Closed closed) {
  closed_.emplace(std::move(closed));
  fail_queued("shutting down");
  // Outcomes that are under way still count, for a while.
  leave_timer_ = host().timer(jobs_.empty() ? std::chrono::milliseconds(0) : kLeavePatience,
                              [this] { leave(); });
}

void Lane::leave() {
  leave_timer_.cancel();
  management_.connection_lost();
  for (auto& [key, link] : links_) link->connection_lost("shutting down");
  connection_.shut([this] { (*closed_)(); });
}

}  // namespace lsmtpd::amqp
