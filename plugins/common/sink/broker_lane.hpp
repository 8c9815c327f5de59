// SPDX-License-Identifier: Apache-2.0
// One worker's part of an output to brokers: one connection, its outlets, and the calls of the host
// that are open.
//
// deliver() plans the copies of a message, queues them on the outlets of their targets and wakes
// the connection; its pump asks refill(), which lets each outlet send what the limits here allow;
// the broker's outcomes come back through part_done(), and the last of a job answers its call.
// Flight counts, StallWatch watches over what is overdue. A lane that is probed gets nothing else
// to do (probe_run.hpp). A protocol derives from it and adds what its connection and its outlets
// tell it beyond that. [loop]
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker_connection.hpp"
#include "copies.hpp"
#include "outage.hpp"
#include "outlet.hpp"
#include "probe_run.hpp"
#include "stall_watch.hpp"

namespace lsmtpd::sink {

// The lanes of one instance share it: the brokers' addresses, and the faults that the log tells
// once for all workers. Made and destroyed by the instance, which outlives its lanes.
struct SharedByLanes {
  AddressBook addresses;
  Outage reach{{LSMTPD_LOG_WARN, "broker not reached", "broker still not reached",
                "broker reached again", "step"}};
  Outage targets{{LSMTPD_LOG_ERROR, "the target was refused", "the target is still refused",
                  "the target is no longer refused", "address"}};
};

class BrokerLane : public sdk::Lane,
                   public sdk::Output,
                   public sdk::Admission,
                   public sdk::Probe,
                   protected BrokerConnection::Owner,
                   protected Outlet::Owner {
 public:
  void deliver(sdk::Call call, sdk::Message message, sdk::Delivery delivery) override;
  void cancel(lsmtpd_call call) override;
  sdk::Capacity admission() override;
  void probe(sdk::Call call, sdk::ProbeReport report) override;
  void close(sdk::Closed closed) override;

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
  // Of a message's content; 0: none.
  virtual std::uint64_t size_limit() const = 0;
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
  void part_sent(Part& part) override;
  void part_done(Part& part, Outcome outcome) override;
  void outlet_refused(Outlet& outlet, std::string_view why) override;
  void outlet_rested(Outlet& outlet) override;
  void give_up(std::string_view why) override;
  void wake() override { connection_.wake(); }
  std::string* scratch() override { return &scratch_; }

  // The present connection is a good one.
  void reached();
  void fail_queued(std::string_view why);
  const Outlets& outlets() const { return outlets_; }
  Outlet* only() const { return only_; }
  bool probing() const { return probe_ != nullptr; }
  // The broker that is probed has the target, and `text` says what it promises.
  void probe_passed(const Outlet& outlet, const std::string& text);

 private:
  void connect();
  void make_only();
  std::string unavailable() const;
  void turn_away(sdk::Call call, bool replay, const std::string& why);
  void count_turned_away();
  void begin(std::unique_ptr<Job> job, std::vector<PlannedCopy> copies, std::string_view copy_id);
  void route(Part* part, const Target& target);
  Outlet* outlet_for(const Target& target);
  Outlet* add_outlet(const Target& target);
  bool release_an_idle_outlet();
  void stalled();
  void progress(bool replay);
  void finish(Job* job);
  void not_reached(Step step, std::string_view why);
  void lose_outlets(std::string_view why);
  void publish() const;
  void leave_in(std::chrono::milliseconds pause);
  void leave();
  void probe_failed(Step step, std::string_view why);
  void probe_next();

  SharedByLanes& shared_;
  const ClientOptions& options_;
  const TargetOptions& targets_;
  BrokerConnection& connection_;
  std::string scratch_;
  Flight flight_;
  StallWatch stall_;
  Outlets outlets_;
  Outlet* only_ = nullptr;  // where all messages go by one outlet
  std::unordered_map<lsmtpd_call, std::unique_ptr<Job>> jobs_;
  std::size_t waiting_ = 0;  // parts that are not sent
  std::string reason_;       // admission's
  std::string failure_;      // of the last attempt
  bool reached_ = false;
  bool ever_reached_ = false;
  std::unique_ptr<ProbeRun> probe_;
  sdk::Gauge up_, unsettled_, held_;
  sdk::Counter reconnects_;
  std::optional<sdk::Closed> closed_;
  sdk::Timer leave_timer_;
};

}  // namespace lsmtpd::sink
