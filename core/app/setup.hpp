// SPDX-License-Identifier: Apache-2.0
// From a configuration to plugins that are ready to start: what `run`, `check` and `try` have in
// common. No side effects: nothing is opened, listened on or written. [main]
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "app/route_tables.hpp"
#include "app/version.hpp"
#include "config/config.hpp"
#include "message/resource_limits.hpp"
#include "plugin/instance.hpp"
#include "plugin/library.hpp"
#include "plugin/plugin_options.hpp"

namespace lsmtpd::app {

// Where the configuration comes from: `file` if given; else `usual` if it is there, with a warning
// where LSMTPD's broker is set too; else LSMTPD's environment variables; else an error that says
// so.
config::Loaded load_config(const std::string& file, const std::string& usual = kDefaultConfig);

// Prints what is wrong with it, errors and warnings, to standard error.
void show(const std::vector<config::Diagnostic>& diagnostics, const std::string& file);
bool has_errors(const std::vector<config::Diagnostic>& diagnostics);

// The parts that exist before any configuration and that all configurations use.
struct Lasting {
  std::shared_ptr<metrics::Registry> metrics = std::make_shared<metrics::Registry>();
  std::shared_ptr<plugin::Holds> holds = std::make_shared<plugin::Holds>();
};

// The parts that all configurations of one process share.
struct Foundation {
  explicit Foundation(const config::Config& config, Lasting lasting = {});
  message::ResourceLimits resources;
  plugin::Process process;
};

using Instances = std::vector<std::shared_ptr<plugin::Instance>>;

class Setup {
 public:
  // `config` must outlive the setup. Workers = 0 is resolved here.
  explicit Setup(const config::Config& config, Lasting lasting = {});
  // For a reload: `running` are the started instances that there are, the newest first. An entry
  // that one of them fits takes that one; see also `changes()`.
  Setup(const config::Config& config, std::shared_ptr<Foundation> foundation, Instances running);
  ~Setup();
  Setup(const Setup&) = delete;
  Setup& operator=(const Setup&) = delete;

  // Loads the plugins, checks their options and their places in the chains, and makes the
  // instances. Appends mistakes to `diagnostics`.
  void load(std::vector<config::Diagnostic>& diagnostics);

  // A running instance that can exist only once, and what its entry says now.
  struct Change {
    std::shared_ptr<plugin::Instance> instance;
    plugin::Settings settings;
    std::unique_ptr<plugin::Options> options;  // null: they are the same
    config::Position position;
  };
  std::vector<Change>& changes() { return changes_; }

  const std::shared_ptr<Foundation>& foundation() const { return foundation_; }
  message::ResourceLimits& resources() { return foundation_->resources; }
  const plugin::Process& process() const { return foundation_->process; }
  const std::map<std::string, std::shared_ptr<plugin::Instance>>& instances() const {
    return instances_;
  }
  const RouteTables& route_tables() const { return route_tables_; }
  // The configuration with the defaults of plugin options filled in, and the number of workers.
  config::Config effective() const;
  // The configuration without the plugin options that have their default.
  config::Config changed() const;
  // How config::print() shows either: the secrets among the options, and those that are not set.
  config::Printing printing(bool only_changed) const;

 private:
  std::shared_ptr<plugin::Instance> running(const config::Plugin& entry,
                                            const plugin::Library& library,
                                            std::unique_ptr<plugin::Options>& options);
  void check_auth(const config::Listener& listener,
                  std::vector<config::Diagnostic>& diagnostics) const;
  void check_fallback(const config::Plugin& entry,
                      std::vector<config::Diagnostic>& diagnostics) const;
  void check_policies(const config::Plugin& entry,
                      std::vector<config::Diagnostic>& diagnostics) const;
  std::vector<lsmtpd_option> options_of(const std::string& name) const;

  const config::Config& config_;
  std::shared_ptr<Foundation> foundation_;
  Instances running_;
  std::vector<Change> changes_;
  std::map<std::string, const plugin::Library*> libraries_;  // by plugin name
  std::map<std::string, std::shared_ptr<plugin::Instance>> instances_;
  RouteTables route_tables_;
};

}  // namespace lsmtpd::app
