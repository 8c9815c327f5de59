// SPDX-License-Identifier: Apache-2.0
// One message on its way through one route: the route's filters one after the other, then all its
// outputs together, each with its fallback. Settles exactly once. [loop]
//
// The ChainRun keeps it until it has settled or is cancelled; calls that are under way keep both
// alive.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "message/message.hpp"
#include "pipeline/chain.hpp"
#include "pipeline/delivery.hpp"
#include "pipeline/filter_run.hpp"
#include "pipeline/outcome.hpp"

namespace lsmtpd::pipeline {

class RouteRun final : public std::enable_shared_from_this<RouteRun>, private Delivery::Waiting {
 public:
  struct Waiting {
    virtual void route_settled() = 0;

   protected:
    ~Waiting() = default;
  };

  // `message` has the recipients of `route` only. `ends_at_ms`: when timeouts.chain passes; 0:
  // never.
  RouteRun(std::shared_ptr<const Chain> chain, const Route& route, message::Message message,
           uint64_t ends_at_ms);
  ~RouteRun();

  // `waiting` is kept and told once, perhaps from inside. `skip_filters`: a filter of the chain
  // said that no other is to be asked.
  void run(std::shared_ptr<Waiting> waiting, bool skip_filters);
  void chain_overdue();
  // The client is gone. True: the outputs have not begun, nothing will be stored, and `waiting` is
  // not told.
  bool cancel();
  bool outputs_begun() const { return !deliveries_.empty(); }

  // Once it has settled.
  const Route& route() const { return route_; }
  const Outcome& outcome() const { return outcome_; }
  // As the route's filters left it.
  const message::Message& message() const { return message_; }
  // Some output answered recipient by recipient.
  bool by_recipient() const;
  struct OfRecipient {
    Fate fate = Fate::stored;
    smtp::Reply reply = {};
    std::string told = {};  // for the log: "stored by spool"
  };
  // Of the recipient at this place in the envelope of message().
  OfRecipient of_recipient(size_t place) const;

 private:
  void take_filters(FilterRun::End end);
  bool is_too_large();
  void start_outputs();
  void output_settled() override;
  Outcome merge() const;
  void settle(Outcome outcome);
  // Follows the message's id in the id of the copy for `step`; may be empty.
  std::string copy_suffix(const OutputStep& step) const;

  const std::shared_ptr<const Chain> chain_;
  const Route& route_;
  message::Message message_;
  const uint64_t ends_at_ms_;
  std::shared_ptr<Waiting> waiting_;
  FilterRun filters_;
  std::vector<std::shared_ptr<Delivery>> deliveries_;
  size_t unsettled_ = 0;
  Outcome outcome_;
};

}  // namespace lsmtpd::pipeline
