// SPDX-License-Identifier: Apache-2.0
#include "app/configured.hpp"

#include "app/layer_settings.hpp"

namespace lsmtpd::app {

std::set<std::string> used_plugins(const config::Config& config) {
  std::set<std::string> used;
  for (const auto& chain : config.chains) {
    for (const auto& step : chain.all_steps()) used.insert(step);
  }
  for (const auto& listener : config.listeners) {
    if (listener.auth != config::Auth::off) used.insert(listener.auth_plugin);
  }
  for (const auto& entry : config.plugins) {
    if (used.contains(entry.name) && !entry.fallback.empty()) used.insert(entry.fallback);
  }
  return used;
}

std::shared_ptr<server::Generation> make_generation(const Configured& configured, uint64_t number) {
  auto generation = std::make_shared<server::Generation>();
  generation->number = number;
  generation->settings = server_settings(configured.config, configured.setup.route_tables());
  const auto used = used_plugins(configured.config);
  for (const auto& [name, instance] : configured.setup.instances()) {
    if (used.contains(name)) generation->instances[name] = instance;
  }
  for (const auto& entry : configured.config.plugins) {
    if (used.contains(entry.name) && !entry.fallback.empty())
      generation->fallbacks[entry.name] = entry.fallback;
  }
  return generation;
}

}  // namespace lsmtpd::app
