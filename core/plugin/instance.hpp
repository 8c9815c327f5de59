// SPDX-License-Identifier: Apache-2.0
// The host's side of one `[plugin.NAME]`: its instance. [main]
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/dns.hpp"
#include "io/lookups.hpp"
#include "io/loop.hpp"
#include "plugin/host_tables.hpp"
#include "plugin/instance_settings.hpp"
#include "plugin/library.hpp"
#include "plugin/mistakes.hpp"
#include "plugin/plugin_metrics.hpp"

namespace lsmtpd::plugin {

class Lane;
class Options;
struct LaneExtensions;

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
  // It was made of such an entry: another generation may have it too.
  bool has(const Library& library, const Settings& settings) const {
    return library_ == &library && this->settings() == settings;
  }
  bool has(const Options& options) const;
  const Library& library() const { return *library_; }
  bool started() const { return started_; }
  // The host's part of the entry has changed; name and use stay. [main], while others read it.
  void change_settings(Settings settings);

  Result<std::unique_ptr<Lane>> open_lane(io::Loop& loop, uint32_t worker);  // [loop]

  message::ResourceLimits& resources() const { return process_.resources; }
  // Mistakes that the plugin makes again and again. [any]
  Mistakes& mistakes() { return mistakes_; }
  // A stop waits for calls that are open, and lanes that are asked to close. [any]
  // And work that is offloaded, which nobody can take back.
  bool is_busy() const { return open_calls_ > 0 || lanes_closing_ > 0 || open_work_ > 0; }
  bool has_work() const { return open_work_ > 0; }  // [any]
  std::atomic<uint32_t>& open_calls() { return open_calls_; }
  uint32_t open_lanes() const { return lanes_open_; }                // [any]
  bool is_held() const { return process_.holds->contains(name()); }  // by an operator [any]

  const std::string& name() const { return all_settings_.front().name; }
  const char* lasting_name() const { return lasting_name_; }  // for Running
  // Lives as long as the instance. [any]
  const Settings& settings() const { return *settings_.load(std::memory_order_acquire); }

  // The plugin's tables; null where it does not have them.
  const lsmtpd_filter_1* filter() const { return filter_; }
  const lsmtpd_session_filter_1* session_filter() const { return session_filter_; }
  const lsmtpd_auth_1* auth() const { return auth_; }
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
  const Library* library_ = nullptr;
  std::deque<Settings> all_settings_;  // each that there was, since somebody may read it still
  std::atomic<const Settings*> settings_;
  const char* const lasting_name_ = lsmtpd::lasting_name(all_settings_.front().name.c_str());
  const Process& process_;
  std::atomic<uint64_t> reserved_{0};
  std::atomic<uint32_t> open_calls_{0}, lanes_closing_{0}, lanes_open_{0}, open_work_{0};
  Mistakes mistakes_;
  PluginMetrics metrics_;
  static constexpr uint32_t kMostQuestions = 1000;
  io::DnsResolver::Limit dns_limit_{kMostQuestions};  // of its lanes together
  io::Pool::Queue work_;                              // what its lanes offload
  io::Lookups::Queue lookups_;                        // what they resolve
  HostSelf self_;
  lsmtpd_host host_;
  std::mutex lane_hosts_mutex_;
  std::vector<std::unique_ptr<LaneHost>> lane_hosts_;  // guarded by lane_hosts_mutex_
  const lsmtpd_instance* instance_ = nullptr;
  bool started_ = false;
  const lsmtpd_filter_1* filter_ = nullptr;
  const lsmtpd_session_filter_1* session_filter_ = nullptr;
  const lsmtpd_auth_1* auth_ = nullptr;
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
