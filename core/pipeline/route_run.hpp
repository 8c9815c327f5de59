// SPDX-License-Identifier: Apache-2.0
// One message on its way through one route: the route's filters one after the other, then all its
// outputs together, each with its fallback. Settles exactly once. [loop]
//
// It is a part of its ChainRun, which calls that are under way keep alive.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "message/message.hpp"
#include "pipeline/chain.hpp"
#include "pipeline/delivery.hpp"
#include "pipeline/filter_run.hpp"
#include "pipeline/outcome.hpp"

namespace lsmtpd::pipeline {

class RouteRun final : private Delivery::Waiting {
 public:
  struct Waiting {
    virtual void route_settled() = 0;

   protected:
    ~Waiting() = default;
  };

  // `chain`, which has the route, and `waiting` outlive it. `message` has the recipients of `route`
  // only. `ends_at_ms`: when timeouts.chain passes; 0: never.
  RouteRun(const std::shared_ptr<const Chain>& chain, const Route& route, message::Message message,
           uint64_t ends_at_ms, Waiting& waiting);
  ~RouteRun();
  RouteRun(const RouteRun&) = delete;
  RouteRun& operator=(const RouteRun&) = delete;

  // `waiting` is told once, perhaps from inside. `owner` keeps this alive while a plugin is asked.
  // `skip_filters`: a filter of the chain said that no other is to be asked.
  void run(const std::shared_ptr<void>& owner, bool skip_filters);
  // timeouts.chain passed. The caller keeps the owner meanwhile.
  void chain_overdue();
  // The client is gone, and the outputs have not begun: nothing will be stored, and `waiting` is
  // not told.
  void cancel();
  bool outputs_begun() const { return !deliveries_.empty(); }

  // Once it has settled.
  const Route& route() const { return route_; }
  const Outcome& outcome() const { return outcome_; }
  Outcome take_outcome() { return std::move(outcome_); }  // of the only route; nobody asks again
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
  void take_filters(FilterRun::End end, const std::shared_ptr<void>& owner);
  bool is_too_large();
  void start_outputs(const std::shared_ptr<void>& owner);
  void output_settled() override;
  void merge();
  void settle();

  const std::shared_ptr<const Chain>& chain_;
  const Route& route_;
  message::Message message_;
  const uint64_t ends_at_ms_;
  Waiting& waiting_;
  bool settled_ = false;
  std::optional<FilterRun> filters_;  // while or after they are asked
  std::vector<std::shared_ptr<Delivery>> deliveries_;
  size_t unsettled_ = 0;
  Outcome outcome_;
};

}  // namespace lsmtpd::pipeline
