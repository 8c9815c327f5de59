// SPDX-License-Identifier: Apache-2.0
#include "app/process_metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "app/version.hpp"
#include "log/log.hpp"
#include "metrics/families.hpp"

namespace lsmtpd::app {

namespace {

using metrics::add_value;
using metrics::Family;
using metrics::Type;

constexpr Family kCpu{"process_cpu_seconds_total",
                      "Total user and system CPU time spent in seconds.", Type::counter};
constexpr Family kOpenFds{"process_open_fds", "Number of open file descriptors.", Type::gauge};
constexpr Family kMaxFds{"process_max_fds", "Maximum number of open file descriptors.",
                         Type::gauge};
constexpr Family kVirtual{"process_virtual_memory_bytes", "Virtual memory size in bytes.",
                          Type::gauge};
constexpr Family kResident{"process_resident_memory_bytes", "Resident memory size in bytes.",
                           Type::gauge};
constexpr Family kStart{"process_start_time_seconds",
                        "Start time of the process since unix epoch in seconds.", Type::gauge};

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double now_seconds() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

// Field 22 of /proc/self/stat, in clock ticks since the boot (proc(5)); the command before it may
// hold spaces and parentheses.
double start_time() {
  std::ifstream stat_file("/proc/self/stat"), uptime_file("/proc/uptime");
  std::string stat;
  std::getline(stat_file, stat);
  double uptime = 0;
  uptime_file >> uptime;
  std::istringstream fields(stat.substr(std::min(stat.size(), stat.rfind(')') + 1)));
  std::string field;
  for (int number = 3; number <= 22 && fields >> field; ++number) {
  }
  const double ticks = std::strtod(field.c_str(), nullptr);
  return now_seconds() - uptime + ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

// noinline: tests/support/tsan.supp names its caller, which the sanitizer sees only then.
[[gnu::noinline]] double open_descriptors() {
  std::error_code ignored;
  double open = 0;
  for (auto at = std::filesystem::directory_iterator("/proc/self/fd", ignored);
       at != std::filesystem::directory_iterator(); at.increment(ignored))
    ++open;
  return open > 0 ? open - 1 : 0;  // but for the one that reads the folder
}

void add_process(metrics::Snapshot& all, double started) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  add_value(all, kCpu, {}, seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  add_value(all, kMaxFds, {}, static_cast<double>(limit.rlim_cur));
  add_value(all, kOpenFds, {}, open_descriptors());
  std::ifstream statm("/proc/self/statm");
  double pages = 0, resident = 0;
  statm >> pages >> resident;
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  add_value(all, kVirtual, {}, pages * page);
  add_value(all, kResident, {}, resident * page);
  add_value(all, kStart, {}, started);
}

void add_budgets(metrics::Snapshot& all, const message::ResourceLimits& resources,
                 const server::TlsRoom& tls_room) {
  const auto add = [&](const char* account, const Budget& budget) {
    add_value(all, metrics::kMemory, {account}, static_cast<double>(budget.used()));
    add_value(all, metrics::kMemoryLimit, {account}, static_cast<double>(budget.limit()));
  };
  add("memory", resources.memory);
  add("spill", resources.spill);
  add("tls_memory", tls_room.memory);
}

// Two paths may name one certificate, but each path is there once.
void add_certificates(metrics::Snapshot& all, const io::TlsCertificates& certificates) {
  const auto current = certificates.current();
  if (!current) return;
  std::set<std::string> seen;
  for (const auto& one : current->certificates()) {
    if (seen.insert(one.file).second)
      add_value(all, metrics::kCertificateEnd, {one.file}, static_cast<double>(one.not_after));
  }
}

}  // namespace

ProcessMetrics::ProcessMetrics(std::shared_ptr<metrics::Registry> registry,
                               const message::ResourceLimits& resources,
                               const server::TlsRoom& tls_room,
                               const io::TlsCertificates& certificates)
    : registry_(std::move(registry)) {
  registry_->gauge(metrics::kBuildInfo, {kVersion}).set(1);
  id_ = registry_->add_collector(
      [&resources, &tls_room, &certificates, started = start_time()](metrics::Snapshot& all) {
        add_process(all, started);
        add_budgets(all, resources, tls_room);
        add_certificates(all, certificates);
        add_value(all, metrics::kLogDropped, {}, static_cast<double>(log::dropped()));
      });
}

ProcessMetrics::~ProcessMetrics() {
  registry_->remove_collector(id_);
}

void note_config_load(metrics::Registry& registry, bool successful) {
  registry.gauge(metrics::kReloadSuccessful, {}).set(successful ? 1 : 0);
  if (successful) registry.gauge(metrics::kReloadTime, {}).set(now_seconds());
}

}  // namespace lsmtpd::app
