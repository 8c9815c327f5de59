// SPDX-License-Identifier: Apache-2.0
// The options of outputs with several brokers: where their connections begin and go back to, and
// how many are tried a second.
#pragma once

#include <lsmtpd/sdk/plugin.hpp>

namespace lsmtpd::sink {

inline constexpr lsmtpd_option kSpreadOption = sdk::option::boolean(
    "spread", "true", "each worker begins at a url of its own; false: all at the first one");
inline constexpr lsmtpd_option kRebalanceOption = sdk::option::duration(
    "rebalance", "60s", "how often a connection elsewhere tries the url it began at; 0s: never", 0,
    86400000);
inline constexpr lsmtpd_option kConnectRateOption = sdk::option::integer(
    "connect_rate", "10", "connections a second tried to one address, by all workers together", 1,
    10000);

}  // namespace lsmtpd::sink
