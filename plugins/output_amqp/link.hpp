// SPDX-License-Identifier: Apache-2.0
// A sender link to one target, or to the anonymous terminus, where each message names its target
// (sink/outlet.hpp): attaches and re-attaches it, and gives the parts
// that wait to the engine as credit, the lane's limits and the socket allow.
//
// Each link has a session of its own, because RabbitMQ ends the session where it refuses a link.
// A link that was detached is attached again once the engine has ended its session: the broker may
// allow no more at once. opened(), closed() and settled() come from the connection's events. [loop]
#pragma once

#include <lsmtpd/sdk/plugin.hpp>
#include <proton/sender.hpp>
#include <proton/session.hpp>
#include <string>
#include <string_view>
#include <vector>

#include <sink/backoff.hpp>
#include <sink/outlet.hpp>
#include "amqp_connection.hpp"
#include "disposition.hpp"
#include "encoder.hpp"

namespace lsmtpd::amqp {

class Link : public Outlet {
 public:
  // The sessions of the connection, which the broker limits, and what becomes of attaches. The
  // lane.
  class Sessions {
   public:
    virtual ~Sessions() = default;
    // May one more session be opened?
    virtual bool has_session() const = 0;
    // Asks the broker for the queue's type; link.queue_known() comes later. asks(): that is under
    // way for some link, and takes a session meanwhile.
    virtual void ask_queue(Link& link, const std::string& path) = 0;
    virtual bool asks() const = 0;
    virtual void link_attached(Link& link) = 0;
    // The broker did not answer the attach within `connect_timeout`; the link was refused for that.
    virtual void attach_unanswered() = 0;
  };

  Link(sdk::LaneHost host, const Options& options, Target target, std::string name,
       Connection& connection, Outlet::Owner& lane, Sessions& sessions);

  // Outlet. The name is the target's address, or says that there is none.
  std::string name() const override { return address_; }
  void open() override { attach(); }
  bool feed() override;
  // Without credit meanwhile the link is refused until some comes, so that nothing else waits for
  // nothing.
  void deadline_passed() override;
  void connection_lost(std::string_view why) override;
  // Detaches it.
  void release() override;

  void attach_soon();  // in the next pump
  void queue_known(const QueueFacts& facts);
  void opened();
  void closed(std::string_view why);
  void settled(pn_delivery_t* delivery, Part& part);

  bool attached() const { return phase_ == Phase::attached; }
  bool has_session() const { return session_ != nullptr; }
  bool is(const pn_link_t* link) const { return link_ == link && link != nullptr; }
  bool is(const pn_session_t* session) const { return session_ == session && session != nullptr; }
  std::uint64_t max_message_size() const;
  std::uint32_t credit() const;
  // The credit and the promises of the broker, for the log and the probe.
  std::string promises() const;

 private:
  enum class Phase { idle, waiting, asking, attaching, attached, paused };

  struct Sent {
    Part* part;
    pn_delivery_t* delivery;
  };

  bool has_sent() const override { return !sent_.empty(); }
  std::unique_ptr<Source> source(const Part& part, const sdk::Message& message) const override;
  void attach();
  bool judge_target();
  std::string refusal_of_target() const;
  std::string address_of(const Target& target) const;
  // The address that the message names.
  std::string address_for(const Part& part) const;
  // Over the anonymous terminus: why its address is known to lose what it accepts.
  std::string refusal_of_address(const Part& part) const;
  void warn_of_target() const;
  void wait_for_session() { phase_ = Phase::waiting; }
  std::string open_sender();
  void detach();
  void pause(std::string_view why);
  void unanswered();
  bool credit_is_usable();
  void watch_credit();
  bool return_credit();
  void forget_deliveries();
  void lose_sent(std::string_view why);
  bool begin(Part* part);
  void begin_delivery(Part* part, std::uint64_t bytes);
  bool send_small(Part* part);
  bool stream();
  bool room() const;
  bool too_large_for_link(Part* part, std::uint64_t bytes);
  EncoderOptions encoder_options() const;

  const Options& options_;
  Target target_;
  std::string name_;
  Connection& connection_;
  Sessions& sessions_;
  Phase phase_ = Phase::idle;
  std::string address_;
  std::string where_;  // the broker, before an address in the log
  Judgement judgement_;
  bool judged_ = false;       // for the attach that comes next
  bool starved_ = false;      // refused because there is no credit
  std::uint64_t dry_at_ = 0;  // since when there is none and nothing is unsettled; 0: there is some
  std::string dry_since_;     // the same as a time of day
  proton::session proton_session_;
  proton::sender proton_sender_;
  pn_link_t* link_ = nullptr;
  pn_session_t* session_ = nullptr;
  std::vector<Sent> sent_;
  std::uint64_t next_tag_ = 1;
  std::uint64_t first_tag_ = 1;  // of this attach
  Backoff pauses_;
  std::uint64_t attached_at_ = 0;
  sdk::Timer timer_;  // the wait for an answer to the attach, or for the next attach
};

}  // namespace lsmtpd::amqp
