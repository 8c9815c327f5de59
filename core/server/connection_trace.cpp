// SPDX-License-Identifier: Apache-2.0
// Connection: its dialogue, for operators who wait for it.
#include <fmt/format.h>

#include "server/connection.hpp"

namespace lsmtpd::server {

void Connection::begin_traces() {
  for (const auto& trace : *service_->traces) begin_trace(trace);
}

void Connection::begin_trace(const std::shared_ptr<const Trace>& trace) {
  if (!trace->peers.empty() && !any_contains(trace->peers, remote_.address)) return;
  if (!trace_) {
    Reservation memory(service_->resources.memory);
    if (!trace->to.empty() && !memory.reserve(SessionTrace::kMostKept)) memory.release();
    trace_ = std::make_unique<SessionTrace>(fmt::format("{} {}", number_, remote_.text()),
                                            session_.replies(), std::move(memory));
    session_.set_dialogue(trace_.get());
    trace_->watch(trace);
    trace_->event("listener " + service_->listener.name);
    return;
  }
  trace_->watch(trace);
}

void Connection::end_trace(const Trace& trace) {
  if (!trace_ || trace_->stop(trace)) return;
  session_.set_dialogue(nullptr);
  trace_.reset();
}

}  // namespace lsmtpd::server
