// SPDX-License-Identifier: Apache-2.0
// `lsmtpd run` up to the daemon.
#include "app/daemon.hpp"
#include "app/preflight.hpp"
#include "app/setup.hpp"
#include "app/subcommands.hpp"

namespace lsmtpd::app {

int run_daemon(const std::string& file) {
  const auto loaded = load_config(file);
  if (!loaded.ok()) return run_check(file, {});  // shows every mistake, not only those of the file
  show(loaded.diagnostics, loaded.config.file);  // warnings
  return Daemon(loaded.config, file).run();
}

}  // namespace lsmtpd::app
