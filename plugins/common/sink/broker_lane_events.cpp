// SPDX-License-Identifier: Apache-2.0
// BrokerLane, second part: what its connection and its outlets tell it, and the probe that only
// listens to that.
#include <utility>

#include "broker_lane.hpp"

namespace lsmtpd::sink {

void BrokerLane::attempt_failed(Step step, std::string_view why) {
  if (probe_) return probe_failed(step, why);
  failure_ = "broker not reached: " + std::string(to_string(step)) + ": " + std::string(why);
  not_reached(step, why);
  if (connection_.dialer().all_failed()) fail_queued(failure_);
}

void BrokerLane::not_reached(Step step, std::string_view why) {
  up_.set(0);
  const std::string url = to_string(connection_.dialer().tried_url());
  const std::string at(to_string(step));
  shared_.reach.failed(
      host(), {"", at, url + " " + at, url + ": " + std::string(why), waiting_, host().now_ms()});
}

void BrokerLane::reached() {
  if (std::exchange(reached_, true)) return;
  shared_.reach.passed(host(), "");
  up_.set(1);
  place_ = connection_.dialer().current();
  if (place_ < places_.size()) places_[place_].set(1);
  rebalance_.connected();
  if (std::exchange(ever_reached_, true)) reconnects_.add();
  host().info("connected to the broker", {{"url", to_string(connection_.url())},
                                          {"address", connection_.dialer().address()},
                                          {"product", product()}});
  if (!connection_.dialer().passed_over().empty())
    host().warn("addresses of the broker were passed over",
                {{"why", connection_.dialer().passed_over()}});
}

void BrokerLane::connection_open() {
  reached_ = false;
  if (!probe_) {
    for (auto& [key, outlet] : outlets_) outlet->open();
    return;
  }
  outlets_.clear();
  make_only();
  if (only_ != nullptr || !probe_->conclude()) return;
  probe_->good(Step::attach, "not tried: the target depends on the message");
  probe_next();
}

void BrokerLane::connection_lost(std::string_view why) {
  if (reached_) {
    host().warn("connection to the broker lost", {{"why", why}, {"unsettled", flight_.count()}});
  } else {
    not_reached(Step::open, why);
  }
  up_.set(0);
  be_nowhere();
  stay();
  came_home_ = false;
  rebalance_.lost();
  failure_ = "connection to the broker lost: " + std::string(why);
  flight_.lost(flight_.count());
  stall_.reset();
  lose_outlets(why);
  if (connection_.dialer().all_failed()) fail_queued(failure_);
}

void BrokerLane::lose_outlets(std::string_view why) {
  connection_gone();
  for (auto& [key, outlet] : outlets_) outlet->connection_lost(why);
}

bool BrokerLane::refill() {
  bool fed = false;
  for (auto& [key, outlet] : outlets_) fed |= outlet->feed();
  publish();
  // The rest of a large message.
  if (fed) stall_.moved();
  return fed;
}

void BrokerLane::outlet_refused(Outlet& outlet, std::string_view why) {
  if (probe_) return probe_failed(Step::attach, outlet.name() + ": " + std::string(why));
  shared_.targets.failed(host(), {outlet.name(), outlet.name(), std::string(why), std::string(why),
                                  waiting_, host().now_ms()});
  // It took messages where this lane came from.
  if (!std::exchange(came_home_, false)) return;
  rebalance_.rest();
  move_once_settled(BrokerConnection::To::next);
}

void BrokerLane::outlet_rested(Outlet& outlet) {
  if (&outlet == only_ || !outlet.idle()) return outlet.open();
  host().defer([this, raw = &outlet] {
    std::erase_if(outlets_,
                  [raw](const auto& entry) { return entry.second.get() == raw && raw->idle(); });
  });
}

void BrokerLane::give_up(std::string_view why) {
  if (probe_) return probe_failed(Step::attach, why);
  host().warn("giving the connection up", {{"url", to_string(connection_.url())}, {"why", why}});
  // A node that is cut off from its cluster takes connections, and settles nothing.
  if (connection_.dialer().current() == connection_.dialer().home()) rebalance_.rest();
  connection_.leave();
  connection_.replace(why);
}

void BrokerLane::probe(sdk::Call call, sdk::ProbeReport report) {
  probe_ = std::make_unique<ProbeRun>(std::move(call), report, options_.urls.size(),
                                      [this](std::size_t number) { connection_.try_once(number); });
  host().defer([this] { probe_claims(*probe_, [this] { probe_->go_on(); }); });
}

void BrokerLane::step_done(Step step, std::string_view text) {
  if (!probe_) return;
  probe_->good(step, step == Step::resolve ? to_string(connection_.url()) + ": " + std::string(text)
                                           : std::string(text));
}

void BrokerLane::probe_failed(Step step, std::string_view why) {
  if (!probe_->conclude()) return;
  probe_->bad(step, to_string(connection_.url()) + ": " + std::string(why));
  probe_next();
}

void BrokerLane::probe_passed(const Outlet& outlet, const std::string& text) {
  if (!probe_->conclude()) return;
  probe_->good(Step::attach, outlet.name() + ": " + text);
  probe_next();
}

void BrokerLane::probe_next() {
  lose_outlets("probed");
  next_probe_ = host().timer(std::chrono::milliseconds(0),
                             [this] { connection_.shut([this] { probe_->go_on(); }); });
}

}  // namespace lsmtpd::sink
