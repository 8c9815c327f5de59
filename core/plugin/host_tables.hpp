// SPDX-License-Identifier: Apache-2.0
// The host structs of instances and lanes, and the tables that both have: log, memory, metrics and
// those about messages.
#pragma once

#include <atomic>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "io/lookups.hpp"
#include "io/pool.hpp"
#include "lsmtpd/lsmtpd.h"
#include "message/resource_limits.hpp"
#include "metrics/registry.hpp"
#include "plugin/holds.hpp"
#include "plugin/mistakes.hpp"
#include "plugin/plugin_metrics.hpp"

namespace lsmtpd::plugin {

class Lane;

// Facts of the process that every plugin's host says.
struct Process {
  message::ResourceLimits& resources;
  std::string hostname;
  std::string version;
  uint32_t workers = 1;
  std::shared_ptr<io::Pool> pool = std::make_shared<io::Pool>();  // for what plugins offload
  std::vector<std::string> resolvers = {};  // ADDRESS:PORT; empty: the system's
  // Outlives every configuration: counters survive a reload.
  std::shared_ptr<metrics::Registry> metrics = std::make_shared<metrics::Registry>();
  std::shared_ptr<Holds> holds = std::make_shared<Holds>();  // outlives every configuration too
  std::shared_ptr<io::Lookups> lookups = std::make_shared<io::Lookups>();
};

// `self` of every host struct points to it. Lives until the instance is destroyed.
struct HostSelf {
  HostSelf(const Process& p, std::atomic<uint64_t>& bytes, PluginMetrics& m, Mistakes& made)
      : process(&p), reserved(&bytes), metrics(&m), mistakes(&made) {}

  const Process* process;
  std::atomic<uint64_t>* reserved;  // bytes that the plugin holds of the budget
  PluginMetrics* metrics;
  Mistakes* mistakes;
  metrics::Slot slot = metrics::kShared;  // of a lane: its worker's
  // Null: the instance's host, or the lane is gone. Written on the loop and read on it; other
  // threads read it, and use the lane, under `mutex`.
  Lane* lane = nullptr;
  std::shared_mutex mutex;
};
struct LaneHost {
  LaneHost(const Process& process, std::atomic<uint64_t>& reserved, PluginMetrics& metrics,
           Mistakes& mistakes)
      : self(process, reserved, metrics, mistakes) {}
  HostSelf self;
  lsmtpd_host abi{};
};

// lsmtpd.log/1 and lsmtpd.memory/1, which instances and lanes share.
extern const lsmtpd_log_1 kLogTable;
extern const lsmtpd_memory_1 kMemoryTable;
// The tables that have to do with messages, which instances and lanes share; null: none of them.
const void* message_extension(const char* id);
// The tables of an instance's host; null: none has that id.
const void* instance_extension(const lsmtpd_host* host, const char* id);

}  // namespace lsmtpd::plugin
