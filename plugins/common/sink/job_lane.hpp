// SPDX-License-Identifier: Apache-2.0
// One worker's part of an output, whatever its sink: the calls of the host that are open, the
// copies that their messages become, and the limits of both.
//
// deliver() plans the copies of a message, has large bodies stored apart (claims.hpp), and then has
// the sink queue or refuse each copy (route()); the sink says part_sent() when one is on its way,
// and part_done() once for each: the last of a job answers its call. Flight counts, StallWatch
// watches over those whose deadline passed. A sink derives from it. [loop]
#pragma once

#include <functional>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "claims.hpp"
#include "copies.hpp"
#include "flight.hpp"
#include "job.hpp"
#include "probe_run.hpp"
#include "stall_watch.hpp"

namespace lsmtpd::sink {

class JobLane : public sdk::Lane, public sdk::Output, public sdk::Admission {
 public:
  void deliver(sdk::Call call, sdk::Message message, sdk::Delivery delivery) override;
  void cancel(lsmtpd_call call) override;
  sdk::Capacity admission() override;
  void close(sdk::Closed closed) override;

 protected:
  struct Limits {
    std::uint32_t in_flight = 0;
    std::uint64_t in_flight_bytes = 0;
    std::uint32_t queue = 0;  // copies that wait
    std::chrono::milliseconds stall{0};
  };
  // `claims` is null where no body is stored apart.
  JobLane(const sdk::LaneHost& host, const Limits& limits, const TargetOptions& targets,
          Claims* claims = nullptr);

  // Each sink adds these.
  // Why nothing is taken now; empty: it is.
  virtual std::string unavailable() const = 0;
  // Of a message's content that is sent whole; 0: none.
  virtual std::uint64_t size_limit() const = 0;
  // Queues the part for its target, or ends it.
  virtual void route(Part* part, const Target& target) = 0;
  // Parts were queued.
  virtual void routed() = 0;
  // Takes a part that was not sent out of its queue: its deadline passed. Returns the reason for
  // the log.
  virtual std::string withdraw(Part* part) = 0;
  // After the outcome of such a part.
  virtual void withdrawn(Outlet*) {}
  // A deadline passed, and the sink says nothing: the first of a stall; and its end.
  virtual void stall_begins() = 0;
  virtual void stall_ends() = 0;
  // Messages were overdue for too long.
  virtual void stalled_for_too_long() = 0;
  virtual void fail_queued(std::string_view why) = 0;
  // A message of a client was tempfailed.
  virtual void turned_away() = 0;
  virtual Outcome not_sent(std::string_view why) const { return sink::not_sent(why); }
  // The copy is stored.
  virtual void part_stored(const Part&) {}
  // The lane closes: gives what is left an outcome, and calls `done`, now or later.
  virtual void leave(sdk::Closed& done) = 0;

  // For the sink.
  void part_sent(Part& part);
  void part_done(Part& part, Outcome outcome);
  void publish() const;
  bool closing() const { return closed_.has_value(); }
  // Tries the store of claim_check, where there is one, as the first step of a probe; then `next`.
  void probe_claims(ProbeRun& probe, std::function<void()> next);

  Flight flight_;
  StallWatch stall_;
  std::size_t waiting_ = 0;  // parts that are not sent

 private:
  void turn_away(sdk::Call call, bool replay, const std::string& why);
  void begin(std::unique_ptr<Job> job, std::vector<PlannedCopy> copies, std::string_view copy_id);
  void progress(bool replay);
  void finish(Job* job);
  void leave_in(std::chrono::milliseconds pause);
  // Of bodies that are stored apart before their copy is queued.
  struct Storing {
    Part* part;
    Target target;
    std::shared_ptr<Claims::Ticket> ticket;
  };
  void store(Part* part, Target target);
  void stored(std::uint64_t number, Claims::Result result);
  void store_no_more(Part* part);
  void remove_claim(const Part& part);

  const std::size_t queue_;
  const TargetOptions& targets_;
  Claims* const claims_;
  std::uint64_t last_storing_ = 0;
  std::unordered_map<std::uint64_t, Storing> storing_;
  std::unordered_map<lsmtpd_call, std::unique_ptr<Job>> jobs_;
  std::string reason_;  // admission's
  sdk::Gauge unsettled_, held_;
  std::optional<sdk::Closed> closed_;
  sdk::Timer leave_timer_;
};

}  // namespace lsmtpd::sink
