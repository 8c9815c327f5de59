// SPDX-License-Identifier: Apache-2.0
#include "nats_lane.hpp"

#include <algorithm>

#include "subject.hpp"

namespace lsmtpd::nats {

namespace {

// Of the headers, beside recipients and annotations: SIZE leaves room for them.
constexpr std::uint64_t kOtherHeaders = 1024;

std::string connection_name(const sdk::Host& host) {
  return "lsmtpd " + std::string(host.hostname()) + " " + std::string(host.name()) + " " +
         std::to_string(host.worker());
}

}  // namespace

Lane::Lane(sdk::LaneHost host, Shared& shared)
    : BrokerLane(host, shared, shared.options, shared.options.target, connection_),
      options_(shared.options),
      connection_(host, options_, shared.dialing, connection_name(host),
                  static_cast<BrokerConnection::Owner&>(*this),
                  static_cast<Connection::Events&>(*this)) {}

// All subjects are of one stream.
std::optional<Target> Lane::only_target() const {
  Target target;
  target.by_exchange = true;
  target.exchange = options_.stream;
  return target;
}

std::unique_ptr<Outlet> Lane::make_outlet(const Target&, const std::string&) {
  auto outlet = std::make_unique<StreamOutlet>(host(), options_, connection_,
                                               static_cast<Outlet::Owner&>(*this),
                                               static_cast<StreamOutlet::Events&>(*this));
  outlet->open();
  return outlet;
}

std::optional<Outcome> Lane::impossible(const Target& target) const {
  const std::string fault = subject_fault(target.routing_key);
  if (fault.empty()) return std::nullopt;
  return no_subject(fault);
}

// The last one that is known, while there is no connection.
std::uint64_t Lane::size_limit() const {
  const std::uint64_t known = stream() == nullptr ? 0 : stream()->limit();
  const std::uint64_t limit = known == 0 ? options_.max_message : known;
  const std::uint64_t headers = kOtherHeaders + 2 * std::uint64_t{options_.property_limit};
  // At least half is left to the content of a stream with a very small limit.
  return std::max<std::uint64_t>(
      1, content_limit(options_.format, limit - std::min(headers, limit / 2)));
}

void Lane::decide(sdk::Call call, const lsmtpd_session_event& event) {
  const lsmtpd_envelope& envelope = *event.envelope;
  if (event.phase != LSMTPD_PHASE_RCPT || envelope.recipient_count == 0) return call.proceed();
  const lsmtpd_str address = lsmtpd_recipient_at(&envelope, envelope.recipient_count - 1)->address;
  const auto outcome = impossible(
      target_for(options_.target, envelope, std::string_view(address.data, address.size)));
  if (!outcome) return call.proceed();
  answer(&call, *outcome);
}

std::unique_ptr<BrokerConnection> Lane::make_trial(BrokerConnection::Owner& owner) {
  return std::make_unique<Connection>(host(), options_, dialing(),
                                      connection_name(host()) + " trial", owner, unheard_);
}

// A stream that is ready shows that the server is a good one, or its refusal.
void Lane::good() {
  connection_.proved();
  reached();
}

void Lane::answered(const Answer& answer) {
  if (stream() != nullptr) stream()->answered(answer);
}

void Lane::denied(const std::string& why) {
  if (stream() != nullptr) stream()->denied(why);
}

void Lane::stream_ready(StreamOutlet& outlet) {
  if (!probing()) good();
  host().info("ready to publish", {{"target", outlet.name()}, {"promises", outlet.promises()}});
  if (probing()) probe_passed(outlet, outlet.promises());
}

void Lane::outlet_refused(Outlet& outlet, std::string_view why) {
  if (!probing()) good();
  BrokerLane::outlet_refused(outlet, why);
}

}  // namespace lsmtpd::nats
