// SPDX-License-Identifier: Apache-2.0
#include "app/setup.hpp"

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "app/chain_steps.hpp"
#include "app/layer_settings.hpp"
#include "app/option_checks.hpp"
#include "app/preflight.hpp"
#include "app/process.hpp"
#include "base/text.hpp"
#include "plugin/option_table.hpp"
#include "plugin/plugin_options.hpp"
#include "plugin/verdict.hpp"

namespace lsmtpd::app {

using config::Diagnostic;

config::Loaded load_config(const std::string& file, const std::string& usual) {
  if (!file.empty()) return config::load_file(file);
  std::error_code ignored;
  if (!std::filesystem::exists(usual, ignored)) return config::from_environment(usual);
  auto loaded = config::load_file(usual);
  const char* host = std::getenv("AMQP_HOST");
  if (host && *host) {
    loaded.diagnostics.push_back(
        {true,
         {},
         "AMQP_HOST is set and has no effect, since this file is there",
         "move the file away to have LSMTPD's environment variables used"});
  }
  return loaded;
}

void show(const std::vector<Diagnostic>& diagnostics, const std::string& file) {
  for (const auto& diagnostic : diagnostics) {
    std::fprintf(stderr, "%s\n", config::format(diagnostic, file).c_str());
  }
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
  for (const auto& diagnostic : diagnostics) {
    if (!diagnostic.warning) return true;
  }
  return false;
}

Foundation::Foundation(const config::Config& config, Lasting lasting)
    : resources(config.limits.memory, config.limits.spill, config.limits.spill_directory,
                descriptors_for_spill(config.limits.connections)),
      process{resources,
              config.server.hostname,
              kVersion,
              worker_count(config.server),
              std::make_shared<io::Pool>(config.server.pool_threads),
              config.server.resolvers,
              std::move(lasting.metrics),
              std::move(lasting.holds)} {
  resources.message_size = config.limits.message_size;
}

Setup::Setup(const config::Config& config, Lasting lasting)
    : Setup(config, std::make_shared<Foundation>(config, std::move(lasting)), {}) {}

Setup::Setup(const config::Config& config, std::shared_ptr<Foundation> foundation,
             Instances running)
    : config_(config), foundation_(std::move(foundation)), running_(std::move(running)) {}

Setup::~Setup() = default;

void Setup::load(std::vector<Diagnostic>& diagnostics) {
  const auto error = [&](config::Position at, std::string message) {
    diagnostics.push_back({false, at, std::move(message), {}});
  };
  if (::access(config_.limits.spill_directory.c_str(), W_OK | X_OK) != 0) {
    error(config_.limits.given["spill_directory"],
          fmt::format("limits.spill_directory = \"{}\" cannot be written to",
                      config_.limits.spill_directory));
  }
  const auto path = plugin::plugin_path(config_.server.plugin_path);
  for (const auto& entry : config_.plugins) {
    const auto library = plugin::Library::load(entry.use, path);
    if (!library) {
      error(entry.given["use"], fmt::format("plugin.{}: {}", entry.name, library.error().message));
      continue;
    }
    libraries_[entry.name] = *library;
    auto options = plugin::Options::validate(entry, (*library)->options(), diagnostics);
    if (!options->complete()) continue;
    if (auto shared = running(entry, **library, options)) {
      instances_[entry.name] = std::move(shared);
      continue;
    }
    auto instance = plugin::Instance::create(**library, std::move(options),
                                             plugin::settings_of(entry), foundation_->process);
    if (instance) {
      instances_[entry.name] = std::move(*instance);
    } else {
      error(entry.given["use"], instance.error().message);
    }
  }
  check_chain_steps(config_, instances_, diagnostics);
  route_tables_ = make_route_tables(config_, diagnostics);
  for (const auto& listener : config_.listeners) check_auth(listener, diagnostics);
  for (const auto& entry : config_.plugins) {
    check_fallback(entry, diagnostics);
    check_policies(entry, diagnostics);
  }
  check_size_filters(config_, libraries_, diagnostics);
  check_rate_tables(config_, libraries_, diagnostics);
  check_spool_directories(config_, diagnostics);
}

// Null: the entry needs an instance of its own. Fallbacks are as if they could exist only once:
// two replays of one storage would send each message twice.
std::shared_ptr<plugin::Instance> Setup::running(const config::Plugin& entry,
                                                 const plugin::Library& library,
                                                 std::unique_ptr<plugin::Options>& options) {
  auto settings = plugin::settings_of(entry);
  for (const auto& instance : running_) {
    if (instance->name() != entry.name) continue;
    if (instance->has(library, settings) && instance->has(*options)) return instance;
    const bool once = !instance->may_be_doubled() || instance->replay();
    if (!once || &instance->library() != &library) continue;
    if (instance->has(*options)) options = nullptr;
    changes_.push_back({instance, std::move(settings), std::move(options), entry.position});
    return instance;
  }
  return nullptr;
}

void Setup::check_auth(const config::Listener& listener,
                       std::vector<Diagnostic>& diagnostics) const {
  const auto found = instances_.find(listener.auth_plugin);
  if (listener.auth_plugin.empty() || found == instances_.end() || found->second->auth()) return;
  diagnostics.push_back({false, listener.given["auth_plugin"],
                         fmt::format("listener \"{}\": {} cannot check users (extension {})",
                                     listener.name, listener.auth_plugin, LSMTPD_AUTH),
                         "name a plugin that uses auth_file"});
}

void Setup::check_fallback(const config::Plugin& entry,
                           std::vector<Diagnostic>& diagnostics) const {
  const auto found = instances_.find(entry.fallback);
  const auto self = instances_.find(entry.name);
  if (entry.fallback.empty() || found == instances_.end() || self == instances_.end()) return;
  if (!self->second->output()) {
    diagnostics.push_back({false,
                           entry.given["fallback"],
                           fmt::format("plugin.{}: only an output can have a fallback", entry.name),
                           {}});
  }
  if (!found->second->output() || !found->second->replay()) {
    diagnostics.push_back(
        {false, entry.given["fallback"],
         fmt::format("plugin.{}: {} cannot be a fallback: it does not give back what it stores "
                     "(extension {})",
                     entry.name, entry.fallback, LSMTPD_REPLAY),
         "use output_json_spool"});
  }
}

// An output that failed cannot be skipped: the message would be stored nowhere.
void Setup::check_policies(const config::Plugin& entry,
                           std::vector<Diagnostic>& diagnostics) const {
  const auto found = instances_.find(entry.name);
  if (found == instances_.end() || !found->second->output()) return;
  const auto check = [&](const char* key, config::OnFailure policy, config::Position at) {
    if (policy != config::OnFailure::proceed) return;
    diagnostics.push_back(
        {false, at,
         fmt::format("plugin.{}.{} is \"continue\", which is for filters", entry.name, key),
         "allowed for an output: \"tempfail\", \"reject\""});
  };
  check("on_timeout", entry.on_timeout, entry.given["on_timeout"]);
  check("on_error", entry.on_error, entry.given["on_error"]);
}

config::Printing Setup::printing(bool only_changed) const {
  config::Printing how;
  how.only_changed = only_changed;
  for (const auto& entry : config_.plugins) {
    for (const auto& option : options_of(entry.name)) {
      const std::string name = fmt::format("{}.{}", entry.name, option.key);
      if (option.type == LSMTPD_TYPE_SECRET) how.secrets.push_back(name);
      for (const auto& column : plugin::columns_of(option)) {
        if (column.type == LSMTPD_TYPE_SECRET)
          how.secrets.push_back(fmt::format("{}[].{}", name, column.key));
      }
      if (!option.default_value && !entry.options.contains(option.key)) how.unset.push_back(name);
    }
  }
  return how;
}

config::Config Setup::effective() const {
  config::Config all = config_;
  all.server.workers = process().workers;
  for (auto& entry : all.plugins) {
    for (const auto& option : options_of(entry.name)) {
      if (!option.default_value || entry.options.contains(option.key)) continue;
      config::OptionValue value{plugin::default_of(option), {}};
      entry.options.emplace(option.key, config::Option{std::move(value), {}});
    }
  }
  return all;
}

config::Config Setup::changed() const {
  config::Config all = config_;
  for (auto& entry : all.plugins) {
    for (const auto& option : options_of(entry.name)) {
      const auto given = entry.options.find(option.key);
      if (given == entry.options.end() || !option.default_value) continue;
      if (plugin::is_default(option, given->second.value)) entry.options.erase(given);
    }
  }
  return all;
}

std::vector<lsmtpd_option> Setup::options_of(const std::string& name) const {
  const auto found = libraries_.find(name);
  return plugin::rows_of(found == libraries_.end() ? nullptr : found->second->options());
}

}  // namespace lsmtpd::app
