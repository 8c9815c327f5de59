// SPDX-License-Identifier: Apache-2.0
// One message on its way through a chain: the chain's filters one after the other, then the routes
// of its recipients together. Gives exactly one Outcome. [loop]
//
// The Connection keeps a shared_ptr until it has the Outcome or cancels; calls that are under way
// keep it alive until they are answered or abandoned.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>

#include "message/message.hpp"
#include "pipeline/chain.hpp"
#include "pipeline/filter_run.hpp"
#include "pipeline/outcome.hpp"
#include "pipeline/route_run.hpp"

namespace lsmtpd::pipeline {

class ChainRun final : public std::enable_shared_from_this<ChainRun>, private RouteRun::Waiting {
  struct Private {  // only make() makes one
    explicit Private() = default;
  };

 public:
  using Finished = std::function<void(Outcome)>;

  static std::shared_ptr<ChainRun> make(std::shared_ptr<const Chain> chain,
                                        message::Message message) {
    return std::make_shared<ChainRun>(Private(), std::move(chain), std::move(message));
  }
  ChainRun(Private, std::shared_ptr<const Chain> chain, message::Message message);
  ~ChainRun();

  // The Outcome, or nothing: then `finished` gets it later, once, never from inside run().
  std::optional<Outcome> run(Finished finished);

  // The client is gone. Before the outputs start nothing will be stored (true, and `finished` does
  // not come); afterwards the message goes on its way (false, and `finished` still comes).
  bool cancel();

 private:
  void run_filters();
  void take_filters(FilterRun::End end);
  void start_routes(bool skip_filters);
  void add_route(size_t place, message::Message message);
  void route_settled() override;
  void chain_overdue();
  void tell();  // of outcome_
  const std::shared_ptr<const Chain> chain_;
  message::Message message_;
  const std::shared_ptr<const message::Envelope> asked_for_;  // before any filter
  Finished finished_;
  bool running_ = false;  // inside run(): the outcome is returned, not handed on
  std::optional<Outcome> outcome_;

  std::optional<FilterRun> filters_;  // where the chain has some
  Deadlines::Entry deadline_;
  uint64_t ends_at_ms_ = 0;

  std::list<RouteRun> routes_;  // they stay where they are: calls under way point to them
  size_t unsettled_ = 0;
};

}  // namespace lsmtpd::pipeline
