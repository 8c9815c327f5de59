// SPDX-License-Identifier: Apache-2.0
#include "pipeline/chain_run.hpp"

#include <utility>

#include "pipeline/merged_outcome.hpp"
#include "pipeline/recipients.hpp"

namespace lsmtpd::pipeline {

ChainRun::ChainRun(Private, std::shared_ptr<const Chain> chain, message::Message message)
    : chain_(std::move(chain)),
      message_(std::move(message)),
      asked_for_(message_.envelope),
      deadline_([this] { chain_overdue(); }) {}

ChainRun::~ChainRun() = default;

std::optional<Outcome> ChainRun::run(Finished finished) {
  running_ = true;
  chain_->deadlines->arm(deadline_, chain_->deadline_ms);
  if (chain_->deadline_ms) ends_at_ms_ = chain_->deadlines->now() + chain_->deadline_ms;
  run_filters();
  running_ = false;
  if (outcome_) return std::move(outcome_);  // stays engaged: finish() came
  finished_ = std::move(finished);
  return std::nullopt;
}

void ChainRun::run_filters() {
  if (chain_->filters.empty()) return start_routes(false);
  filters_.emplace(chain_->filters, *chain_->deadlines);
  auto end = filters_->run(message_, ends_at_ms_, shared_from_this(),
                           [this](FilterRun::End later, const std::shared_ptr<void>&) {
                             take_filters(std::move(later));
                           });
  if (end) take_filters(std::move(*end));
}

void ChainRun::take_filters(FilterRun::End end) {
  if (!end.outcome) {
    start_routes(end.skip);
    return;
  }
  outcome_ = std::move(end.outcome);
  outcome_->size = message_.size();
  tell();
}

// Each route with recipients gets a copy with these. The filters may have changed them, so they are
// looked up here again; one that a filter put in, and that the chain would refuse at RCPT, takes
// the chain's own outputs.
void ChainRun::start_routes(bool skip_filters) {
  if (!chain_->table) {
    add_route(0, std::move(message_));
  } else {
    const auto& recipients = message_.envelope->recipients;
    std::vector<std::vector<bool>> of_route(chain_->routes.size());
    for (size_t i = 0; i < recipients.size(); ++i) {
      auto& marked = of_route[chain_->route_of(recipients[i].address).value_or(0)];
      marked.resize(recipients.size());
      marked[i] = true;
    }
    for (size_t place = 0; place < of_route.size(); ++place) {
      if (!of_route[place].empty()) add_route(place, with_recipients(message_, of_route[place]));
    }
    if (routes_.empty()) add_route(0, std::move(message_));  // filters took every recipient away
  }
  unsettled_ = routes_.size();
  const auto self = shared_from_this();
  for (auto& route : routes_) route.run(self, skip_filters);
}

void ChainRun::add_route(size_t place, message::Message message) {
  routes_.emplace_back(chain_, chain_->routes[place], std::move(message), ends_at_ms_,
                       static_cast<RouteRun::Waiting&>(*this));
}

void ChainRun::route_settled() {
  if (--unsettled_ > 0) return;
  outcome_.emplace(merged_outcome(routes_, *asked_for_));
  if (chain_->table) {
    for (const auto& route : routes_) outcome_->routes.push_back(route.route().name);
  }
  tell();
}

void ChainRun::chain_overdue() {
  auto self = shared_from_this();
  if (routes_.empty()) {
    filters_->chain_overdue();
    return;
  }
  for (auto& route : routes_) route.chain_overdue();
}

void ChainRun::tell() {
  deadline_.disarm();
  if (!running_ && finished_) std::exchange(finished_, nullptr)(*outcome_);
}

bool ChainRun::cancel() {
  if (outcome_) return false;
  for (const auto& route : routes_) {
    if (route.outputs_begun()) return false;
  }
  auto self = shared_from_this();
  if (filters_) filters_->abandon();
  for (auto& route : routes_) route.cancel();
  finished_ = nullptr;
  outcome_ = {Fate::tempfail, {}, "the client is gone"};
  tell();
  return true;
}

}  // namespace lsmtpd::pipeline
