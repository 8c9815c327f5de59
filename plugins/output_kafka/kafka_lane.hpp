// SPDX-License-Identifier: Apache-2.0
// One worker's part of the plugin: a JobLane with a producer of librdkafka and its topics.
//
// A producer a worker, not one for the instance: its events come to this loop, so nothing is locked
// or passed on, and a lane that closes or whose producer fails concerns nobody else. It costs a
// thread for each broker, one beside and the clerk, all idle but for their work.
//
// The producer reconnects by itself. When no broker is reached it is asked until one answers, and
// each topic is looked at again before more is produced; records that librdkafka has stay with it.
// After a fatal error, or a stall, another producer takes its place (retire()).
// [loop]
#pragma once

#include <cstdint>
#include <lsmtpd/sdk/plugin.hpp>
#include <map>
#include <memory>
#include <sink/backoff.hpp>
#include <sink/job_lane.hpp>
#include <sink/password_file.hpp>
#include <sink/probe_run.hpp>
#include <string>
#include <unordered_map>

#include "clerk.hpp"
#include "kafka_handle.hpp"
#include "kafka_options.hpp"
#include "topic_outlet.hpp"

namespace lsmtpd::kafka {

class Lane : public JobLane,
             public sdk::SessionFilter,
             public sdk::Probe,
             private Outlet::Owner,
             private Topic::Cluster {
 public:
  Lane(sdk::LaneHost host, Shared& shared);
  ~Lane() override;

  // Of a delivery; decide() answers at once.
  void cancel(lsmtpd_call call) override { JobLane::cancel(call); }
  // At RCPT, where the topic depends on the recipient: a name that Kafka does not allow.
  void decide(sdk::Call call, const lsmtpd_session_event& event) override;
  void probe(sdk::Call call, sdk::ProbeReport report) override;

 private:
  // retiring: the reports of a producer that is given up are waited for.
  enum class Phase { none, making, reaching, open, retiring };

  // JobLane
  std::string unavailable() const override;
  std::uint64_t size_limit() const override;
  void route(Part* part, const Target& target) override;
  void routed() override { wake(); }
  std::string withdraw(Part* part) override;
  void stall_begins() override;
  void stall_ends() override;
  void stalled_for_too_long() override;
  void fail_queued(std::string_view why) override;
  void turned_away() override;
  void part_stored(const Part& part) override;
  void leave(sdk::Closed& done) override;
  // Outlet::Owner
  const Flight& flight() const override { return flight_; }
  void part_sent(Part& part) override { JobLane::part_sent(part); }
  void part_done(Part& part, Outcome outcome) override {
    JobLane::part_done(part, std::move(outcome));
  }
  void wake() override;
  void outlet_refused(Outlet& outlet, std::string_view why) override;
  void outlet_rested(Outlet& outlet) override;
  // Topic::Cluster
  rd_kafka_t* producer() const override;
  std::uint64_t batch_bytes() const override { return probing() ? 0 : batch_bytes_; }
  void look_at(Topic& topic) override;
  std::uint64_t take(std::unique_ptr<Sending> sending) override;
  Sending* sending(std::uint64_t number) override;
  void drop(std::uint64_t number, Outcome outcome) override;
  void ended(std::uint64_t number, Verdict verdict) override;
  void topic_ready(Topic& topic) override;

  // The producer's life.
  void connect();
  void connect_later();
  void made(tl::expected<std::shared_ptr<Handle>, std::string> handle);
  void reach(std::chrono::milliseconds first);
  void reached(const ClusterAnswer& answer);
  void not_reached(const std::string& why);
  void lost(const std::string& why);
  void looked_at(const std::string& topic, const TopicAnswer& answer);
  void make_room_for(const TopicFacts& facts);
  void replace(const std::string& why);
  void retire(const std::string& why);
  void retired();
  void bury();
  // Posts `function` to the loop; it is dropped where the producer is another one by then.
  template <class Function>
  void post(const Clerk::Token& token, Function function);

  // Its events.
  void drain();
  void handle(rd_kafka_event_t* event);
  void reports(std::uint32_t* budget);
  void report(const rd_kafka_message_t& message);
  void error(rd_kafka_resp_err_t code, const std::string& text);
  void fatal_error(rd_kafka_resp_err_t code, const std::string& text);
  void renew_password();
  void note_denied(const Outcome& outcome);

  Topic* topic_for(const std::string& name);
  bool release_an_idle_topic();
  void feed();
  // The probe.
  bool probing() const { return probe_ != nullptr; }
  void probe_next(std::size_t number);
  void probe_failed(Step step, const std::string& why);
  void probe_steps();
  void probe_done();

  Shared& shared_;
  const Options& options_;
  Password password_;
  std::string given_password_;
  int descriptor_;  // an eventfd that the producer writes to
  sdk::Watch watch_;
  sdk::Reservation memory_;  // of the producer
  std::shared_ptr<Handle> handle_;
  Phase phase_ = Phase::none;
  Clerk::Token token_ = Clerk::token();
  std::uint64_t batch_bytes_ = Handle::kBatchBytes;
  rd_kafka_event_t* event_ = nullptr;  // whose reports are not all taken
  bool draining_ = false;
  std::map<std::string, std::unique_ptr<Topic>> topics_;
  Topic* only_ = nullptr;  // where the topic is fixed
  std::unordered_map<std::uint64_t, std::unique_ptr<Sending>> sendings_;
  std::uint64_t next_number_ = 1;
  bool failed_ = false;  // no broker was reached
  std::string failure_;  // the reason
  Step failed_step_ = Step::connect;
  std::string last_error_;  // of a connection
  std::string retired_why_;
  Backoff pauses_;
  bool ever_reached_ = false;
  bool woken_ = false;
  bool left_ = false;  // leave() was called
  sdk::Closed* leaving_ = nullptr;
  sdk::Timer timer_;
  std::unique_ptr<ProbeRun> probe_;
  std::string probed_;  // the broker that is probed
  sdk::Gauge up_;
  sdk::Counter reconnects_;
  Clerk clerk_;  // the first to go: its jobs end before the rest
};

}  // namespace lsmtpd::kafka
