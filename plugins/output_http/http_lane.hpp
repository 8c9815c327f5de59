// SPDX-License-Identifier: Apache-2.0
// One worker's part of the plugin: a JobLane whose sink is one server. A copy is stored once a
// whole 2xx has come.
//
// There is no connection to keep: requests show whether the server is there. After one that was not
// answered nothing is sent for a while, then one request at a time until one is answered (the
// breaker); copies that come while that one is under way wait for it. [loop]
#pragma once

#include <http/breaker.hpp>
#include <lsmtpd/sdk/plugin.hpp>
#include <memory>
#include <sink/job_lane.hpp>
#include <string>

#include "answer_outcome.hpp"
#include "probe.hpp"
#include "sender.hpp"
#include "shared.hpp"

namespace lsmtpd::output_http {

class Lane : public sink::JobLane,
             public sdk::Probe,
             private sink::Outlet::Owner,
             private Sender::Events {
 public:
  Lane(sdk::LaneHost host, Shared& shared);

  void probe(sdk::Call call, sdk::ProbeReport report) override;

 private:
  // JobLane
  std::string unavailable() const override;
  std::uint64_t size_limit() const override;
  void route(sink::Part* part, const sink::Target& target) override;
  void routed() override { wake(); }
  std::string withdraw(sink::Part* part) override;
  void stall_begins() override;
  void stall_ends() override;
  void stalled_for_too_long() override;
  void fail_queued(std::string_view why) override;
  void turned_away() override {}
  sink::Outcome not_sent(std::string_view why) const override;
  void leave(sdk::Closed& done) override;
  // Outlet::Owner
  const sink::Flight& flight() const override { return flight_; }
  void part_sent(sink::Part& part) override { JobLane::part_sent(part); }
  void part_done(sink::Part& part, sink::Outcome outcome) override {
    JobLane::part_done(part, std::move(outcome));
  }
  void wake() override;
  // Sender::Events
  bool admit() override;
  void not_begun() override { breaker_.abandoned(); }
  void request_done(Request& request, CURLcode result) override;

  void feed();
  bool asked_to_wait() const { return shared_.resume_ms.load() > host().now_ms(); }
  void answered(Request& request);
  void unread(Request& request, CURLcode result);
  void failed(Request& request, CURLcode result);
  void reached();
  void note(const Verdict& verdict, long status);
  void wait_as_asked(std::int64_t seconds);

  Shared& shared_;
  const Options& options_;
  http::Breaker breaker_;
  Sender sender_;
  std::string failure_;  // of the last request that was not answered
  // Another request was answered since the last one that was lost: then it may be the message that
  // ends connections, and not the server that is gone.
  bool answered_since_loss_ = false;
  bool woken_ = false;
  std::unique_ptr<ProbeConnection> probe_;
  sdk::Gauge up_;
  sdk::Counter reconnects_;
};

}  // namespace lsmtpd::output_http
