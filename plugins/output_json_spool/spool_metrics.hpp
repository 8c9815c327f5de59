// SPDX-License-Identifier: Apache-2.0
// The spool in numbers, for the operator's graphs: how many messages wait, how much they take, how
// old the oldest is. Set by the sweep; between two of its rounds the count follows what is stored
// and removed. Keeper's thread only.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

#include <cstdint>

namespace lsmtpd::json_spool {

class SpoolMetrics {
 public:
  explicit SpoolMetrics(const sdk::Host& host)
      : waiting_(messages(host, "waiting")),
        stored_(messages(host, "stored")),
        dead_(messages(host, "dead")),
        quarantine_(messages(host, "quarantine")),
        bytes_(host.gauge("spool_bytes",
                          "Bytes that the messages of the spool take, without dead "
                          "letters.")),
        oldest_(host.gauge("spool_oldest_message_timestamp_seconds",
                           "When the oldest message of the spool came, in seconds since the epoch; "
                           "0: there is none.")) {}

  // `waits`: the spool is a fallback, and its messages wait for an output.
  void set(std::int64_t count, std::int64_t bytes, std::int64_t oldest_ns, bool waits) const {
    // That it is a fallback turns out after a start.
    waiting_.set(waits ? static_cast<double>(count) : 0);
    stored_.set(waits ? 0 : static_cast<double>(count));
    bytes_.set(static_cast<double>(bytes));
    oldest_.set(count == 0 ? 0 : static_cast<double>(oldest_ns) / 1e9);
  }
  void set_dead(std::size_t dead, std::size_t quarantine) const {
    dead_.set(static_cast<double>(dead));
    quarantine_.set(static_cast<double>(quarantine));
  }

 private:
  static sdk::Gauge messages(const sdk::Host& host, std::string_view state) {
    return host.gauge(
        "spool_messages",
        "Messages in the spool, by state: waiting for an output, stored (the spool is "
        "no fallback), dead letters, and files in quarantine.",
        {{"state", state}});
  }

  sdk::Gauge waiting_, stored_, dead_, quarantine_, bytes_, oldest_;
};

}  // namespace lsmtpd::json_spool
