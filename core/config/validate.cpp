// SPDX-License-Identifier: Apache-2.0
#include "config/validate.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "config/host.hpp"

namespace lsmtpd::config {
namespace {

// RFC 5321 4.5.3.1.7 and 4.5.3.1.8.
constexpr uint64_t kLeastMessageSize = 64u << 10;
constexpr uint32_t kLeastRecipients = 100;

template <class Named>
std::vector<std::string_view> names(const std::vector<Named>& all) {
  std::vector<std::string_view> list;
  for (const Named& one : all) list.push_back(one.name);
  return list;
}

class Checker {
 public:
  Checker(const Config& config, Diagnostics& diagnostics)
      : config_(config), diagnostics_(diagnostics) {}

  void run() {
    listeners();
    for (const Chain& chain : config_.chains) steps(chain);
    for (const Plugin& plugin : config_.plugins) fallback(plugin);
    unused();
    small_limits();
    limits();
    timeouts();
  }

 private:
  void listeners();
  void listener_chain(const Listener& listener);
  void steps(const Chain& chain);
  void fallback(const Plugin& plugin);
  const Chain* chain_with(const std::string& step) const;
  void unused();
  void small_limits();
  void limits();
  void timeouts();
  void warn(Position at, std::string message, std::string hint = {});
  std::string missing_plugin_hint(const std::string& name) const;

  const Config& config_;
  Diagnostics& diagnostics_;
};

// Every way to say "all addresses" collides with the others.
std::string socket_of(const Listener& listener) {
  const bool any = listener.host == "*" || listener.host == "::";
  return format_address(any ? "*" : to_upper(listener.host), listener.port);
}

void Checker::listeners() {
  if (config_.listeners.empty()) {
    add_error(diagnostics_, {}, "no [[listener]]: there is nothing to serve",
              "add [[listener]] with address = \"127.0.0.1:2525\"");
  }
  std::map<std::string, const Listener*> sockets;
  std::set<std::string> seen;
  for (const Listener& listener : config_.listeners) {
    if (!seen.insert(listener.name).second) {
      add_error(diagnostics_, listener.position,
                fmt::format("two listeners are named \"{}\"", listener.name));
    }
    const auto [first, is_new] = sockets.emplace(socket_of(listener), &listener);
    if (!is_new && listener.port != 0) {
      add_error(diagnostics_, listener.given["address"],
                fmt::format("listener \"{}\" has the address of listener \"{}\"", listener.name,
                            first->second->name));
    }
    if (listener.protocol == Protocol::lmtp && listener.port == 25) {
      add_warning(diagnostics_, listener.given["address"], "LMTP must not be on port 25",
                  "RFC 2033 section 5");
    }
    listener_chain(listener);
  }
}

void Checker::listener_chain(const Listener& listener) {
  if (config_.chain(listener.chain)) return;
  const Position given = listener.given["chain"];
  std::string hint = did_you_mean(listener.chain, names(config_.chains));
  if (hint.empty() && is_name(listener.chain))
    hint = fmt::format("add [chain.{}] with its steps", listener.chain);
  add_error(diagnostics_, given.line != 0 ? given : listener.position,
            fmt::format("the chain \"{}\" of listener \"{}\" does not exist",
                        escape_for_log(listener.chain), listener.name),
            hint);
}

std::string Checker::missing_plugin_hint(const std::string& name) const {
  std::string hint = did_you_mean(name, names(config_.plugins));
  if (hint.empty() && is_name(name)) hint = fmt::format("add [plugin.{}]", name);
  return hint;
}

void Checker::steps(const Chain& chain) {
  std::set<std::string> seen;
  for (size_t i = 0; i < chain.steps.size(); ++i) {
    const std::string& step = chain.steps[i];
    const Position where = i < chain.step_positions.size() ? chain.step_positions[i] : Position{};
    if (!config_.plugin(step)) {
      add_error(diagnostics_, where,
                fmt::format("the step \"{}\" of chain.{} does not exist", escape_for_log(step),
                            chain.name),
                missing_plugin_hint(step));
    } else if (!seen.insert(step).second) {
      add_error(diagnostics_, where,
                fmt::format("\"{}\" is a step of chain.{} twice", step, chain.name));
    }
  }
}

const Chain* Checker::chain_with(const std::string& step) const {
  for (const Chain& chain : config_.chains) {
    if (std::find(chain.steps.begin(), chain.steps.end(), step) != chain.steps.end()) return &chain;
  }
  return nullptr;
}

// A fallback is replayed into the plugin it stands in for: what is in it must have come from there,
// and go nowhere else.
void Checker::fallback(const Plugin& plugin) {
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
                 missing_plugin_hint(plugin.fallback));
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

void Checker::unused() {
  std::set<std::string> fallbacks;
  for (const Plugin& plugin : config_.plugins) fallbacks.insert(plugin.fallback);
  for (const Plugin& plugin : config_.plugins) {
    if (chain_with(plugin.name) || fallbacks.contains(plugin.name)) continue;
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

void Checker::warn(Position at, std::string message, std::string hint) {
  add_warning(diagnostics_, at, std::move(message), std::move(hint));
}

void Checker::small_limits() {
  const Limits& limits = config_.limits;
  if (limits.message_size < kLeastMessageSize) {
    warn(limits.given["message_size"],
         "limits.message_size is less than 64KiB, which every server must take",
         "RFC 5321 section 4.5.3.1.7");
  }
  if (limits.recipients < kLeastRecipients) {
    warn(limits.given["recipients"],
         "limits.recipients is less than 100, which every server must take",
         "RFC 5321 section 4.5.3.1.8");
  }
}

// Pairs of limits of which one can never be reached.
void Checker::limits() {
  const Limits& limits = config_.limits;
  if (limits.message_size > std::max(limits.memory, limits.spill)) {
    warn(limits.given["message_size"],
         fmt::format("a message of limits.message_size ({}) fits neither limits.memory ({}) nor "
                     "limits.spill ({})",
                     format_size(limits.message_size), format_size(limits.memory),
                     format_size(limits.spill)),
         "raise limits.spill");
  }
  if (limits.given.has("connections_per_peer") &&
      limits.connections_per_peer > limits.connections) {
    warn(limits.given["connections_per_peer"],
         fmt::format("limits.connections_per_peer ({}) is above limits.connections ({}), so it has "
                     "no effect",
                     limits.connections_per_peer, limits.connections));
  }
  if (limits.unread_replies > limits.memory) {
    warn(limits.given["unread_replies"],
         fmt::format("limits.unread_replies ({}) is above limits.memory ({}), so it has no effect",
                     format_size(limits.unread_replies), format_size(limits.memory)));
  }
}

void Checker::timeouts() {
  const Timeouts& timeouts = config_.timeouts;
  const auto ends_first = [&](Position at, std::string_view name, uint64_t time) {
    if (timeouts.session == 0 || time < timeouts.session) return;
    warn(at, fmt::format("{} is {}, but timeouts.session ends first, after {}", name,
                         format_duration(time), format_duration(timeouts.session)));
  };
  if (timeouts.given.has("command"))
    ends_first(timeouts.given["command"], "timeouts.command", timeouts.command);
  if (timeouts.given.has("data_idle"))
    ends_first(timeouts.given["data_idle"], "timeouts.data_idle", timeouts.data_idle);
  for (const Listener& listener : config_.listeners) {
    if (listener.greet_delay == 0) continue;
    ends_first(listener.given["greet_delay"],
               fmt::format("the greet_delay of listener \"{}\"", listener.name),
               listener.greet_delay);
  }
  for (const Plugin& plugin : config_.plugins) {
    if (!plugin.given.has("deadline") || plugin.deadline <= timeouts.chain) continue;
    if (plugin.deadline == Plugin().deadline) continue;  // the default, only written out
    warn(plugin.given["deadline"],
         fmt::format("plugin.{}.deadline is {}, but timeouts.chain ends first, after {}",
                     plugin.name, format_duration(plugin.deadline),
                     format_duration(timeouts.chain)));
  }
}

}  // namespace

bool is_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), fits);
}

void check(const Config& config, Diagnostics& diagnostics) {
  Checker(config, diagnostics).run();
}

}  // namespace lsmtpd::config
