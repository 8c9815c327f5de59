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
    for (const Chain& chain : config_.chains) {
      steps(chain.steps, chain.given, "chain." + chain.name);
      routes(chain);
    }
    for (const Plugin& plugin : config_.plugins) fallback(plugin);
    unused();
  }

 private:
  // `what` names the steps in messages: "chain.default".
  void steps(const std::vector<std::string>& steps, const Given& given, const std::string& what);
  void routes(const Chain& chain);
  void fallback(const Plugin& plugin);
  const Chain* chain_with(const std::string& step) const;
  void unused();

  const Config& config_;
  Diagnostics& diagnostics_;
};

void ChainCheck::steps(const std::vector<std::string>& steps, const Given& given,
                       const std::string& what) {
  std::set<std::string> seen;
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string& step = steps[i];
    const Position where = given.item("steps", i);
    if (!config_.plugin(step)) {
      add_error(diagnostics_, where,
                fmt::format("the step \"{}\" of {} does not exist", escape_for_log(step), what),
                missing_plugin_hint(config_, step));
    } else if (!seen.insert(step).second) {
      add_error(diagnostics_, where, fmt::format("\"{}\" is a step of {} twice", step, what));
    }
  }
}

void ChainCheck::routes(const Chain& chain) {
  std::set<std::string> seen;
  for (const Route& route : chain.routes) {
    steps(route.steps, route.given, fmt::format("route {} of chain.{}", route.name, chain.name));
    if (!seen.insert(route.name).second) {
      add_error(diagnostics_, route.given["name"],
                fmt::format("chain.{} has two routes that are called {}", chain.name, route.name));
    }
    const bool broken = route.given.has("recipients") || route.given.has("files");
    if (route.recipients.empty() && route.files.empty() && !broken) {
      add_error(diagnostics_, route.position,
                fmt::format("route {} of chain.{} has no patterns", route.name, chain.name),
                "such as recipients = [\"*@example.org\"]");
    }
  }
  if (!chain.routes.empty()) return;
  for (const Key& key : keys_of(Section::chain)) {
    // `check --print` writes every key: its default is no mistake.
    if (key.required || toml_text(key, key.get(&chain)) == default_text(key)) continue;
    add_warning(
        diagnostics_, chain.given[key.name],
        fmt::format("chain.{}.{} has no effect: the chain has no routes", chain.name, key.name),
        fmt::format("add [[chain.{}.route]]", chain.name));
  }
}

const Chain* ChainCheck::chain_with(const std::string& step) const {
  for (const Chain& chain : config_.chains) {
    const auto steps = chain.all_steps();
    if (std::find(steps.begin(), steps.end(), step) != steps.end()) return &chain;
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
