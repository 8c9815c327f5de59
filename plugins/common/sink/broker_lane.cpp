// SPDX-License-Identifier: Apache-2.0
// BrokerLane, first part: the way of a copy to its outlet.
#include "broker_lane.hpp"

#include <algorithm>

namespace lsmtpd::sink {

namespace {

constexpr std::size_t kScratch = 64 * 1024;
// Urls with a series of their own: a plugin may have 100.
constexpr std::size_t kMostPlaces = 32;

}  // namespace

BrokerLane::BrokerLane(const sdk::LaneHost& host, SharedByLanes& shared,
                       const ClientOptions& options, const TargetOptions& targets,
                       BrokerConnection& connection)
    : JobLane(host, {options.in_flight, options.in_flight_bytes, options.queue, options.stall},
              targets, shared.claims.get()),
      shared_(shared),
      options_(options),
      connection_(connection),
      scratch_(kScratch, '\0'),
      rebalance_(host, options, shared.dialing, connection, static_cast<Rebalance::Owner&>(*this)) {
  up_ = host.gauge("output_up",
                   "1 while the output is connected to its broker; 0 while a worker's lane is not.",
                   {}, sdk::Combine::least);
  reconnects_ = host.counter("output_reconnects_total",
                             "Connections to the broker after the first one, of each worker.");
  moves_ = host.counter("output_moves_total",
                        "Connections that went back to the url they began at (`rebalance`).");
  for (std::size_t i = 0; i < std::min(options.urls.size(), kMostPlaces); ++i)
    places_.push_back(host.gauge("output_connections", "Connections of all workers, by url.",
                                 {{"url", to_string(options.urls[i])}}));
  up_.set(0);
  // A lane that is to probe is told so in the same turn.
  host.defer([this] {
    if (!probe_ && !closing()) connect();
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
  if (closing()) return "shutting down";
  if (stall_.stalled()) return "the broker does not answer: messages are overdue";
  if (!connection_.is_open() && connection_.dialer().all_failed()) return failure_;
  if (std::string why = withheld(); !why.empty()) return why;
  if (only_ != nullptr && !only_->refusal().empty()) return only_->name() + ": " + only_->refusal();
  return {};
}

void BrokerLane::turned_away() {
  shared_.reach.turned_away();
  shared_.targets.turned_away();
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

std::string BrokerLane::withdraw(Part* part) {
  part->outlet->forget(part);
  return connection_.is_open() ? "not sent within the deadline"
                               : "not connected within the deadline";
}

// Its outcome may come late; until then new mail goes elsewhere.
void BrokerLane::stall_begins() {
  host().warn("the broker has not answered within the deadline",
              {{"url", to_string(connection_.url())}, {"unsettled", flight_.count()}});
  fail_queued("the broker does not answer");
}

void BrokerLane::stall_ends() {
  host().info("the broker answers again", {{"url", to_string(connection_.url())}});
}

void BrokerLane::fail_queued(std::string_view why) {
  const Outcome outcome = not_sent(why);
  for (auto& [key, outlet] : outlets_) outlet->fail_queued(outcome);
}

void BrokerLane::part_stored(const Part& part) {
  came_home_ = false;
  if (shared_.targets.any()) shared_.targets.passed(host(), part.outlet->name());
}

void BrokerLane::leave(sdk::Closed& done) {
  stay();
  be_nowhere();
  lose_outlets("shutting down");
  rebalance_.stop([this, &done] { connection_.shut([&done] { done(); }); });
}

}  // namespace lsmtpd::sink
