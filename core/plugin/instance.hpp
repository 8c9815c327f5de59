// SPDX-License-Identifier: Apache-2.0
// The host's side of one `[plugin.NAME]`: its instance, and what is common to the instance's and
// the lanes' hosts. [main]
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "io/loop.hpp"
#include "lsmtpd/lsmtpd.h"
#include "message/resource_limits.hpp"
#include "plugin/library.hpp"
#include "plugin/mistakes.hpp"
#include "plugin/settings.hpp"

namespace lsmtpd::plugin {

class Lane;
class Options;
struct LaneExtensions;

// What every plugin's host says of the process.
struct Process {
  message::ResourceLimits& resources;
  std::string hostname;
  std::string version;
  uint32_t workers = 1;
  std::shared_ptr<io::Pool> pool = std::make_shared<io::Pool>();  // for what plugins offload
};

// What `self` of every host struct points to. Lives until the instance is destroyed.
struct HostSelf {
  HostSelf(const Process& p, std::atomic<uint64_t>& bytes) : process(&p), reserved(&bytes) {}

  const Process* process;
  std::atomic<uint64_t>* reserved;  // bytes that the plugin holds of the budget
  // Null: the instance's host, or the lane is gone. Written on the loop and read on it; other
  // threads read it, and use the lane, under `mutex`.
  Lane* lane = nullptr;
  std::shared_mutex mutex;
};
struct LaneHost {
  LaneHost(const Process& process, std::atomic<uint64_t>& reserved) : self(process, reserved) {}
  HostSelf self;
  lsmtpd_host abi{};
};

// lsmtpd.log/1 and lsmtpd.memory/1, which instances and lanes share.
extern const lsmtpd_log_1 kLogTable;
extern const lsmtpd_memory_1 kMemoryTable;
// The tables that have to do with messages, which instances and lanes share; null: none of them.
const void* message_extension(const char* id);

class Instance {
 public:
  // Makes the instance; no side effects yet. `process` must outlive it. `options` are whole.
  static Result<std::unique_ptr<Instance>> create(const Library& library,
                                                  std::unique_ptr<Options> options,
                                                  Settings settings, const Process& process);
  ~Instance();  // destroys the plugin's instance; all lanes must be gone
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  Status start();  // problems that the plugin reports are in the error
  void stop();

  // New options for an instance that goes on. prepare() says why they cannot be taken: nothing has
  // changed then. After it has succeeded, one commit() or one abort(). [main]
  Status prepare(std::unique_ptr<Options> options);
  void commit();
  void abort();
  // A second started instance of the same name may be alive beside this one.
  bool may_be_doubled() const { return !exclusive_; }

  Result<std::unique_ptr<Lane>> open_lane(io::Loop& loop, uint32_t worker);  // [loop]

  // Mistakes that the plugin makes again and again. [any]
  Mistakes& mistakes() { return mistakes_; }
  // What a stop waits for: calls that are open, and lanes that are asked to close. [any]
  bool is_busy() const { return open_calls_ > 0 || lanes_closing_ > 0; }
  std::atomic<uint32_t>& open_calls() { return open_calls_; }

  const std::string& name() const { return settings_.name; }
  const Settings& settings() const { return settings_; }

  // The plugin's tables; null where it does not have them.
  const lsmtpd_filter_1* filter() const { return filter_; }
  const lsmtpd_session_filter_1* session() const { return session_; }
  const lsmtpd_admission_1* admission() const { return admission_; }
  const lsmtpd_output_1* output() const { return output_; }
  const lsmtpd_replay_1* replay() const { return replay_; }
  const lsmtpd_probe_1* probe() const { return probe_; }
  const lsmtpd_control_1* control() const { return control_; }

 private:
  friend class Lane;
  friend struct LaneExtensions;
  Instance(std::unique_ptr<Options> options, Settings settings, const Process& process);
  void find_extensions();
  Status validate_functions() const;
  Status validate_extensions() const;
  void guarded(const char* what, void (*function)(const lsmtpd_instance*)) const;
  LaneHost& new_lane_host();  // [any]

  std::unique_ptr<Options> options_;
  const Settings settings_;
  const Process& process_;
  std::atomic<uint64_t> reserved_{0};
  std::atomic<uint32_t> open_calls_{0}, lanes_closing_{0};
  Mistakes mistakes_;
  io::Pool::Queue work_;  // what its lanes offload
  HostSelf self_;
  lsmtpd_host host_;
  std::mutex lane_hosts_mutex_;
  std::vector<std::unique_ptr<LaneHost>> lane_hosts_;  // guarded by lane_hosts_mutex_
  const lsmtpd_instance* instance_ = nullptr;
  bool started_ = false;
  const lsmtpd_filter_1* filter_ = nullptr;
  const lsmtpd_session_filter_1* session_ = nullptr;
  const lsmtpd_admission_1* admission_ = nullptr;
  const lsmtpd_output_1* output_ = nullptr;
  const lsmtpd_replay_1* replay_ = nullptr;
  const lsmtpd_probe_1* probe_ = nullptr;
  const lsmtpd_control_1* control_ = nullptr;
  const lsmtpd_reload_1* reload_ = nullptr;
  bool exclusive_ = false;
  std::unique_ptr<Options> prepared_;
};

}  // namespace lsmtpd::plugin
