// SPDX-License-Identifier: Apache-2.0
// One worker's part of an output to brokers: a JobLane with one connection and its outlets.
//
// Copies are queued on the outlets of their targets, and the connection is woken; its pump asks
// refill(), which lets each outlet send what the limits here allow; the broker's outcomes come back
// through part_done(). A lane that is probed gets nothing else to do (probe_run.hpp). Where
// Rebalance finds the preferred broker back, nothing more is sent until all is settled; then the
// connection moves, and what waited goes there. A protocol derives from it and adds what its
// connection and its outlets tell it beyond that. [loop]
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker_connection.hpp"
#include "claims.hpp"
#include "job_lane.hpp"
#include "outage.hpp"
#include "outlet.hpp"
#include "probe_run.hpp"
#include "rebalance.hpp"

namespace lsmtpd::sink {

// The lanes of one instance share it: how brokers are reached, and the faults that the log tells
// once for all workers. Made and destroyed by the instance, which outlives its lanes.
struct SharedByLanes {
  Dialing dialing;
  Outage reach{kReachWords};
  Outage targets{kTargetWords};
  std::unique_ptr<Claims> claims;  // null: no body is stored apart
};

class BrokerLane : public JobLane,
                   public sdk::Probe,
                   protected BrokerConnection::Owner,
                   protected Outlet::Owner,
                   private Rebalance::Owner {
 public:
  void probe(sdk::Call call, sdk::ProbeReport report) override;

 protected:
  using Outlets = std::map<std::string, std::unique_ptr<Outlet>>;
  struct OutletLimit {
    std::size_t most;
    const char* option;  // that sets it
  };

  // The connection may be a member of the derived class: it is used later only.
  BrokerLane(const sdk::LaneHost& host, SharedByLanes& shared, const ClientOptions& options,
             const TargetOptions& targets, BrokerConnection& connection);

  // Each protocol adds these.
  // Where all messages go by one outlet.
  virtual std::optional<Target> only_target() const = 0;
  // Targets of one key share an outlet.
  virtual std::string key_of(const Target& target) const = 0;
  // Opens it, where the connection is open.
  virtual std::unique_ptr<Outlet> make_outlet(const Target& target, const std::string& key) = 0;
  virtual OutletLimit outlet_limit() const = 0;
  // Of a target that no broker can have.
  virtual std::optional<Outcome> impossible(const Target&) const { return std::nullopt; }
  // Why the broker takes nothing now; empty: it does.
  virtual std::string withheld() const { return {}; }
  virtual std::string product() const = 0;  // "RabbitMQ 4.0.5"
  // Forgets what belonged to the connection, besides the outlets.
  virtual void connection_gone() = 0;

  // BrokerConnection::Owner
  void step_done(Step step, std::string_view text) override;
  void attempt_failed(Step step, std::string_view why) override;
  void connection_open() override;
  void connection_lost(std::string_view why) override;
  bool refill() override;
  // Outlet::Owner
  const Flight& flight() const override { return flight_; }
  void part_sent(Part& part) override { JobLane::part_sent(part); }
  void part_done(Part& part, Outcome outcome) override;
  void outlet_refused(Outlet& outlet, std::string_view why) override;
  void outlet_rested(Outlet& outlet) override;
  void give_up(std::string_view why) override;
  void wake() override { connection_.wake(); }
  std::string* scratch() override { return &scratch_; }
  // JobLane
  void fail_queued(std::string_view why) override;

  // The present connection is a good one.
  void reached();
  const Outlets& outlets() const { return outlets_; }
  Outlet* only() const { return only_; }
  Dialing& dialing() { return shared_.dialing; }
  bool probing() const { return probe_ != nullptr; }
  // The broker that is probed has the target, and `text` says what it promises.
  void probe_passed(const Outlet& outlet, const std::string& text);

 private:
  void connect();
  void make_only();
  // Rebalance::Owner, whose make_trial() each protocol has
  void home_is_good() override;
  void move_once_settled(BrokerConnection::To where);
  void move_if_settled();
  void move();
  void stay();
  void be_nowhere();
  // JobLane
  std::string unavailable() const override;
  void route(Part* part, const Target& target) override;
  void routed() override { connection_.wake(); }
  std::string withdraw(Part* part) override;
  void withdrawn(Outlet* outlet) override { outlet->deadline_passed(); }
  void stall_begins() override;
  void stall_ends() override;
  void stalled_for_too_long() override { give_up("no outcome for messages that are overdue"); }
  void turned_away() override;
  void part_stored(const Part& part) override;
  void leave(sdk::Closed& done) override;
  Outlet* outlet_for(const Target& target);
  Outlet* add_outlet(const Target& target);
  bool release_an_idle_outlet();
  void not_reached(Step step, std::string_view why);
  void lose_outlets(std::string_view why);
  void probe_failed(Step step, std::string_view why);
  void probe_next();

  SharedByLanes& shared_;
  const ClientOptions& options_;
  BrokerConnection& connection_;
  std::string scratch_;
  Outlets outlets_;
  Outlet* only_ = nullptr;  // where all messages go by one outlet
  std::string failure_;     // of the last attempt
  bool reached_ = false;
  bool ever_reached_ = false;
  std::unique_ptr<ProbeRun> probe_;
  sdk::Gauge up_;
  sdk::Counter reconnects_;
  sdk::Counter moves_;
  std::vector<sdk::Gauge> places_;  // by number of the url
  std::size_t place_ = 0;
  sdk::Timer next_probe_;
  Rebalance rebalance_;
  BrokerConnection::To to_ = BrokerConnection::To::home;
  bool came_home_ = false;  // and nothing was stored there yet
  sdk::Timer move_timer_;   // the wait until all is settled, or the turn after it
};

}  // namespace lsmtpd::sink
