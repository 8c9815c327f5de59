// SPDX-License-Identifier: Apache-2.0
// Lane, first part: the way of a copy to the sender.
#include "http_lane.hpp"

#include "target_path.hpp"

namespace lsmtpd::output_http {

Lane::Lane(sdk::LaneHost host, Shared& shared)
    : JobLane(host,
              {shared.options.connections, shared.options.in_flight_bytes, shared.options.queue,
               shared.options.stall},
              shared.options.target),
      shared_(shared),
      options_(shared.options),
      breaker_(1, static_cast<std::uint64_t>(options_.reconnect_first.count()),
               static_cast<std::uint64_t>(options_.reconnect_last.count())),
      sender_(host, static_cast<sink::Outlet::Owner&>(*this), static_cast<Sender::Events&>(*this),
              shared) {
  up_ = host.gauge("output_up",
                   "1 while the output is connected to its broker; 0 while a worker's lane is not.",
                   {}, sdk::Combine::least);
  reconnects_ = host.counter("output_reconnects_total",
                             "Connections to the broker after the first one, of each worker.");
  up_.set(1);  // nothing is known against it
}

std::string Lane::unavailable() const {
  if (closing()) return "shutting down";
  if (stall_.stalled()) return "the server does not answer: requests are overdue";
  if (breaker_.pausing(host().now_ms())) return failure_;
  if (asked_to_wait()) return "the server asked to wait (Retry-After)";
  return {};
}

std::uint64_t Lane::size_limit() const {
  return options_.max_message == 0 ? 0 : sink::content_limit(options_.format, options_.max_message);
}

// The path stands where brokers have a routing key.
void Lane::route(sink::Part* part, const sink::Target& target) {
  if (leaves_its_place(target.address)) return part_done(*part, leaves_path());
  part->routing_key = target.address;
  sender_.enqueue(part);
}

std::string Lane::withdraw(sink::Part* part) {
  sender_.forget(part);
  return "not sent within the deadline";
}

void Lane::fail_queued(std::string_view why) {
  sender_.fail_queued(output_http::not_sent(why));
}

sink::Outcome Lane::not_sent(std::string_view why) const {
  return output_http::not_sent(why);
}

// At the end of this turn: several messages may have come, and a caller may still use its part.
void Lane::wake() {
  if (woken_) return;
  woken_ = true;
  host().defer([this] {
    woken_ = false;
    feed();
  });
}

void Lane::feed() {
  if (asked_to_wait()) fail_queued("the server asked to wait (Retry-After)");
  (void)sender_.feed();
  publish();
}

bool Lane::admit() {
  return !closing() && !stall_.stalled() && !asked_to_wait() && breaker_.admit(host().now_ms());
}

// Its outcome may come late; until then new mail goes elsewhere.
void Lane::stall_begins() {
  host().warn("the server has not answered within the deadline",
              {{"url", options_.url}, {"unsettled", flight_.count()}});
  up_.set(0);
  fail_queued("the server does not answer");
}

void Lane::stall_ends() {
  host().info("the server answers again", {{"url", options_.url}});
  up_.set(1);
}

void Lane::stalled_for_too_long() {
  sender_.abort([this](const Request& request) { return stall_.is_overdue(*request.part->job); },
                "no answer to a request that is overdue");
}

void Lane::leave(sdk::Closed& done) {
  sender_.connection_lost("shutting down");
  probe_.reset();
  done();
}

void Lane::probe(sdk::Call call, sdk::ProbeReport report) {
  probe_ = std::make_unique<ProbeConnection>(host(), options_, std::move(call), report);
}

}  // namespace lsmtpd::output_http
