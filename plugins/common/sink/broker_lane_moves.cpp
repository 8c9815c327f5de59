// SPDX-License-Identifier: Apache-2.0
// BrokerLane, third part: going back to the preferred broker.
#include <utility>

#include "broker_lane.hpp"

namespace lsmtpd::sink {

namespace {

// Outcomes that take longer keep the lane where it is: mail waits meanwhile.
constexpr std::chrono::milliseconds kPatience{2000};

}  // namespace

void BrokerLane::home_is_good() {
  if (stall_.stalled()) return rebalance_.again();
  move_once_settled(BrokerConnection::To::home);
}

void BrokerLane::move_once_settled(BrokerConnection::To where) {
  if (closing() || !connection_.is_open()) return;
  to_ = where;
  flight_.hold(true);
  move_timer_ = host().timer(kPatience, [this] {
    stay();
    connection_.wake();
    rebalance_.again();
  });
  move_if_settled();
}

void BrokerLane::part_done(Part& part, Outcome outcome) {
  JobLane::part_done(part, std::move(outcome));
  move_if_settled();
}

// In a turn of its own: an outlet or the connection may be the caller.
void BrokerLane::move_if_settled() {
  if (flight_.on_hold() && flight_.count() == 0) move_timer_ = host().timer({}, [this] { move(); });
}

void BrokerLane::move() {
  stay();
  if (closing() || !connection_.is_open()) return;
  be_nowhere();
  const std::string from = to_string(connection_.url());
  if (to_ == BrokerConnection::To::home) {
    host().info("going back to the preferred broker",
                {{"from", from}, {"to", to_string(connection_.dialer().home_url())}});
    moves_.add();
    came_home_ = true;
  } else {
    host().warn("the preferred broker refuses a target: going on to the next", {{"url", from}});
  }
  flight_.lost(0);
  lose_outlets("moved to another broker");
  connection_.move(to_);
}

void BrokerLane::stay() {
  move_timer_.cancel();
  flight_.hold(false);
}

void BrokerLane::be_nowhere() {
  if (place_ < places_.size()) places_[place_].set(0);
}

}  // namespace lsmtpd::sink
