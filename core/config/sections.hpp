// SPDX-License-Identifier: Apache-2.0
// One function a kind of section: reads its keys into the struct of config.hpp. load.cpp makes the
// Reader, sets name and position where the section has them, and finishes the Reader afterwards.
#pragma once

#include "config/reader.hpp"

namespace lsmtpd::config {

// The longest of every duration: catches slips, and no sum of two overflows.
inline constexpr uint64_t longest_wait = 30ull * 24 * 3600 * 1000;

void read_server(Reader& reader, Server& server);
void read_limits(Reader& reader, Limits& limits);
void read_timeouts(Reader& reader, Timeouts& timeouts);
void read_log(Reader& reader, Log& log);
void read_listener(Reader& reader, Listener& listener);

// `chain_timeout` is timeouts.chain, within which the plugin's deadline should lie.
void read_plugin(Reader& reader, Plugin& plugin, uint64_t chain_timeout, Diagnostics& diagnostics);
void read_chain(Reader& reader, Chain& chain);

}  // namespace lsmtpd::config
