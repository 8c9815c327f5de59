// SPDX-License-Identifier: Apache-2.0
// From a configuration to plugins that are ready to start: what `run`, `check` and `try` have in
// common. No side effects: nothing is opened, listened on or written. [main]
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "app/version.hpp"
#include "config/config.hpp"
#include "message/resource_limits.hpp"
#include "plugin/instance.hpp"
#include "plugin/library.hpp"

namespace lsmtpd::app {

// Where the configuration comes from: `file` if given; else `usual` if it is there, with a warning
// where LSMTPD's broker is set too; else LSMTPD's environment variables; else an error that says
// so.
config::Loaded load_config(const std::string& file, const std::string& usual = kDefaultConfig);

// Prints what is wrong with it, errors and warnings, to standard error.
void show(const std::vector<config::Diagnostic>& diagnostics, const std::string& file);
bool has_errors(const std::vector<config::Diagnostic>& diagnostics);

class Setup {
 public:
  // `config` must outlive the setup. Workers = 0 is resolved here.
  explicit Setup(const config::Config& config);
  ~Setup();
  Setup(const Setup&) = delete;
  Setup& operator=(const Setup&) = delete;

  // Loads the plugins, checks their options and their places in the chains, and makes the
  // instances. Appends mistakes to `diagnostics`.
  void load(std::vector<config::Diagnostic>& diagnostics);

  message::ResourceLimits& resources() { return resources_; }
  const plugin::Process& process() const { return process_; }
  const std::map<std::string, std::unique_ptr<plugin::Instance>>& instances() const {
    return instances_;
  }
  // The configuration with the defaults of plugin options filled in, and the number of workers.
  config::Config effective() const;
  // The configuration without the plugin options that have their default.
  config::Config changed() const;
  // How config::print() shows either: the secrets among the options, and those that are not set.
  config::Printing printing(bool only_changed) const;

 private:
  void check_chain(const config::Chain& chain, std::vector<config::Diagnostic>& diagnostics) const;
  void check_fallback(const config::Plugin& entry,
                      std::vector<config::Diagnostic>& diagnostics) const;
  void check_policies(const config::Plugin& entry,
                      std::vector<config::Diagnostic>& diagnostics) const;
  void check_size_filter(const config::Plugin& entry,
                         std::vector<config::Diagnostic>& diagnostics) const;
  std::vector<lsmtpd_option> options_of(const std::string& name) const;

  const config::Config& config_;
  message::ResourceLimits resources_;
  plugin::Process process_;
  std::map<std::string, const plugin::Library*> libraries_;  // by plugin name
  std::map<std::string, std::unique_ptr<plugin::Instance>> instances_;
};

}  // namespace lsmtpd::app
