// SPDX-License-Identifier: Apache-2.0
// The facts that the admin server shows of the daemon: app writes them, the server reads them at
// any time, during a start and a stop too. Nothing here asks a worker's loop. [any]
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/worker_report.hpp"

namespace lsmtpd::admin {

enum class Phase : uint8_t { starting, serving, draining, stopping };
const char* phase_name(Phase phase);

struct ListenerInfo {
  std::string name;
  std::string chain;
  std::string protocol;
  std::vector<std::string> addresses;
};

struct Hold {
  double since = 0;  // seconds since the epoch
  std::string by;
};

// Facts of the running configuration; replaced as a whole by a reload.
struct Facts {
  std::string version;
  std::string hostname;
  std::string config_file;
  uint32_t connections_limit = 0;
  std::vector<ListenerInfo> listeners;
  std::map<std::string, std::string> plugin_uses;  // by the name of [plugin.NAME]
};

class Board {
 public:
  static constexpr uint64_t kStuckMs = 5000;  // a loop that has not turned for so long

  Board();

  void set_phase(Phase phase) { phase_ = phase; }
  Phase phase() const { return phase_; }
  void set_facts(Facts facts);
  std::shared_ptr<const Facts> facts() const;
  void set_workers(std::vector<std::shared_ptr<server::ReportBoard>> workers);
  // The main thread's loop turns.
  void main_turned() { main_at_ms_ = server::report_clock_ms(); }
  void set_holds(std::map<std::string, Hold> holds);
  std::map<std::string, Hold> holds() const;
  double started() const { return started_; }  // seconds since the epoch

  // Of all workers; those that have none yet are left out.
  std::vector<std::shared_ptr<const server::WorkerReport>> reports() const;
  // Which loops have not turned for kStuckMs: "worker 1 has not turned for 7 s". Empty: none.
  std::vector<std::string> stuck() const;

  // The state of a chain or output, put together from all workers, and since when it has been so.
  struct State {
    bool ready = true;
    std::string reason;
    uint64_t since_ms = 0;  // report_clock_ms() of the last change of `ready`
    bool ever_ready = false;
  };
  // Looks at the reports; once a second, by the admin server.
  void look();
  std::map<std::string, State> chains() const;
  struct Output {
    State state;
    std::string fallback;
    bool held = false;
  };
  std::map<std::string, Output> outputs() const;

  // Why a MAIL would not get 250 now, for as long as `unready_ms` without a break, or since the
  // start; for one chain,
  // or for those of all listeners where `chain` is empty. `with_chains` false: the process only.
  std::vector<std::string> unready(uint64_t unready_ms, const std::string& chain,
                                   bool with_chains) const;
  bool has_chain(const std::string& chain) const;

 private:
  void look_locked(const std::vector<std::shared_ptr<const server::WorkerReport>>& reports);

  std::atomic<Phase> phase_{Phase::starting};
  std::atomic<uint64_t> main_at_ms_;
  const double started_;
  mutable std::mutex mutex_;
  // Guarded by mutex_:
  std::shared_ptr<const Facts> facts_ = std::make_shared<const Facts>();
  std::vector<std::shared_ptr<server::ReportBoard>> workers_;
  std::map<std::string, Hold> holds_;
  std::map<std::string, State> chains_;
  std::map<std::string, Output> outputs_;
};

}  // namespace lsmtpd::admin
