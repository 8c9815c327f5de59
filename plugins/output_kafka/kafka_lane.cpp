// SPDX-License-Identifier: Apache-2.0
// Lane, first part: the way of a copy to its topic.
#include "kafka_lane.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace lsmtpd::kafka {

Lane::Lane(sdk::LaneHost host, Shared& shared)
    : JobLane(host,
              {shared.options.in_flight, shared.options.in_flight_bytes, shared.options.queue,
               shared.options.stall},
              shared.options.target, shared.claims.get()),
      shared_(shared),
      options_(shared.options),
      password_(options_.password_file, options_.password),
      descriptor_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      pauses_(static_cast<std::uint64_t>(options_.reconnect_first.count()),
              static_cast<std::uint64_t>(options_.reconnect_last.count())) {
  if (descriptor_ < 0) throw std::runtime_error("no descriptor is left for the producer");
  up_ = host.gauge("output_up",
                   "1 while the output is connected to its broker; 0 while a worker's lane is not.",
                   {}, sdk::Combine::least);
  reconnects_ = host.counter("output_reconnects_total",
                             "Connections to the broker after the first one, of each worker.");
  up_.set(0);
  if (options_.target.exchange.is_fixed())
    only_ = topic_for(options_.target.exchange.expand(lsmtpd_envelope{}, {}));
  // A lane that is to probe is told so in the same turn.
  host.defer([this] {
    if (!probing() && !closing()) connect();
  });
}

Lane::~Lane() {
  if (event_ != nullptr) rd_kafka_event_destroy(event_);
  topics_.clear();
  watch_.stop();
  ::close(descriptor_);
}

std::string Lane::unavailable() const {
  if (closing()) return "shutting down";
  if (stall_.stalled()) return "the brokers do not answer: messages are overdue";
  if (failed_) return failure_;
  if (only_ != nullptr && !only_->refusal().empty()) return only_->name() + ": " + only_->refusal();
  return {};
}

// Of several topics the smallest that is known.
std::uint64_t Lane::size_limit() const {
  std::uint64_t smallest = 0;
  for (const auto& [name, topic] : topics_)
    if (topic->largest() != 0 && (smallest == 0 || topic->largest() < smallest))
      smallest = topic->largest();
  return announced(smallest, options_);
}

void Lane::decide(sdk::Call call, const lsmtpd_session_event& event) {
  const lsmtpd_envelope& envelope = *event.envelope;
  if (event.phase != LSMTPD_PHASE_RCPT || envelope.recipient_count == 0) return call.proceed();
  const lsmtpd_str address = lsmtpd_recipient_at(&envelope, envelope.recipient_count - 1)->address;
  const Target target =
      target_for(options_.target, envelope, std::string_view(address.data, address.size));
  if (is_topic_name(target.exchange)) return call.proceed();
  answer(&call, no_topic_name(target.exchange));
}

void Lane::route(Part* part, const Target& target) {
  if (!is_topic_name(target.exchange)) return part_done(*part, no_topic_name(target.exchange));
  Topic* topic = only_ != nullptr ? only_ : topic_for(target.exchange);
  if (topic == nullptr) return part_done(*part, not_sent("too many targets at once: see `topics`"));
  if (!topic->refusal().empty())
    return part_done(*part, not_sent(topic->name() + ": " + topic->refusal()));
  topic->enqueue(part);
}

Topic* Lane::topic_for(const std::string& name) {
  const auto found = topics_.find(name);
  if (found != topics_.end()) return found->second.get();
  if (topics_.size() >= options_.topics && !release_an_idle_topic()) return nullptr;
  auto made = std::make_unique<Topic>(host(), options_, name, static_cast<Outlet::Owner&>(*this),
                                      static_cast<Topic::Cluster&>(*this));
  Topic* topic = topics_.emplace(name, std::move(made)).first->second.get();
  if (phase_ == Phase::open) topic->open();
  return topic;
}

bool Lane::release_an_idle_topic() {
  const auto idle = std::find_if(topics_.begin(), topics_.end(),
                                 [](const auto& entry) { return entry.second->idle(); });
  if (idle == topics_.end()) return false;
  topics_.erase(idle);
  return true;
}

std::string Lane::withdraw(Part* part) {
  part->outlet->forget(part);
  return phase_ == Phase::open ? "not sent within the deadline"
                               : "not connected within the deadline";
}

void Lane::fail_queued(std::string_view why) {
  const Outcome outcome = not_sent(why);
  for (auto& [name, topic] : topics_) topic->fail_queued(outcome);
}

void Lane::turned_away() {
  shared_.reach.turned_away();
  shared_.targets.turned_away();
}

void Lane::part_stored(const Part& part) {
  if (shared_.targets.any()) shared_.targets.passed(host(), part.outlet->name());
}

// At the end of this turn: several messages may have come, and a caller may still use its part.
void Lane::wake() {
  if (std::exchange(woken_, true)) return;
  host().defer([this] {
    woken_ = false;
    feed();
  });
}

void Lane::feed() {
  if (phase_ == Phase::open || phase_ == Phase::reaching)
    for (auto& [name, topic] : topics_) topic->feed();
  publish();
}

}  // namespace lsmtpd::kafka
