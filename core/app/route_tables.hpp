// SPDX-License-Identifier: Apache-2.0
// The routes of chains: their patterns, from the configuration and from files, and what becomes of
// one address. [main]
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "pipeline/route_table.hpp"

namespace lsmtpd::app {

// By the chain's name; only chains with routes have one.
using RouteTables = std::map<std::string, std::shared_ptr<const pipeline::RouteTable>>;

// Patterns of one chain, those of its files included.
inline constexpr size_t kMostPatterns = 1'000'000;

// Reads the files. Adds an error for each pattern and file that cannot be used, and a warning for
// patterns that an earlier route has.
RouteTables make_route_tables(const config::Config& config,
                              std::vector<config::Diagnostic>& diagnostics);

// Prints the way of a mail to `address` through each chain (`lsmtpd check --route`). Returns the
// exit status: an address that SMTP refuses has none.
int print_route(const config::Config& config, const RouteTables& tables,
                const std::string& address);

}  // namespace lsmtpd::app
