// `lsmtpd run` up to the daemon, and `lsmtpd check`.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "app/commands.hpp"
#include "app/daemon.hpp"
#include "app/process.hpp"
#include "app/setup.hpp"
#include "plugin/lane.hpp"

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

int probe(plugin::Stage& stage) {
  if (auto started = stage.start(); !started) {
    std::fprintf(stderr, "%s\n", started.error().message.c_str());
    return kExitFailed;
  }
  Steps steps{stage.name()};
  const lsmtpd_probe_report report{&steps, Steps::step};
  int status = kExitOk;
  {
    io::Loop loop;
    std::unique_ptr<plugin::Lane> lane;
    Deadlines::Entry overdue([&] {
      std::printf("%s: FAILED: no answer within 60 s\n", stage.name().c_str());
      status = kExitFailed;
      loop.stop();
    });
    const auto finish = [&](const plugin::Completion& completion) {
      if (completion.verdict.kind != plugin::Kind::proceed)
        status = steps.status ? steps.status : kExitFailed;
      overdue.disarm();
      lane->close([&] { loop.stop(); });
    };
    loop.post([&] {
      auto opened = stage.open_lane(loop, 0);
      if (!opened) {
        status = kExitFailed;
        loop.stop();
        return;
      }
      lane = std::move(*opened);
      loop.deadlines().arm(overdue, kProbeDeadlineMs);
      lsmtpd_call call = 0;
      if (auto now = lane->probe(&report, finish, call)) finish(*now);
    });
    loop.run();
  }
  stage.stop();
  return status;
}

}  // namespace

int run_daemon(const std::string& file) {
  const auto loaded = load_config(file);
  if (!loaded.ok()) {
    // Every mistake is shown, those in plugins' options too; their code does not run as root for
    // that.
    if (!drop_privileges(loaded.config.server.user)) {
      show(loaded.diagnostics, loaded.config.file);
      return kExitUsage;
    }
    return run_check(file, false, false);
  }
  return Daemon(loaded.config).run();
}

int run_check(const std::string& file, bool print, bool live) {
  ignore_fatal_signals();
  const auto loaded = load_config(file);
  auto diagnostics = loaded.diagnostics;
  Setup setup(loaded.config);
  setup.load(diagnostics);
  if (auto enough = raise_descriptor_limit(loaded.config.limits.connections); !enough) {
    diagnostics.push_back({false, {}, enough.error().message, {}});
  }
  std::stable_sort(diagnostics.begin(), diagnostics.end(), [](const auto& a, const auto& b) {
    return std::pair(a.position.line, a.position.column) <
           std::pair(b.position.line, b.position.column);
  });
  show(diagnostics, loaded.config.file);
  if (has_errors(diagnostics)) return kExitUsage;
  if (print) std::printf("%s", config::print(setup.effective(), setup.secrets()).c_str());
  int status = kExitOk;
  for (const auto& [name, stage] : setup.stages()) {
    if (!live || !stage->probe()) continue;
    const int result = probe(*stage);
    if (status == kExitOk) status = result;
  }
  if (!print && status == kExitOk) std::printf("%s: ok\n", loaded.config.file.c_str());
  return status;
}

}  // namespace lsmtpd::app
