// SPDX-License-Identifier: Apache-2.0
// Worker: what it tells of itself, and an operator's orders.
#include "server/worker.hpp"

namespace lsmtpd::server {

void Worker::report() {
  auto made = std::make_shared<WorkerReport>();
  made->at_ms = report_clock_ms();
  for (const auto& [name, chain] : current_->chains) {
    auto admission = chain.admission();
    made->chains.push_back({name, admission.ready, std::move(admission.reason)});
  }
  for (const auto& [name, lane] : current_->lanes) {
    const plugin::Instance& instance = lane->instance();
    if (!instance.output()) continue;
    auto said = pipeline::readiness(*lane);
    made->outputs.push_back({.plugin = name,
                             .ready = said.ready,
                             .reason = std::move(said.reason),
                             .fallback = instance.settings().fallback,
                             .held = instance.is_held()});
  }
  reports_->publish(std::move(made));
}

void Worker::retry_now(const std::string& selection, std::function<void(size_t)> done) {
  loop_.post([this, selection, done = std::move(done)] { done(lanes_.retry_now(selection)); });
}

void Worker::begin_trace(std::shared_ptr<const Trace> trace) {
  loop_.post([this, trace = std::move(trace)] {
    traces_.push_back(trace);
    for (auto* connection : all_connections()) connection->begin_trace(trace);
  });
}

void Worker::end_trace(std::shared_ptr<const Trace> trace) {
  loop_.post([this, trace = std::move(trace)] {
    std::erase(traces_, trace);
    for (auto* connection : all_connections()) connection->end_trace(*trace);
  });
}

void Worker::list_sessions(size_t most, Sessions done) {
  loop_.post([this, most, done = std::move(done)] {
    std::vector<SessionInfo> some;
    for (const auto& [connection, owner] : connections_) {
      if (some.size() == most) break;
      some.push_back(connection->describe());
      some.back().worker = index_;
    }
    done(std::move(some), connections_.size());
  });
}

}  // namespace lsmtpd::server
