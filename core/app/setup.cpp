// SPDX-License-Identifier: Apache-2.0
#include "app/setup.hpp"

#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "app/process.hpp"
#include "app/settings.hpp"
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

Setup::Setup(const config::Config& config)
    : config_(config),
      resources_(config.limits.memory, config.limits.spill, config.limits.spill_directory,
                 descriptors_for_spill(config.limits.connections)),
      process_{resources_, config.server.hostname, kVersion, worker_count(config.server),
               std::make_shared<io::Pool>(config.server.pool_threads)} {}

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
    auto instance = plugin::Instance::create(**library, std::move(options),
                                             plugin::settings_of(entry), process_);
    if (instance) {
      instances_[entry.name] = std::move(*instance);
    } else {
      error(entry.given["use"], instance.error().message);
    }
  }
  for (const auto& chain : config_.chains) check_chain(chain, diagnostics);
  for (const auto& entry : config_.plugins) {
    check_fallback(entry, diagnostics);
    check_policies(entry, diagnostics);
    check_size_filter(entry, diagnostics);
  }
}

void Setup::check_chain(const config::Chain& chain, std::vector<Diagnostic>& diagnostics) const {
  size_t outputs = 0;
  bool unknown = false;
  std::vector<std::string> without_fallback;
  for (size_t i = 0; i < chain.steps.size(); ++i) {
    const auto found = instances_.find(chain.steps[i]);
    if (found == instances_.end()) {
      unknown = true;  // said already
      continue;
    }
    const plugin::Instance& instance = *found->second;
    // From the environment there are no positions.
    const auto at = i < chain.step_positions.size() ? chain.step_positions[i] : chain.position;
    if (instance.output()) {
      ++outputs;
      if (instance.settings().fallback.empty()) without_fallback.push_back(instance.name());
    } else if (!instance.filter() && !instance.session() && !instance.admission()) {
      diagnostics.push_back({false,
                             at,
                             fmt::format("chain.{}: {} is neither a filter nor an output",
                                         chain.name, instance.name()),
                             {}});
    } else if (outputs > 0) {
      diagnostics.push_back({false, at,
                             fmt::format("chain.{}: the filter {} stands behind an output",
                                         chain.name, instance.name()),
                             "filters come first"});
    }
  }
  if (outputs == 0 && !unknown) {
    diagnostics.push_back(
        {false, chain.position, fmt::format("chain.{} has no output", chain.name),
         "end its steps with an output, such as a plugin that uses output_json_spool"});
  }
  if (outputs > 1 && !without_fallback.empty()) {
    diagnostics.push_back(
        {true, chain.position,
         fmt::format(
             "chain.{}: {} has no fallback: when it fails and another output stores the message, "
             "the client tries again and that other one gets it twice",
             chain.name, fmt::join(without_fallback, ", ")),
         "give each of several outputs a fallback"});
  }
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

// Of two limits of a message's size the smaller one counts. Where both are written, the other is
// likely a mistake.
void Setup::check_size_filter(const config::Plugin& entry,
                              std::vector<Diagnostic>& diagnostics) const {
  const auto found = instances_.find(entry.name);
  const auto given = entry.options.find("max");
  const auto& limits = config_.limits;
  if (found == instances_.end() || given == entry.options.end()) return;
  const auto& name = libraries_.at(entry.name)->factory().descriptor->name;
  if (plugin::view(name) != "filter_size" || !limits.given.has("message_size")) return;
  const auto& value = given->second.value;
  const auto* text = std::get_if<std::string>(&value.value);
  const auto* number = std::get_if<int64_t>(&value.value);
  const auto most = text     ? parse_size(*text)
                    : number ? Result<uint64_t>(static_cast<uint64_t>(*number))
                             : fail("checked before");
  if (!most || *most == limits.message_size) return;
  const bool below = *most < limits.message_size;
  const std::string option = fmt::format("plugin.{}.options.max", entry.name);
  diagnostics.push_back(
      {true, value.position,
       fmt::format("{} ({}) is {} limits.message_size ({}), so {} has no effect{}", option,
                   format_size(*most), below ? "below" : "above", format_size(limits.message_size),
                   below ? "limits.message_size" : "it", below ? " where this filter is used" : ""),
       "write one of them, or the same size twice"});
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
  all.server.workers = process_.workers;
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
