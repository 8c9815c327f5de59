// SPDX-License-Identifier: Apache-2.0
#include "amqp_lane.hpp"

#include <proton/delivery.h>

#include <algorithm>

#include "producer.hpp"

namespace lsmtpd::amqp {

namespace {

constexpr std::size_t kScratch = 64 * 1024;
constexpr std::uint64_t kJobMemory = 768;  // with its part and its place in the tables
constexpr std::chrono::milliseconds kLeavePatience{3000};

std::string numbered(const std::string& name, const sdk::Host& host) {
  return host.workers() > 1 ? name + "-" + std::to_string(host.worker()) : name;
}

std::string container_id(const Options& options, const sdk::Host& host) {
  if (!options.container_id.empty()) return numbered(options.container_id, host);
  return "lsmtpd-" + std::string(host.hostname()) + "-" + std::string(host.name()) + "-" +
         std::to_string(host.worker());
}

void answer(sdk::Call* call, const Outcome& outcome) {
  switch (outcome.kind) {
    case Kind::stored:
      return call->stored(outcome.detail);
    case Kind::rejected:
      return call->reject(outcome.text, outcome.code, outcome.enhanced, outcome.detail);
    case Kind::later:
      return call->tempfail(outcome.text, outcome.code, outcome.enhanced, outcome.detail);
  }
}

}  // namespace

Lane::Lane(sdk::LaneHost host, const Options& options)
    : sdk::Lane(host),
      options_(options),
      container_id_(container_id(options, host)),
      done_key_(std::string(host.name()) + ".stored"),
      scratch_(kScratch, '\0'),
      connection_(host, options, container_id_, *this),
      flight_(host, options.in_flight, options.in_flight_bytes) {
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
  fixed_ = make_link(plan(options_, lsmtpd_envelope{}, {}).front().target);
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
  std::string why = unavailable();
  if (why.empty() && waiting_ >= options_.queue) why = "too many messages wait for the broker";
  sdk::Reservation memory;
  if (why.empty() && !(memory = host().reserve(kJobMemory))) why = "no memory left in the budget";
  if (!why.empty()) return answer(&call, not_sent(why));
  const lsmtpd_envelope& envelope = message.envelope();
  const auto done = read_done(message.annotation(done_key_), envelope.recipient_count);
  std::vector<PlannedCopy> copies = plan(options_, envelope, done);
  if (copies.empty()) return call.stored("all copies were stored before");
  auto job = std::make_unique<Job>();
  job->call = std::move(call);
  job->message = std::move(message);
  job->replay = delivery.replay;
  job->memory = std::move(memory);
  begin(std::move(job), std::move(copies), delivery.copy_id);
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
  std::string name =
      options_.link_name.empty() ? container_id_ : numbered(options_.link_name, host());
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
  return static_cast<std::size_t>(used) + connection_.ending() < connection_.sessions();
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
    part->link->forget(part);
    part_done(*part, not_sent(connection_.is_open() ? "no credit within the deadline"
                                                    : "not connected within the deadline"));
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
  if (part.producer) part.producer->forget();
  part.producer.reset();
  if (--part.job->open == 0) finish(part.job);
}

void Lane::finish(Job* job) {
  const Outcome& outcome = verdict_of(*job);
  if (outcome.kind == Kind::later && job->parts.size() > 1) {
    const std::uint64_t total = job->message.envelope().recipient_count;
    const auto done =
        accepted_recipients(*job, read_done(job->message.annotation(done_key_), total));
    if (!done.empty()) job->message.annotate(done_key_, write_done(total, done));
  }
  if (job->overdue) --overdue_;
  const lsmtpd_call id = job->call.id();
  answer(&job->call, outcome);
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
  for (auto& [key, link] : links_) link->connection_lost("shutting down");
  connection_.shut([this] { (*closed_)(); });
}

}  // namespace lsmtpd::amqp
