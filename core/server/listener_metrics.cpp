// SPDX-License-Identifier: Apache-2.0
#include "server/listener_metrics.hpp"

#include "metrics/families.hpp"

namespace lsmtpd::server {

ListenerMetrics::ListenerMetrics(metrics::Registry& registry, const std::string& listener,
                                 const std::string& chain, uint32_t worker) {
  const metrics::Slot slot = metrics::slot_of(worker);
  connections = registry.gauge(metrics::kConnections, {listener}, slot);
  tls_sessions = registry.gauge(metrics::kTlsSessions, {listener}, slot);
  accepted = registry.counter(metrics::kConnectionsTotal, {listener, "accepted"}, slot);
  refused = registry.counter(metrics::kConnectionsTotal, {listener, "refused"}, slot);
  received_bytes = registry.counter(metrics::kReceivedBytes, {listener}, slot);
  data_duration = registry.histogram(metrics::kDataDuration, {listener}, slot);
  chain_duration = registry.histogram(metrics::kChainDuration, {listener, chain}, slot);
  // In the order of pipeline::Fate.
  constexpr std::array<std::string_view, kResults> kNames{"stored",   "discarded", "rejected",
                                                          "tempfail", "mixed",     "cancelled"};
  for (size_t i = 0; i < kResults; ++i)
    messages_[i] = registry.counter(metrics::kMessages, {listener, chain, kNames[i]}, slot);
  constexpr std::array<std::array<std::string_view, 2>, kHandshakes> kHandshakeNames{
      {{"TLSv1.2", "ok"}, {"TLSv1.3", "ok"}, {"none", "failed"}, {"none", "no_room"}}};
  for (size_t i = 0; i < kHandshakes; ++i) {
    const auto& [version, result] = kHandshakeNames[i];
    handshakes_[i] = registry.counter(metrics::kTlsHandshakes, {listener, version, result}, slot);
  }
  constexpr std::array<std::string_view, kAuthResults> kAuthNames{"ok", "wrong", "unavailable",
                                                                  "limited"};
  for (const smtp::Mechanism mechanism : kMechanisms) {
    for (size_t i = 0; i < kAuthResults; ++i)
      attempts_[index_of(mechanism) * kAuthResults + i] = registry.counter(
          metrics::kAuthAttempts, {smtp::mechanism_name(mechanism), kAuthNames[i]}, slot);
  }
  for (size_t at = 0; at < kRefusedAtNames.size(); ++at) {
    for (size_t permanent = 0; permanent < 2; ++permanent) {
      for (size_t reason = 0; reason < kReasonCount; ++reason) {
        const auto why = static_cast<Reason>(reason);
        if (!is_counted(static_cast<RefusedAt>(at), permanent != 0, why)) continue;
        refusals_[(at * 2 + permanent) * kReasonCount + reason] = registry.counter(
            metrics::kRefusals,
            {listener, kRefusedAtNames[at], permanent ? "5" : "4", reason_name(why)}, slot);
      }
    }
  }
}

}  // namespace lsmtpd::server
