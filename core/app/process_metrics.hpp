// SPDX-License-Identifier: Apache-2.0
// Metrics of the process that nobody counts while mail goes through: they are looked up for each
// snapshot. The unprefixed process_* are those that Prometheus's own libraries have.
#pragma once

#include <memory>

#include "io/tls_certificates.hpp"
#include "message/resource_limits.hpp"
#include "metrics/registry.hpp"
#include "server/tls_room.hpp"

namespace lsmtpd::app {

// While it lives, snapshots of `registry` have them. Everything it reads must outlive
// it.
class ProcessMetrics {
 public:
  ProcessMetrics(std::shared_ptr<metrics::Registry> registry,
                 const message::ResourceLimits& resources, const server::TlsRoom& tls_room,
                 const io::TlsCertificates& certificates);
  ~ProcessMetrics();
  ProcessMetrics(const ProcessMetrics&) = delete;
  ProcessMetrics& operator=(const ProcessMetrics&) = delete;

 private:
  const std::shared_ptr<metrics::Registry> registry_;
  uint64_t id_;
};

// Notes whether the last load of a configuration succeeded, and when one did. A start is a load.
// [any]
void note_config_load(metrics::Registry& registry, bool successful);

}  // namespace lsmtpd::app
