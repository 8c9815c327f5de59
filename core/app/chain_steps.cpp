// SPDX-License-Identifier: Apache-2.0
#include "app/chain_steps.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace lsmtpd::app {

using config::Diagnostic;
using config::Position;
using Instances = std::map<std::string, std::shared_ptr<plugin::Instance>>;

namespace {

// The steps of a chain or of a route.
struct Part {
  const std::string what;  // "chain.default"
  const std::vector<std::string>& steps;
  const config::Given& given;
  Position position;
  const config::Chain* chain_of_route = nullptr;  // null: it is the chain
};

class StepCheck {
 public:
  StepCheck(const Instances& instances, std::vector<Diagnostic>& diagnostics)
      : instances_(instances), diagnostics_(diagnostics) {}

  void chain(const config::Chain& chain);

 private:
  void part(const Part& part, bool beside_others);
  void filter(const Part& part, const plugin::Instance& instance, Position at, bool behind_output);
  void fallbacks(const Part& part, const std::vector<std::string>& without, size_t outputs,
                 bool beside_others);
  void error(Position at, std::string message, std::string hint = {}) {
    diagnostics_.push_back({false, at, std::move(message), std::move(hint)});
  }

  const Instances& instances_;
  std::vector<Diagnostic>& diagnostics_;
};

void StepCheck::chain(const config::Chain& chain) {
  const bool mixed = !chain.routes.empty() && chain.route_mix == config::RouteMix::deliver;
  part({"chain." + chain.name, chain.steps, chain.given, chain.position}, mixed);
  for (const auto& route : chain.routes) {
    part({fmt::format("route {} of chain.{}", route.name, chain.name), route.steps, route.given,
          route.position, &chain},
         mixed);
  }
}

// `beside_others`: one message may take this part and another one.
void StepCheck::part(const Part& part, bool beside_others) {
  size_t outputs = 0;
  bool unknown = false;
  std::vector<std::string> without_fallback;
  for (size_t i = 0; i < part.steps.size(); ++i) {
    const auto found = instances_.find(part.steps[i]);
    if (found == instances_.end()) {
      unknown = true;  // said already
      continue;
    }
    const plugin::Instance& instance = *found->second;
    // From the environment there are no positions.
    const Position given = part.given.item("steps", i);
    const Position at = given.line ? given : part.position;
    if (!instance.output()) {
      filter(part, instance, at, outputs > 0);
      continue;
    }
    ++outputs;
    if (instance.settings().fallback.empty()) without_fallback.push_back(instance.name());
  }
  if (outputs == 0 && !unknown) {
    error(part.position, part.what + " has no output",
          "end its steps with an output, such as a plugin that uses output_json_spool");
  }
  fallbacks(part, without_fallback, outputs, beside_others);
}

void StepCheck::filter(const Part& part, const plugin::Instance& instance, Position at,
                       bool behind_output) {
  const std::string& name = instance.name();
  if (!instance.filter() && !instance.session_filter() && !instance.admission()) {
    error(at, fmt::format("{}: {} is neither a filter nor an output", part.what, name));
  } else if (behind_output) {
    error(at, fmt::format("{}: the filter {} stands behind an output", part.what, name),
          "filters come first");
  } else if (part.chain_of_route) {
    const auto& of_chain = part.chain_of_route->steps;
    if (instance.session_filter()) {
      error(at,
            fmt::format("{}: {} is a session filter, which is asked before there is a route",
                        part.what, name),
            fmt::format("put it into the steps of chain.{}", part.chain_of_route->name));
    } else if (std::find(of_chain.begin(), of_chain.end(), name) != of_chain.end()) {
      error(at,
            fmt::format("{}: {} is a step of chain.{} already, which is asked for all recipients",
                        part.what, name, part.chain_of_route->name),
            "remove one of them");
    }
  }
}

void StepCheck::fallbacks(const Part& part, const std::vector<std::string>& without, size_t outputs,
                          bool beside_others) {
  if (without.empty()) return;
  if (outputs > 1) {
    diagnostics_.push_back(
        {true, part.position,
         fmt::format("{}: {} has no fallback: when it fails and another output stores the message, "
                     "the client tries again and that other one gets it twice",
                     part.what, fmt::join(without, ", ")),
         "give each of several outputs a fallback"});
  } else if (beside_others) {
    diagnostics_.push_back(
        {true, part.position,
         fmt::format("{}: {} has no fallback: when it fails and another route stores the message, "
                     "the client tries again and that other one gets it twice",
                     part.what, without.front()),
         "give it a fallback, or set route_mix = \"defer\""});
  }
}

}  // namespace

void check_chain_steps(const config::Config& config, const Instances& instances,
                       std::vector<Diagnostic>& diagnostics) {
  StepCheck check(instances, diagnostics);
  for (const auto& chain : config.chains) check.chain(chain);
}

}  // namespace lsmtpd::app
