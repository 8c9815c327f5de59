// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/text.hpp"
#include "config/checks.hpp"

namespace lsmtpd::config {
namespace {

// RFC 5321 4.5.3.1.7 and 4.5.3.1.8.
constexpr uint64_t kLeastMessageSize = 64u << 10;
constexpr uint32_t kLeastRecipients = 100;

class LimitCheck {
 public:
  LimitCheck(const Config& config, Diagnostics& diagnostics)
      : config_(config), diagnostics_(diagnostics) {}

  void run() {
    small_limits();
    limits();
    timeouts();
  }

 private:
  void small_limits();
  void limits();
  void timeouts();
  void warn(Position at, std::string message, std::string hint = {}) {
    add_warning(diagnostics_, at, std::move(message), std::move(hint));
  }

  const Config& config_;
  Diagnostics& diagnostics_;
};

void LimitCheck::small_limits() {
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
void LimitCheck::limits() {
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

void LimitCheck::timeouts() {
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

void check_limits(const Config& config, Diagnostics& diagnostics) {
  LimitCheck(config, diagnostics).run();
}

}  // namespace lsmtpd::config
