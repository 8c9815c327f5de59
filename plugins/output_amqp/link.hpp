// SPDX-License-Identifier: Apache-2.0
// A sender link to one target: attaches and re-attaches it, holds the parts that wait for it, and
// gives them to the engine as credit, the lane's limits and the socket allow.
//
// Each link has a session of its own, because RabbitMQ ends the session where it refuses a link.
// A link that was detached is attached again once the engine has ended its session: the broker may
// allow no more at once.
// The lane makes links and owns the parts. Order: enqueue() at any time; attach() when the
// connection is open; opened(), closed() and settled() come from the connection's events; feed()
// from its pump; connection_lost() ends all, enqueue() may go on. Whatever ends a part goes through
// Owner::part_done(), once for each. [loop]
#pragma once

#include <deque>
#include <lsmtpd/sdk/plugin.hpp>
#include <proton/sender.hpp>
#include <proton/session.hpp>
#include <string>
#include <string_view>

#include "amqp_connection.hpp"
#include "encoder.hpp"
#include "job.hpp"

namespace lsmtpd::amqp {

class Link {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // Room for one more unsettled message of this size?
    virtual bool may_send(std::uint64_t bytes) const = 0;
    // How many of the lane's replay are under way, and how many may be.
    virtual std::uint32_t replaying() const = 0;
    virtual std::uint32_t replay_limit(std::uint32_t credit) const = 0;
    // May one more session be opened? The broker limits them.
    virtual bool has_session() const = 0;
    // Asks the broker for the queue's type; link.queue_known() comes later. asks(): that is under
    // way for some link, and takes a session meanwhile.
    virtual void ask_queue(Link& link, const std::string& path) = 0;
    virtual bool asks() const = 0;
    virtual void part_sent(Part& part) = 0;
    virtual void part_done(Part& part, Outcome outcome) = 0;
    virtual void link_attached(Link& link) = 0;
    virtual void link_refused(Link& link, std::string_view why) = 0;
    // The broker did not answer the attach within `connect_timeout`; the link was refused for that.
    virtual void attach_unanswered() = 0;
    // The pause after a refusal is over: attach() it, or drop it later.
    virtual void link_rested(Link& link) = 0;
    // Only a new connection helps.
    virtual void give_up(std::string_view why) = 0;
    virtual std::string* scratch() = 0;  // a buffer that the lane's links share
  };

  Link(sdk::LaneHost host, const Options& options, Target target, std::string name,
       Connection& connection, Owner& owner);

  void attach();
  void attach_soon();  // in the next pump
  void queue_known(const QueueFacts& facts);
  void enqueue(Part* part);
  // Takes a part that was not sent out of the queue.
  void forget(Part* part);
  // Everything that waits unsent gets this outcome.
  void fail_queued(const Outcome& outcome);
  // True: something was given to the engine.
  bool feed();

  void opened();
  void closed(std::string_view why);
  void settled(Part& part);
  // A part that was not sent passed its deadline. Without credit meanwhile the link is refused
  // until some comes, so that nothing else waits for nothing.
  void deadline_passed();
  void connection_lost(std::string_view why);
  // Detaches an idle link.
  void release();

  bool attached() const { return phase_ == Phase::attached; }
  bool has_session() const { return session_ != nullptr; }
  // Empty, or why nothing can go there now.
  const std::string& refusal() const { return refusal_; }
  bool idle() const { return live_.empty() && replay_.empty() && sent_.empty(); }
  bool is(const pn_link_t* link) const { return link_ == link && link != nullptr; }
  bool is(const pn_session_t* session) const { return session_ == session && session != nullptr; }
  const std::string& address() const { return address_; }
  std::uint64_t max_message_size() const;
  std::uint32_t credit() const;
  // What the broker granted and promised, for the log and the probe.
  std::string promises() const;

 private:
  enum class Phase { idle, waiting, asking, attaching, attached, paused };

  bool judge_target();
  std::string refusal_of_target() const;
  void warn_of_target() const;
  void wait_for_session() { phase_ = Phase::waiting; }
  std::string open_sender();
  void detach();
  void pause(std::string_view why);
  void unanswered();
  bool credit_is_usable();
  void watch_credit();
  bool return_credit();
  void lose_sent(std::string_view why);
  Part* choose();
  Part* take(std::deque<Part*>* queue);
  bool ready(Part* part);
  bool begin(Part* part);
  void begin_delivery(Part* part, std::uint64_t bytes);
  bool send_small(Part* part);
  bool stream();
  bool room() const;
  bool too_large_for_link(Part* part, std::uint64_t bytes);
  EncoderOptions encoder_options() const;
  std::string_view copy_id(const Part& part) const { return part.copy_id; }

  sdk::LaneHost host_;
  const Options& options_;
  Target target_;
  std::string name_;
  Connection& connection_;
  Owner& owner_;
  std::string own_annotations_;
  Phase phase_ = Phase::idle;
  std::string address_;
  std::string refusal_;
  std::string where_;  // the broker and the address, for the log
  Judgement judgement_;
  bool judged_ = false;       // for the attach that comes next
  bool starved_ = false;      // refused because there is no credit
  std::uint64_t dry_at_ = 0;  // since when there is none and nothing is unsettled; 0: there is some
  std::string dry_since_;     // the same as a time of day
  proton::session proton_session_;
  proton::sender proton_sender_;
  pn_link_t* link_ = nullptr;
  pn_session_t* session_ = nullptr;
  std::deque<Part*> live_;
  std::deque<Part*> replay_;
  std::vector<Part*> sent_;
  Part* current_ = nullptr;  // sent, but not wholly given to the engine
  std::uint64_t next_tag_ = 1;
  std::uint64_t first_tag_ = 1;  // of this attach
  Failover pauses_;
  std::uint64_t attached_at_ = 0;
  sdk::Timer timer_;  // the wait for an answer to the attach, or for the next attach
};

}  // namespace lsmtpd::amqp
