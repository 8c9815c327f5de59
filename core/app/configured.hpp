// SPDX-License-Identifier: Apache-2.0
// A configuration, the instances that it makes, and the generation of workers that they become.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "app/setup.hpp"
#include "config/config.hpp"
#include "server/generation.hpp"

namespace lsmtpd::app {

// A configuration with the plugins that it names.
struct Configured {
  explicit Configured(config::Config c, Lasting lasting = {})
      : config(std::move(c)), setup(config, std::move(lasting)) {}
  Configured(config::Config c, std::shared_ptr<Foundation> foundation, Instances running)
      : config(std::move(c)), setup(config, std::move(foundation), std::move(running)) {}
  const config::Config config;
  Setup setup;
};

// Instances that a chain uses, as a step or as a step's fallback, and those that check credentials.
// Only those are started.
std::set<std::string> used_plugins(const config::Config& config);
// The generation that `configured` makes; its instances are not started.
std::shared_ptr<server::Generation> make_generation(const Configured& configured, uint64_t number);

}  // namespace lsmtpd::app
