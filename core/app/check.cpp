// SPDX-License-Identifier: Apache-2.0
// `lsmtpd check`.
#include <cstdio>

#include "app/ask_alone.hpp"
#include "app/certificates.hpp"
#include "app/check_admin.hpp"
#include "app/exit_status.hpp"
#include "app/preflight.hpp"
#include "app/process.hpp"
#include "app/setup.hpp"
#include "app/subcommands.hpp"

namespace lsmtpd::app {

namespace {

constexpr uint64_t kProbeDeadlineMs = 60'000;

// Prints each step of a probe, and keeps the status of the first that failed.
struct Steps {
  std::string plugin;
  int status = 0;

  static void step(const lsmtpd_probe_report* report, lsmtpd_str name, uint32_t exit_status,
                   lsmtpd_str text) {
    auto& self = *static_cast<Steps*>(report->self);
    std::printf("%s: %.*s: %s%.*s\n", self.plugin.c_str(), static_cast<int>(name.size), name.data,
                exit_status ? "FAILED: " : "", static_cast<int>(text.size), text.data);
    if (exit_status && self.status == 0) self.status = static_cast<int>(exit_status);
  }
};

int probe(plugin::Instance& instance) {
  Steps steps{instance.name()};
  const lsmtpd_probe_report report{&steps, Steps::step};
  std::string problem;
  const auto answer = ask_alone(
      instance, kProbeDeadlineMs,
      [&](plugin::Lane& lane, plugin::Done done, lsmtpd_call& call) {
        return lane.probe(&report, std::move(done), call);
      },
      problem);
  if (!answer) std::fprintf(stderr, "%s\n", problem.c_str());
  if (answer && answer->verdict.kind == plugin::Kind::proceed) return kExitOk;
  return steps.status ? steps.status : kExitFailed;
}

}  // namespace

int run_check(const std::string& file, const CheckOptions& options) {
  ignore_fatal_signals();
  const auto loaded = load_config(file);
  const auto& config = loaded.config;
  auto diagnostics = loaded.diagnostics;
  check_machine(config, diagnostics);
  check_admin_sockets(config, diagnostics);
  become_daemon_user(config, options.user, diagnostics);
  check_certificates(config, diagnostics);
  check_admin_token(config, diagnostics);
  Setup setup(config);
  setup.load(diagnostics);
  require(check_log_file(config.log.file), config.log.given["file"], diagnostics);
  config::sort_by_position(diagnostics);
  show(diagnostics, config.file);
  if (has_errors(diagnostics)) return kExitUsage;
  const bool print = options.print || options.changed;
  if (print) {
    const auto& shown = options.changed ? setup.changed() : setup.effective();
    std::printf("%s", config::print(shown, setup.printing(options.changed)).c_str());
  }
  int status = options.live ? check_tls_live(config) : kExitOk;
  for (const auto& [name, instance] : setup.instances()) {
    if (!options.live || !instance->probe()) continue;
    const int result = probe(*instance);
    if (status == kExitOk) status = result;
  }
  for (const auto& address : options.routes) {
    const int result = print_route(config, setup.route_tables(), address);
    if (status == kExitOk) status = result;
  }
  if (!print && options.routes.empty() && status == kExitOk)
    std::printf("%s: ok\n", config.file.c_str());
  return status;
}

}  // namespace lsmtpd::app
