// SPDX-License-Identifier: Apache-2.0
// The parts of check() (validate.hpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/reader.hpp"

namespace lsmtpd::config {

// Each listener, its TLS, its proxies, and the chain and plugin that it names.
void check_listeners(const Config& config, Diagnostics& diagnostics);
// The steps of each chain and the fallback of each plugin; chains and plugins that nothing uses.
void check_chains(const Config& config, Diagnostics& diagnostics);
// Limits that are smaller than SMTP allows, and limits and timeouts that another one makes void.
void check_limits(const Config& config, Diagnostics& diagnostics);

template <class Named>
std::vector<std::string_view> names(const std::vector<Named>& all) {
  std::vector<std::string_view> list;
  for (const Named& one : all) list.push_back(one.name);
  return list;
}

// How to mend the name of a plugin that does not exist.
std::string missing_plugin_hint(const Config& config, const std::string& name);

}  // namespace lsmtpd::config
