// SPDX-License-Identifier: Apache-2.0
// Reads the keys of one section, as the key table lists them. load.cpp makes the Reader, sets name
// and position where the section has them, and finishes the Reader afterwards.
#pragma once

#include "config/reader.hpp"

namespace lsmtpd::config {

// Into `target`, the section's struct. `where`: the place of the section, for a key that is
// missing.
void read_section(Reader& reader, Section section, void* target, Given& given, Position where = {});

// [plugin.NAME], with the options whose keys the plugin defines.
void read_plugin(Reader& reader, Plugin& plugin, Diagnostics& diagnostics);

}  // namespace lsmtpd::config
