// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "config/checks.hpp"

namespace lsmtpd::config {
namespace {

class ChainCheck {
 public:
  ChainCheck(const Config& config, Diagnostics& diagnostics)
      : config_(config), diagnostics_(diagnostics) {}

  void run() {
    for (const Chain& chain : config_.chains) steps(chain);
    for (const Plugin& plugin : config_.plugins) fallback(plugin);
    unused();
  }

 private:
  void steps(const Chain& chain);
  void fallback(const Plugin& plugin);
  const Chain* chain_with(const std::string& step) const;
  void unused();

  const Config& config_;
  Diagnostics& diagnostics_;
};

void ChainCheck::steps(const Chain& chain) {
  std::set<std::string> seen;
  for (size_t i = 0; i < chain.steps.size(); ++i) {
    const std::string& step = chain.steps[i];
    const Position where = i < chain.step_positions.size() ? chain.step_positions[i] : Position{};
    if (!config_.plugin(step)) {
      add_error(diagnostics_, where,
                fmt::format("the step \"{}\" of chain.{} does not exist", escape_for_log(step),
                            chain.name),
                missing_plugin_hint(config_, step));
    } else if (!seen.insert(step).second) {
      add_error(diagnostics_, where,
                fmt::format("\"{}\" is a step of chain.{} twice", step, chain.name));
    }
  }
}

const Chain* ChainCheck::chain_with(const std::string& step) const {
  for (const Chain& chain : config_.chains) {
    if (std::find(chain.steps.begin(), chain.steps.end(), step) != chain.steps.end()) return &chain;
  }
  return nullptr;
}

// A fallback is replayed into the plugin it stands in for: what is in it must have come from there,
// and go nowhere else.
void ChainCheck::fallback(const Plugin& plugin) {
  if (plugin.fallback.empty()) return;
  const auto wrong = [&](std::string message, std::string hint) {
    add_error(diagnostics_, plugin.given["fallback"], std::move(message), std::move(hint));
  };
  if (plugin.fallback == plugin.name) {
    return wrong(fmt::format("plugin.{} is its own fallback", plugin.name), "");
  }
  const Plugin* other = config_.plugin(plugin.fallback);
  if (!other) {
    return wrong(fmt::format("the fallback \"{}\" of plugin.{} does not exist",
                             escape_for_log(plugin.fallback), plugin.name),
                 missing_plugin_hint(config_, plugin.fallback));
  }
  if (!other->fallback.empty()) {
    wrong(fmt::format("plugin.{} is the fallback of plugin.{} and has a fallback itself",
                      other->name, plugin.name),
          fmt::format("remove the fallback of plugin.{}", other->name));
  }
  if (const Chain* chain = chain_with(other->name)) {
    wrong(
        fmt::format("plugin.{} is the fallback of plugin.{} and a step of chain.{}", other->name,
                    plugin.name, chain->name),
        fmt::format("add a second entry, such as [plugin.{}-fallback], with a directory of its own",
                    other->name));
  }
}

void ChainCheck::unused() {
  std::set<std::string> fallbacks;
  for (const Plugin& plugin : config_.plugins) fallbacks.insert(plugin.fallback);
  for (const Plugin& plugin : config_.plugins) {
    if (chain_with(plugin.name) || fallbacks.contains(plugin.name)) continue;
    const bool checks_users =
        std::any_of(config_.listeners.begin(), config_.listeners.end(),
                    [&](const Listener& listener) { return listener.auth_plugin == plugin.name; });
    if (checks_users) continue;
    add_warning(diagnostics_, plugin.position,
                fmt::format("plugin.{} is not used: no chain has it as a step", plugin.name));
  }
  for (const Chain& chain : config_.chains) {
    const bool used =
        std::any_of(config_.listeners.begin(), config_.listeners.end(),
                    [&](const Listener& listener) { return listener.chain == chain.name; });
    if (used) continue;
    add_warning(diagnostics_, chain.position,
                fmt::format("chain.{} is not used: no listener has it", chain.name));
  }
}

}  // namespace

void check_chains(const Config& config, Diagnostics& diagnostics) {
  ChainCheck(config, diagnostics).run();
}

}  // namespace lsmtpd::config
