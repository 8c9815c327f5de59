// SPDX-License-Identifier: Apache-2.0
// One worker's part of the plugin: one connection, its links, and the calls of the host that are
// open.
//
// deliver() plans the copies of a message, queues them on their links and wakes the connection; its
// pump asks refill(), which lets each link send what credit and the limits here allow; the broker's
// outcomes come back through part_done(), and the last of a job answers its call. Flight
// (flight.hpp) counts, check_stall() watches over overdue deliveries. A lane that is probed
// gets nothing else to do (probe.hpp). [loop]
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "amqp_connection.hpp"
#include "flight.hpp"
#include "job.hpp"
#include "link.hpp"
#include "management.hpp"
#include "probe.hpp"
#include "shared.hpp"

namespace lsmtpd::amqp {

class Lane : public sdk::Lane,
             public sdk::Output,
             public sdk::Admission,
             public sdk::Probe,
             private Connection::Owner,
             private Link::Owner {
 public:
  Lane(sdk::LaneHost host, Shared& shared);

  void deliver(sdk::Call call, sdk::Message message, sdk::Delivery delivery) override;
  void cancel(lsmtpd_call call) override;
  sdk::Capacity admission() override;
  void probe(sdk::Call call, sdk::ProbeReport report) override;
  void close(sdk::Closed closed) override;

 private:
  // Connection::Owner
  void step_done(Step step, std::string_view text) override;
  void attempt_failed(Step step, std::string_view why) override;
  void connection_open() override;
  void connection_lost(std::string_view why) override;
  bool refill() override;
  void sender_open(pn_link_t* link) override;
  void link_closed(pn_link_t* link, std::string_view why) override;
  bool message_arrived(pn_link_t* link, const proton::message& message) override;
  void session_closed(pn_session_t* session, std::string_view why) override;
  void delivery_updated(pn_delivery_t* delivery) override;
  // Link::Owner
  bool may_send(std::uint64_t bytes) const override { return flight_.has_room(bytes); }
  std::uint32_t replaying() const override { return flight_.replaying(); }
  std::uint32_t replay_limit(std::uint32_t credit) const override {
    return flight_.replay_limit(credit);
  }
  bool has_session() const override;
  void ask_queue(Link& link, const std::string& path) override;
  bool asks() const override { return management_.has_session(); }
  void part_sent(Part& part) override;
  void part_done(Part& part, Outcome outcome) override;
  void link_attached(Link& link) override;
  void link_refused(Link& link, std::string_view why) override;
  void attach_unanswered() override;
  void link_rested(Link& link) override;
  void give_up(std::string_view why) override;
  std::string* scratch() override { return &scratch_; }

  void turn_away(sdk::Call call, bool replay, const std::string& why);
  void connect();
  void make_fixed();
  void progress(bool replay);
  void reached();
  void not_reached(Step step, std::string_view why);
  void probe_failed(Step step, std::string_view why);
  void probe_attached();
  void probe_next();
  std::string unavailable() const;
  Link* link_for(const Target& target);
  Link* make_link(const Target& target);
  bool release_an_idle_link();
  void begin(std::unique_ptr<Job> job, std::vector<PlannedCopy> copies, std::string_view copy_id);
  void finish(Job* job);
  void fail_queued(std::string_view why);
  void stalled();
  void check_stall();
  void watch_stall(std::uint64_t ms);
  void leave();

  Shared& shared_;
  const Options& options_;
  std::string own_name_;  // no other lane or process has it
  std::string container_id_;
  std::string scratch_;
  Connection connection_;
  Management management_;
  Flight flight_;
  std::map<std::string, std::unique_ptr<Link>> links_;
  Link* fixed_ = nullptr;  // where all messages go to one target
  std::unordered_map<lsmtpd_call, std::unique_ptr<Job>> jobs_;
  std::size_t waiting_ = 0;  // parts that are not sent
  std::string reason_;       // admission's
  std::string failure_;      // of the last attempt
  bool reached_ = false;     // the present connection is a good one
  sdk::Timer reached_timer_;
  bool stalled_ = false;
  std::size_t overdue_ = 0;  // jobs
  std::uint64_t progress_at_ = 0;
  sdk::Timer stall_timer_;
  std::unique_ptr<ProbeRun> probe_;
  std::optional<sdk::Closed> closed_;
  sdk::Timer leave_timer_;
};

}  // namespace lsmtpd::amqp
