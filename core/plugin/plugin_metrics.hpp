// SPDX-License-Identifier: Apache-2.0
// The host's side of lsmtpd.metrics/1: what one instance has declared. [any]
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "base/result.hpp"
#include "lsmtpd/lsmtpd.h"
#include "metrics/registry.hpp"

// Behind the pointer that plugins hold.
struct lsmtpd_metric {
  uint32_t type;
  bool adds;  // a gauge that is a sum
  lsmtpd::metrics::Counter counter;
  lsmtpd::metrics::Gauge gauge;
  lsmtpd::metrics::Histogram histogram;
};

namespace lsmtpd::plugin {

extern const lsmtpd_metrics_1 kMetricsTable;

class PluginMetrics {
 public:
  // `name` of [plugin.NAME]. Both outlive it.
  PluginMetrics(metrics::Registry& registry, const std::string& name)
      : registry_(registry), name_(name) {}
  PluginMetrics(const PluginMetrics&) = delete;
  PluginMetrics& operator=(const PluginMetrics&) = delete;

  // Valid as long as this.
  Result<lsmtpd_metric*> declare(const lsmtpd_metric_info& info, metrics::Slot slot);

 private:
  metrics::Registry& registry_;
  const std::string& name_;
  std::mutex mutex_;
  // Guarded by mutex_: names with their labels; and by slot what was given out, which stays where
  // it is.
  std::set<std::string> series_;
  std::map<std::pair<std::string, metrics::Slot>, lsmtpd_metric> made_;
};

}  // namespace lsmtpd::plugin
