// SPDX-License-Identifier: Apache-2.0
// One reload of the configuration, from the file to a generation that is in force. Until the last
// step everything is as it was, and a mistake leaves it so.
//
// Steps: read and check the file; make, bind and start what is new; wait for room among the
// generations that live; ask instances that can exist only once to prepare; ask storages whether
// messages wait for outputs that go; open lanes on each worker. Then, without a way back: the log,
// the instances' options, the limits of the process, and the new generation on each worker.
// [main], on its loop
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/binding.hpp"
#include "app/configured.hpp"
#include "app/generations.hpp"
#include "app/preflight.hpp"
#include "app/setup.hpp"
#include "io/tls_certificates.hpp"
#include "server/peers.hpp"
#include "server/tls_room.hpp"

namespace lsmtpd::app {

// The part of the daemon that reloads change.
struct Running {
  std::string file;  // of the command line; empty: the usual one
  std::unique_ptr<Configured> configured;
  std::set<std::string> addresses;  // that workers listen on
  io::Loop& loop;
  Workers& workers;
  Generations& generations;
  io::TlsCertificates& certificates;
  server::TlsRoom& tls_room;
  std::unique_ptr<server::Peers> peers = nullptr;
};

class Reload {
 public:
  // How long a reload may wait for old generations and for workers.
  static constexpr uint64_t kPatienceMs = 10'000;

  // `done` comes once, never from inside begin(); the reload may be destroyed in it.
  Reload(Running& running, std::function<void()> done);
  ~Reload();
  Reload(const Reload&) = delete;
  Reload& operator=(const Reload&) = delete;

  void begin();
  // Ends it soon, with an error where that is still possible.
  void cancel();
  // Afterwards:
  bool succeeded() const { return succeeded_; }
  // Errors and warnings, in the order of the file.
  const Diagnostics& diagnostics() const { return diagnostics_; }
  const std::string& file() const { return file_; }
  // "FILE:LINE:COLUMN: MESSAGE"; empty where there is none.
  std::string first_error() const;
  // A line for each warning and error, and one that says that it succeeded.
  void log_result() const;

 private:
  bool read_and_check();
  bool start_instances();
  void wait_for_room();
  void count_waiting();
  void counted(const std::vector<std::pair<std::string, std::string>>& gone,
               const std::vector<std::optional<uint64_t>>& counts);
  bool prepare_changes();
  void prepare_workers();
  void prepare_worker(uint32_t index);
  void prepared(uint32_t index, const Status& status);
  void commit();
  Status take_certificates();
  void commit_limits();
  void adopted();
  void fail_with(std::string message, config::Position at = {}, std::string hint = {});
  void give_up();
  void finish();

  Running& running_;
  const std::function<void()> done_;
  // For tasks of workers that come when it has ended.
  const std::shared_ptr<const bool> here_ = std::make_shared<const bool>(true);
  std::string file_;
  Diagnostics diagnostics_;
  std::unique_ptr<Configured> next_;
  std::vector<Bound> bound_;
  std::shared_ptr<server::Generation> generation_;
  Instances started_;                     // by this reload
  std::vector<Setup::Change*> prepared_;  // whose options wait for commit or abort
  bool added_ = false;                    // the workers were asked to make their parts
  size_t workers_left_ = 0;
  bool committing_ = false;  // there is no way back
  bool failed_ = false;
  bool succeeded_ = false;
  Deadlines::Entry patience_;
};

}  // namespace lsmtpd::app
