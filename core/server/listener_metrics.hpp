// SPDX-License-Identifier: Apache-2.0
// One worker's metrics of one listener and its chain. [loop]
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "metrics/registry.hpp"
#include "pipeline/outcome.hpp"
#include "server/refusal_reason.hpp"
#include "smtp/sasl.hpp"

namespace lsmtpd::server {

enum class Handshake : uint8_t { ok_1_2, ok_1_3, failed, no_room };
enum class AuthResult : uint8_t { ok, wrong, unavailable, limited };

class ListenerMetrics {
 public:
  ListenerMetrics() = default;  // counts nothing
  // Every series of the listener exists from here on.
  ListenerMetrics(metrics::Registry& registry, const std::string& listener,
                  const std::string& chain, uint32_t worker);

  metrics::Gauge connections, tls_sessions;
  metrics::Counter accepted, refused;  // connections
  metrics::Counter received_bytes;
  metrics::Histogram data_duration, chain_duration;

  void count(const pipeline::Outcome& outcome) const {
    const size_t fate = outcome.mixed ? kMixed : static_cast<size_t>(outcome.fate);
    messages_[fate].add();
  }
  void count_cancelled() const { messages_[kCancelled].add(); }
  void count_handshake(Handshake result) const { handshakes_[static_cast<size_t>(result)].add(); }
  void count_auth(smtp::Mechanism mechanism, AuthResult result) const {
    attempts_[index_of(mechanism) * kAuthResults + static_cast<size_t>(result)].add();
  }
  void count_refusal(RefusedAt at, uint32_t code, Reason reason) const {
    const bool permanent = code >= 500;
    if (!is_counted(at, permanent, reason)) reason = Reason::other;
    refusals_[(static_cast<size_t>(at) * 2 + permanent) * kReasonCount +
              static_cast<size_t>(reason)]
        .add();
  }

 private:
  static constexpr size_t kMixed = 4, kCancelled = 5, kResults = 6;
  static constexpr size_t kHandshakes = 4, kAuthResults = 4;
  static constexpr std::array kMechanisms{smtp::Mechanism::plain, smtp::Mechanism::login,
                                          smtp::Mechanism::external};
  static size_t index_of(smtp::Mechanism mechanism) {
    return mechanism == kMechanisms[0] ? 0 : mechanism == kMechanisms[1] ? 1 : 2;
  }
  std::array<metrics::Counter, kResults> messages_;
  std::array<metrics::Counter, kHandshakes> handshakes_;
  std::array<metrics::Counter, kMechanisms.size() * kAuthResults> attempts_;
  std::array<metrics::Counter, kRefusedAtNames.size() * 2 * kReasonCount> refusals_;
};

}  // namespace lsmtpd::server
