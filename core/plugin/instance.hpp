// SPDX-License-Identifier: Apache-2.0
// The host's side of one `[plugin.NAME]`: its instance, and what is common to the instance's and
// the lanes' hosts. [main]
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "io/loop.hpp"
#include "lsmtpd/lsmtpd.h"
#include "message/resource_limits.hpp"
#include "plugin/library.hpp"
#include "plugin/plugin_options.hpp"

namespace lsmtpd::plugin {

class Lane;

// What every plugin's host says of the process.
struct Process {
  message::ResourceLimits& resources;
  std::string hostname;
  std::string version;
  uint32_t workers = 1;
};

// What `self` of every host struct points to.
struct HostSelf {
  const Process* process;
  Lane* lane;                       // null: the instance's host
  std::atomic<uint64_t>* reserved;  // bytes that the plugin holds of the budget
};

// lsmtpd.log/1 and lsmtpd.memory/1, which instances and lanes share.
extern const lsmtpd_log_1 log_table;
extern const lsmtpd_memory_1 memory_table;

class Instance {
 public:
  // Makes the instance; no side effects yet. `process` and `entry` must outlive it.
  static Result<std::unique_ptr<Instance>> create(const Library& library,
                                                  std::unique_ptr<Options> options,
                                                  const config::Plugin& entry,
                                                  const Process& process);
  ~Instance();  // destroys the plugin's instance; all lanes must be gone
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  Status start();  // problems that the plugin reports are in the error
  void stop();
  Result<std::unique_ptr<Lane>> open_lane(io::Loop& loop, uint32_t worker);  // [loop]

  const std::string& name() const { return entry_.name; }
  const config::Plugin& entry() const { return entry_; }

  // The plugin's tables; null where it does not have them.
  const lsmtpd_filter_1* filter() const { return filter_; }
  const lsmtpd_session_filter_1* session() const { return session_; }
  const lsmtpd_admission_1* admission() const { return admission_; }
  const lsmtpd_output_1* output() const { return output_; }
  const lsmtpd_replay_1* replay() const { return replay_; }
  const lsmtpd_probe_1* probe() const { return probe_; }

 private:
  friend class Lane;
  Instance(std::unique_ptr<Options> options, const config::Plugin& entry, const Process& process);
  void find_extensions();
  Status validate_functions() const;
  Status validate_extensions() const;
  void guarded(const char* what, void (*function)(const lsmtpd_instance*)) const;

  std::unique_ptr<Options> options_;
  const config::Plugin& entry_;
  const Process& process_;
  std::atomic<uint64_t> reserved_{0};
  HostSelf self_;
  lsmtpd_host host_;
  const lsmtpd_instance* instance_ = nullptr;
  bool started_ = false;
  const lsmtpd_filter_1* filter_ = nullptr;
  const lsmtpd_session_filter_1* session_ = nullptr;
  const lsmtpd_admission_1* admission_ = nullptr;
  const lsmtpd_output_1* output_ = nullptr;
  const lsmtpd_replay_1* replay_ = nullptr;
  const lsmtpd_probe_1* probe_ = nullptr;
};

}  // namespace lsmtpd::plugin
